package command

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func TestRenewAsksTheOperator(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	search := func(ec *egainv1alpha1.EgainClient) { ec.Labels = map[string]string{"team": "search"} }
	one, two, other := f.client("one", search), f.client("two", search), f.client("other")

	f.Expect(f.run("renew", "-l", "team=search")).To(gomega.Equal(0), f.err.String())
	f.Expect(f.out.String()).To(gomega.Equal("egainclient/one: renewal requested\negainclient/two: renewal requested\n"))
	want := f.clock.Now().UTC().Format(time.RFC3339Nano)
	for _, ec := range []*egainv1alpha1.EgainClient{one, two} {
		f.Expect(f.read(ec).Annotations).To(gomega.HaveKeyWithValue(egainv1alpha1.RenewRequestedAtAnnotation, want))
		f.Expect(ec.ManagedFields).To(gomega.ContainElement(gomega.HaveField("Manager", fieldManager)))
	}
	f.Expect(f.read(other).Annotations).NotTo(gomega.HaveKey(egainv1alpha1.RenewRequestedAtAnnotation))

	f.Expect(f.run("renew", "--all")).To(gomega.Equal(0), f.err.String())
	f.Expect(f.read(other).Annotations).To(gomega.HaveKey(egainv1alpha1.RenewRequestedAtAnnotation))
}

func TestRenewWaitsForTheToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("knowledge-sync")
	f.ready(ec)
	wait := f.watch("renew", "knowledge-sync", "--wait", "--timeout", "30s")
	f.Eventually(f.out.String, "1m").Should(gomega.ContainSubstring("renewal requested"))
	f.status(ec, func(st *egainv1alpha1.EgainClientStatus) {
		// A failure that is tried again in time does not end the wait.
		st.LastFailure = &egainv1alpha1.FailureStatus{
			Time: f.at(0), RetryTime: f.at(2 * time.Second), Reason: egainv1alpha1.ReasonServerUnavailable, Message: "eGain does not answer",
		}
	})
	f.status(ec, func(st *egainv1alpha1.EgainClientStatus) {
		// Nor does one of an endpoint that single requests ask for all.
		st.LastFailure = &egainv1alpha1.FailureStatus{Time: f.at(0), Reason: egainv1alpha1.ReasonServerUnavailable, Message: "eGain fails"}
	})
	f.status(ec, func(st *egainv1alpha1.EgainClientStatus) {
		st.LastFailure = nil
		st.LastHandledRenewal = ec.Annotations[egainv1alpha1.RenewRequestedAtAnnotation]
		st.Token.ExpirationTime = f.at(time.Hour)
	})
	f.Eventually(f.out.String, "1m").Should(gomega.ContainSubstring("egainclient/knowledge-sync: renewed, expires in 60m"))
	f.Expect(wait()).To(gomega.Equal(0), f.err.String())
}

func TestRenewSaysWhyNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("knowledge-sync")
	wait := f.watch("renew", "knowledge-sync", "--wait", "--timeout", "30s")
	f.Eventually(f.out.String, "1m").Should(gomega.ContainSubstring("renewal requested"))
	f.rejected(ec)
	f.Eventually(f.err.String, "1m").Should(gomega.ContainSubstring("not renewed: ClientRejected: eGain does not accept the client; next try "))
	f.Expect(f.err.String()).To(gomega.ContainSubstring("(in 30m)\nnext:  "))
	f.Expect(wait()).To(gomega.Equal(1))
}

func TestRenewDoesNotWaitInVain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("suspended", func(ec *egainv1alpha1.EgainClient) { ec.Spec.Suspend = new(true) })
	f.rejectedBefore(f.client("silent"))
	f.Expect(f.run("renew", "suspended", "--wait")).To(gomega.Equal(1))
	f.Expect(f.err.String()).To(gomega.ContainSubstring("suspended, not renewed"))
	f.Expect(f.run("renew", "silent", "--wait", "--timeout", "300ms")).To(gomega.Equal(1))
	f.Expect(f.err.String()).To(gomega.ContainSubstring("not renewed in time: ClientRejected"))
}

