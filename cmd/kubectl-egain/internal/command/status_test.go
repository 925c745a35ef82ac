package command

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
)

// rejected makes the last attempt of an EgainClient fail, 30 minutes before the next.
func (f *fixture) rejected(ec *egainv1alpha1.EgainClient) {
	f.t.Helper()
	f.status(ec, func(st *egainv1alpha1.EgainClientStatus) {
		st.LastFailure = &egainv1alpha1.FailureStatus{
			Time: f.at(0), RetryTime: f.at(30 * time.Minute), Reason: egainv1alpha1.ReasonClientRejected, Message: "eGain does not accept the client",
		}
		st.ConsecutiveFailures = 1
		st.Conditions = []metav1.Condition{
			f.condition(egainv1alpha1.ConditionReady, metav1.ConditionFalse, egainv1alpha1.ReasonNoToken, "there is no token"),
			f.condition(egainv1alpha1.ConditionTokenIssued, metav1.ConditionFalse, egainv1alpha1.ReasonClientRejected, "eGain does not accept the client"),
		}
	})
}

func TestStatusIsATable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rejected(f.client("broken"))
	f.ready(f.client("knowledge-sync"))
	f.client("new")

	f.Expect(f.run("status")).To(gomega.Equal(0), f.err.String())
	want := strings.TrimPrefix(`
CLIENT           READY     TIME LEFT    EXPIRES IN   RENEWS IN   LAST PROBLEM
broken           False     -            -            30m         ClientRejected
knowledge-sync   True      ######----   40m          20m
new              Unknown   -            -            -
`, "\n")
	if diff := cmp.Diff(want, f.out.String()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestStatusOfAllNamespacesSaysWhich(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("knowledge-sync")
	f.Expect(f.run("status", "-A")).To(gomega.Equal(0), f.err.String())
	f.Expect(f.out.String()).To(gomega.ContainSubstring(f.namespace + "/knowledge-sync"))
}

func TestStatusIsColouredOnATerminalOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ready(f.client("knowledge-sync"))
	f.Expect(f.run("status")).To(gomega.Equal(0))
	f.Expect(f.out.String()).NotTo(gomega.ContainSubstring("\x1b"))
	f.env.screen.style = view.Style{Colour: true, Unicode: true}
	f.Expect(f.run("status")).To(gomega.Equal(0))
	f.Expect(f.out.String()).To(gomega.ContainSubstring("\x1b[32m██████░░░░\x1b[0m"))
}

func TestStatusForPrograms(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ready(f.client("knowledge-sync", func(ec *egainv1alpha1.EgainClient) { ec.Labels = map[string]string{"team": "search"} }))
	f.client("other")

	f.Expect(f.run("status", "-l", "team=search", "-o", "name")).To(gomega.Equal(0), f.err.String())
	f.Expect(f.out.String()).To(gomega.Equal("egainclient.auth.egain.com/knowledge-sync\n"))

	f.Expect(f.run("status", "-o", "json")).To(gomega.Equal(0), f.err.String())
	var list egainv1alpha1.EgainClientList
	f.Expect(json.Unmarshal([]byte(f.out.String()), &list)).To(gomega.Succeed())
	f.Expect(list.Items).To(gomega.HaveLen(2))
	f.Expect(list.Kind).To(gomega.Equal("EgainClientList"))

	f.Expect(f.run("status", "knowledge-sync", "-o", "yaml")).To(gomega.Equal(0), f.err.String())
	f.Expect(f.out.String()).To(gomega.HavePrefix("apiVersion: auth.egain.com/v1alpha1\nkind: EgainClient\n"))
	f.Expect(f.out.String()).NotTo(gomega.ContainSubstring("managedFields"))

	f.Expect(f.run("status", "-o", "wide")).To(gomega.Equal(0), f.err.String())
	f.Expect(f.out.String()).To(gomega.ContainSubstring("login.egain.test"))
}

func TestStatusRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"an unknown format":                {[]string{"status", "-o", "pdf"}, 2, "pdf"},
		"a name of all namespaces":         {[]string{"status", "x", "-A"}, 2, "omit --all-namespaces"},
		"two names":                        {[]string{"status", "x", "y"}, 2, "at most 1"},
		"a selector that cannot be read":   {[]string{"status", "-l", "=="}, 2, "selector"},
		"an EgainClient that is not there": {[]string{"status", "x"}, 1, "EgainClient \"x\" not found"},
		"one to watch that is not there":   {[]string{"status", "x", "--watch"}, 1, "EgainClient \"x\" not found"},
		"a context that is not there":      {[]string{"status", "--context", "nowhere"}, 1, "--context"},
		"a command that is not there":      {[]string{"statsu"}, 2, "did you mean status?"},
		"a flag that is not there":         {[]string{"status", "--colour"}, 2, "see kubectl egain status --help"},
		"a cluster that is not there":      {[]string{"status", "--server", "https://127.0.0.1:1"}, 1, "kubectl cluster-info"},
		"a user who may not list":          {[]string{"status", "--as", "guest"}, 1, "ask an administrator"},
		"a kubeconfig that is not there":   {[]string{"status", "--kubeconfig", "/nowhere"}, 1, "kubectl config view"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.Expect(f.run(test.args...)).To(gomega.Equal(test.code), f.err.String())
			f.Expect(f.err.String()).To(gomega.And(gomega.ContainSubstring(test.says), gomega.HavePrefix("error: "), gomega.ContainSubstring("\nnext:  ")))
			f.Expect(f.out.String()).To(gomega.BeEmpty())
		})
	}
}

func TestStatusOfNoneSaysSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Expect(f.run("status")).To(gomega.Equal(0))
	f.Expect(f.err.String()).To(gomega.Equal("No EgainClients found in namespace " + f.namespace + ".\n"))
}

func TestStatusOfOneClientShowsAllOfIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("knowledge-sync")
	f.ready(ec)
	f.target(ec, 40*time.Minute)
	f.create(
		&corev1.Event{
			ObjectMeta: f.named("e1"), InvolvedObject: corev1.ObjectReference{Kind: "EgainClient", Namespace: f.namespace, Name: ec.Name, UID: ec.UID},
			Type: "Normal", Reason: "Issued", Message: "the token is there", LastTimestamp: *f.at(-20 * time.Minute),
		},
		&corev1.Pod{ObjectMeta: f.named("web"), Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "app",
			EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "knowledge-sync-token"}}}},
		}}}},
	)
	f.Expect(f.run("status", "knowledge-sync")).To(gomega.Equal(0), f.err.String())
	for _, want := range []string{
		"CREDENTIALS\n  Secret              egain-app, version ",
		"  Key client_secret   present\n",
		"  API URL      https://api.egain.test\n",
		"  Left      ####################---------- 66% of 60m\n",
		"  Belongs to   this EgainClient\n",
		"  20m ago   Issued   the token is there\n",
		"  Pod/web   container app   envFrom   WARN: sees no renewal until it restarts",
	} {
		f.Expect(f.out.String()).To(gomega.ContainSubstring(want))
	}
}

func TestStatusSaysInPlaceWhatMayNotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.ready(f.client("knowledge-sync"))
	f.create(
		&rbacv1.Role{ObjectMeta: f.named("viewer"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{"auth.egain.com"}, Resources: []string{"egainclients"}, Verbs: []string{"get"}}}},
		&rbacv1.RoleBinding{
			ObjectMeta: f.named("viewer"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "viewer"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "viewer-" + f.namespace}},
		},
	)
	// Roles reach the authorizer by a watch.
	f.Eventually(func() int { return f.run("status", "knowledge-sync", "--as", "viewer-"+f.namespace) }, "10s").Should(gomega.Equal(0))
	for _, want := range []string{"egain-app (you have no permission to read this)", "EVENTS\n  you have no permission to read this", "Deployments: you have no permission to read this"} {
		f.Expect(f.out.String()).To(gomega.ContainSubstring(want))
	}
}

// watch runs a command line in the background; the function that it returns interrupts it, as Ctrl-C does, and returns its
// exit code.
func (f *fixture) watch(args ...string) func() int {
	ctx, cancel := context.WithCancel(f.t.Context())
	code := make(chan int, 1)
	go func() { code <- f.runUntil(ctx, args...) }()
	return func() int {
		cancel()
		return <-code
	}
}

func TestWatchPrintsChangesUntilInterrupted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("knowledge-sync")
	interrupt := f.watch("status", "--watch")
	f.Eventually(f.out.String, "1m").Should(gomega.ContainSubstring("Unknown"))
	f.ready(ec)
	f.Eventually(f.out.String, "1m").Should(gomega.ContainSubstring("knowledge-sync   True    ######----"))
	f.Expect(admin.Delete(f.t.Context(), ec)).To(gomega.Succeed())
	f.Eventually(f.out.String, "1m").Should(gomega.ContainSubstring("deleted"))
	f.Expect(interrupt()).To(gomega.Equal(0))
	f.Expect(f.out.String()).NotTo(gomega.ContainSubstring("\x1b"))
}

func TestWatchRedrawsOnATerminal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args        []string
		shows, last string
	}{
		"a table": {[]string{"status", "--watch"}, "39m", "38m"},
		"a story": {[]string{"status", "knowledge-sync", "--watch"}, "(in 39m)", "(in 38m)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.ready(f.client("knowledge-sync"))
			f.env.screen.redraws = true
			shown, stop := make(chan struct{}), make(chan struct{})
			defer close(stop)
			go func() {
				f.tickUntil(shown, 10*time.Millisecond)
				f.tickUntil(stop, 2*time.Second)
			}()
			interrupt := f.watch(test.args...)
			f.Eventually(f.out.String, "1m").Should(gomega.ContainSubstring(test.shows))
			close(shown)
			f.Eventually(f.out.String, "1m").Should(gomega.ContainSubstring(test.last))
			f.Expect(interrupt()).To(gomega.Equal(0))
			f.Expect(f.out.String()).To(gomega.HavePrefix(view.EnterScreen))
			_, after, left := strings.Cut(f.out.String(), view.LeaveScreen)
			f.Expect(left).To(gomega.BeTrue())
			f.Expect(after).To(gomega.ContainSubstring("knowledge-sync"))
		})
	}
}

// tickUntil lets the clock run, in steps of 20 milliseconds that it takes for others.
func (f *fixture) tickUntil(stop <-chan struct{}, step time.Duration) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			f.clock.Step(step)
		}
	}
}
