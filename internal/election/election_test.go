package election

import (
	"os"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

func lock(t *testing.T, namespace string) string {
	t.Helper()
	l, err := Lock(&rest.Config{}, namespace)
	if err != nil {
		t.Fatal(err)
	}
	if l.Describe() != namespace+"/"+LeaseName {
		t.Errorf("the Lease is %s", l.Describe())
	}
	return l.Identity()
}

func TestProcessesOfOnePodShareAnIdentity(t *testing.T) {
	t.Setenv(PodUID, "a")
	first := lock(t, "system")
	if again := lock(t, "system"); again != first {
		t.Errorf("got %s, then %s", first, again)
	}
	t.Setenv(PodUID, "b")
	if other := lock(t, "system"); other == first {
		t.Errorf("two pods are both %s", other)
	}
	if hostname, err := os.Hostname(); err != nil || !strings.HasPrefix(first, hostname+"_") {
		t.Errorf("%s does not tell people which pod it is (%v)", first, err)
	}
}

func TestProcessesThatKnowNoPodShareNoIdentity(t *testing.T) {
	t.Setenv(PodUID, "")
	if one, another := lock(t, "system"), lock(t, "system"); one == another {
		t.Errorf("two processes are both %s", one)
	}
}

func TestOutsideOfAClusterTheNamespaceMustBeSet(t *testing.T) {
	t.Parallel()
	if _, err := Lock(&rest.Config{}, ""); err == nil || !strings.Contains(err.Error(), "--leader-election-namespace") {
		t.Errorf("got %v, want what to set", err)
	}
}

func TestTheConfigurationOfOthersStaysAsItIs(t *testing.T) {
	t.Parallel()
	config := &rest.Config{Host: "https://localhost"}
	if _, err := Lock(config, "system"); err != nil {
		t.Fatal(err)
	}
	if config.Timeout != 0 || config.UserAgent != "" {
		t.Errorf("other clients got a timeout of %s and call themselves %q", config.Timeout, config.UserAgent)
	}
}

func TestAConfigurationThatCannotWorkIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Lock(&rest.Config{Host: "://"}, "system"); err == nil {
		t.Error("no error")
	}
}