// rejectedBefore makes an attempt fail that was made before any renewal of the test is asked for.
func (f *fixture) rejectedBefore(ec *egainv1alpha1.EgainClient) {
	f.t.Helper()
	f.rejected(ec)
	f.status(ec, func(st *egainv1alpha1.EgainClientStatus) { st.LastFailure.Time = f.at(-time.Minute) })
}

func TestSuspendAndResumeSayWhatItMeans(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("knowledge-sync")
	f.ready(ec)
	steps := []struct {
		args []string
		says string
		want bool
	}{
		{[]string{"suspend", "knowledge-sync"}, "suspended: the token in Secret knowledge-sync-token expires in 40m and will not be renewed", true},
		{[]string{"suspend", "--all"}, "unchanged: the token", true},
		{[]string{"resume", "knowledge-sync"}, "resumed: the token in Secret knowledge-sync-token is renewed in 20m", false},
		{[]string{"resume", "knowledge-sync"}, "unchanged: the token", false},
	}
	for _, step := range steps {
		f.Expect(f.run(step.args...)).To(gomega.Equal(0), f.err.String())
		f.Expect(f.out.String()).To(gomega.HavePrefix("egainclient/knowledge-sync: " + step.says))
		f.Expect(f.read(ec).Suspended()).To(gomega.Equal(step.want))
	}
	f.Expect(ec.ManagedFields).To(gomega.ContainElement(gomega.HaveField("Manager", fieldManager)))
}

func TestSuspendKnowsTokensThatAreGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("none")
	old := f.client("old")
	f.status(old, func(st *egainv1alpha1.EgainClientStatus) {
		st.Token = &egainv1alpha1.TokenStatus{IssueTime: f.at(-2 * time.Hour), ExpirationTime: f.at(-time.Hour), RenewalTime: f.at(-90 * time.Minute)}
	})
	f.Expect(f.run("suspend", "none", "old")).To(gomega.Equal(0), f.err.String())
	f.Expect(f.out.String()).To(gomega.ContainSubstring("Secret none-token contains no token, and none will be requested"))
	f.Expect(f.out.String()).To(gomega.ContainSubstring("the token in Secret old-token has expired and will not be renewed"))
	f.Expect(f.run("resume", "old")).To(gomega.Equal(0), f.err.String())
	f.Expect(f.out.String()).To(gomega.ContainSubstring("is requested immediately"))
}

func TestSelectionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tests := map[string]struct {
		args string
		code int
		says string
	}{
		"nothing":                      {"", 2, "pass the NAMEs of EgainClients"},
		"two ways":                     {"one --all", 2, "pass only one of"},
		"a name of all namespaces":     {"one -A", 2, "pass -n"},
		"a selector that matches none": {"-l team=none", 1, "no EgainClients found with selector"},
		"all of an empty namespace":    {"--all", 1, "no EgainClients found in the namespace"},
		"a name that is not there":     {"one", 1, "EgainClient \"one\" not found"},
		"a selector that is none":      {"-l =", 2, "parsing the selector"},
	}
	for name, test := range tests {
		for _, command := range []string{"renew", "suspend", "resume"} {
			f.Expect(f.run(append([]string{command}, strings.Fields(test.args)...)...)).To(gomega.Equal(test.code), "%s: %s", command, name)
			f.Expect(f.err.String()).To(gomega.And(gomega.ContainSubstring(test.says), gomega.ContainSubstring("\nnext:  ")))
		}
	}
	f.Expect(f.run("renew", "one", "--timeout", "0s")).To(gomega.Equal(2))
}

func TestRenewWithoutThePermissionChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("knowledge-sync")
	f.Expect(f.run("renew", "knowledge-sync", "--as", "guest")).To(gomega.Equal(1))
	f.Expect(f.err.String()).To(gomega.ContainSubstring("ask an administrator of the cluster"))
	f.Expect(f.read(ec).Annotations).To(gomega.BeEmpty())
	f.Expect(f.read(ec).ManagedFields).NotTo(gomega.ContainElement(gomega.HaveField("Operation", metav1.ManagedFieldsOperationApply)))
}
