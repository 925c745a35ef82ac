// Package upgrade_test starts today's operator on what an earlier one has left: live tokens, sessions and statuses.
//
// What an operator leaves is recorded in testdata, one file a version, since its sources are not in every clone. To record
// another, check it out beside this tree:
//
//	git worktree add ../earlier COMMIT
//	hack/controlplane.sh go test ./test/upgrade -record=$PWD/../earlier -version=COMMIT
//
// which runs that operator until all tokens are there, writes the file, and then upgrades what is really running.
package upgrade_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/transport"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

var (
	earlier = flag.String("record", "", "checkout of an earlier version, whose operator is run and recorded")
	version = flag.String("version", "", "name of that version")
)

const (
	root = "../.."
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 60 * time.Second
	// address is the simulator's, in records too: an endpoint is part of what a token is issued for. The port is not of those
	// that Linux gives away by itself.
	address     = "127.0.0.1:21457"
	redirectURL = "http://127.0.0.1:8765/callback"
)

func TestAnUpgradeRequestsNoTokenAndChangesNoSecret(t *testing.T) {
	if *earlier != "" {
		w := newWorld(t, *earlier)
		operator := w.start(*earlier)
		w.Expect(w.clients()).NotTo(gomega.BeEmpty())
		w.ready()
		w.Expect(os.WriteFile(filepath.Join("testdata", *version+".yaml"), w.record(), 0o644)).To(gomega.Succeed())
		testbed.Stop(t, operator)
		w.install(root)
		w.upgrade()
		return
	}
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "objects.yaml" {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, root)
			w.forgetAllBut(text)
			w.replay(text)
			w.upgrade()
		})
	}
}

// upgrade starts today's operator, has it look at every client, and compares.
func (w *world) upgrade() {
	w.t.Helper()
	before := w.versions()
	w.sim.ClearRecord()
	w.start(root)
	// A change that asks nothing of eGain: when it has been seen, so have the client and its target.
	for _, ec := range w.clients() {
		patch := client.MergeFrom(ec.DeepCopy())
		ec.Spec.Renewal = &egainv1alpha1.Renewal{Percent: 60}
		w.Expect(w.admin.Patch(w.t.Context(), &ec, patch)).To(gomega.Succeed())
	}
	w.ready()
	w.Expect(w.versions()).To(gomega.Equal(before), "no Secret is written")
	w.Expect(w.sim.Stats().Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")).To(gomega.BeZero(), "no token is requested")
	w.refreshSessions()
}

// refreshSessions refreshes each session, whose refresh token the earlier operator wrote as if it were a target's, and checks
// that no target takes it away any more.
func (w *world) refreshSessions() {
	w.t.Helper()
	const renewal = "after the upgrade"
	for _, ec := range w.clients() {
		if ec.Spec.AuthorizationCode == nil {
			continue
		}
		name := string(ec.Spec.AuthorizationCode.SessionSecretRef.Name)
		before := w.secret(name).Data[session.KeyRefreshToken]
		patch := client.MergeFrom(ec.DeepCopy())
		ec.Annotations = map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: renewal}
		w.Expect(w.admin.Patch(w.t.Context(), &ec, patch)).To(gomega.Succeed())
		w.Eventually(func() string { return w.client(ec.Name).Status.LastHandledRenewal }).WithTimeout(patience).Should(gomega.Equal(renewal))
		refreshed := w.secret(name).Data[session.KeyRefreshToken]
		w.Expect(refreshed).NotTo(gomega.Equal(before))

		released := corev1ac.Secret(name, metav1.NamespaceDefault)
		w.Expect(w.admin.Apply(w.t.Context(), released, client.FieldOwner(target.Manager), client.ForceOwnership)).To(gomega.Succeed())
		w.Expect(w.secret(name).Data).To(gomega.HaveKeyWithValue(session.KeyRefreshToken, refreshed))
	}
}

// world is a cluster with what people had applied, and an eGain.
type world struct {
	*gomega.WithT
	t          *testing.T
	plane      *controlplane.ControlPlane
	admin      client.Client
	sim        *egainsim.Simulator
	kubeconfig string
}

// newWorld starts a cluster with the CRDs and roles of a checkout.
func newWorld(t *testing.T, checkout string) *world {
	t.Helper()
	w := &world{WithT: gomega.NewWithT(t), t: t}
	w.plane, w.admin = testbed.StartCluster(t)
	w.sim = testbed.StartSimulatorAt(t, address, egainsim.Config{})
	w.install(checkout)
	w.apply()
	w.logIn()
	return w
}

func (w *world) install(checkout string) {
	w.t.Helper()
	var err error
	w.kubeconfig, err = w.plane.Install(w.t.Context(), w.admin, checkout)
	w.Expect(err).NotTo(gomega.HaveOccurred())
}

// apply creates the objects of testdata, but those that an earlier API does not have.
func (w *world) apply() {
	w.t.Helper()
	text, err := os.ReadFile("testdata/objects.yaml")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	rigel := w.sim.Rigel()
	filled := strings.NewReplacer(
		"${token}", rigel.TokenURL(egainsim.Client), "${user}", rigel.TokenURL(egainsim.User),
		"${login}", rigel.AuthorizationURL(egainsim.User), "${anonymous}", rigel.AnonymousTokenURL(),
		"${on-behalf-of}", rigel.OnBehalfOfTokenURL(egainsim.User),
		"${metadata}", w.sim.Commercial().MetadataURL(egainsim.ConsoleNestedSnake, egainsim.Client),
	).Replace(string(text))
	objects, err := controlplane.Decode([]byte(filled))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(w.admin.Create(w.t.Context(), testbed.CABundle(w.sim))).To(gomega.Succeed())
	for _, object := range objects {
		w.Eventually(func() error {
			err := w.admin.Create(w.t.Context(), object)
			if *earlier != "" && (apierrors.IsInvalid(err) || meta.IsNoMatchError(err)) {
				return nil
			}
			return err
		}).WithTimeout(patience).Should(gomega.Succeed(), object.GetName())
	}
}

// logIn has agent.smith log in, as kubectl egain login does, and keeps the refresh token in the Secret session.
func (w *world) logIn() {
	w.t.Helper()
	tenant := w.sim.Rigel()
	hc, err := transport.New(transport.Options{Timeout: 10 * time.Second, AllowLoopback: true}).Client("", "", w.sim.CABundle())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	login := oauth.Login{
		ClientID: egainsim.RigelWebClientID, RedirectURL: redirectURL, Scopes: []string{"core.aiservices.use"},
		State: "state", Verifier: oauth.NewVerifier(),
	}
	at, err := oauth.Endpoints{AuthorizationURL: tenant.AuthorizationURL(egainsim.User)}.LoginURL(login)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	back, err := egainsim.LogIn(w.t.Context(), hc.Transport, at, egainsim.Login{Username: "agent.smith", Password: egainsim.SubjectPassword, Allow: true})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	token, err := (&oauth.Client{Now: time.Now}).Token(w.t.Context(), hc, oauth.Request{
		Flow: oauth.AuthorizationCode, TokenURL: tenant.TokenURL(egainsim.User),
		Credentials: oauth.Credentials{ClientID: egainsim.RigelWebClientID, ClientSecret: egainsim.RigelWebClientSecret},
		Session:     oauth.Session{Code: oauth.Secret(back.Query().Get("code")), Verifier: login.Verifier, RedirectURL: redirectURL},
	})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	loggedIn := corev1ac.Secret("session", metav1.NamespaceDefault).
		WithData(map[string][]byte{session.KeyRefreshToken: []byte(token.RefreshToken)}).
		WithAnnotations(map[string]string{session.AnnotationID: "a-login"})
	w.Expect(w.admin.Apply(w.t.Context(), loggedIn, client.FieldOwner("kubectl-egain"), client.ForceOwnership)).To(gomega.Succeed())
}

// forgetAllBut deletes the clients that a record does not have: an earlier API had no such ones.
func (w *world) forgetAllBut(text []byte) {
	w.t.Helper()
	for _, ec := range w.clients() {
		if !strings.Contains(string(text), "\n  "+ec.Name+":\n") {
			w.Expect(w.admin.Delete(w.t.Context(), &ec)).To(gomega.Succeed())
		}
	}
	w.Expect(w.clients()).NotTo(gomega.BeEmpty())
}

// start builds the operator of a checkout, starts it and waits until it is ready.
func (w *world) start(checkout string) *exec.Cmd {
	w.t.Helper()
	operator := testbed.Operator{Bin: testbed.Build(w.t, checkout), Kubeconfig: w.kubeconfig, Flags: []string{
		"--leader-election-namespace=" + controlplane.OperatorNamespace, "--allow-loopback", "--metrics-bind-address=0",
	}}
	return operator.Start(w.t)
}

func (w *world) clients() []egainv1alpha1.EgainClient {
	w.t.Helper()
	var list egainv1alpha1.EgainClientList
	w.Expect(w.admin.List(w.t.Context(), &list)).To(gomega.Succeed())
	return list.Items
}

func (w *world) client(name string) *egainv1alpha1.EgainClient {
	w.t.Helper()
	ec := &egainv1alpha1.EgainClient{ObjectMeta: testbed.Named(name)}
	w.Expect(w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
	return ec
}

// ready waits until the operator has seen every client as it is now, and each is ready.
func (w *world) ready() {
	w.t.Helper()
	w.Eventually(func(g gomega.Gomega) {
		var list egainv1alpha1.EgainClientList
		g.Expect(w.admin.List(w.t.Context(), &list)).To(gomega.Succeed())
		for _, ec := range list.Items {
			g.Expect(ec.Status.ObservedGeneration).To(gomega.Equal(ec.Generation), ec.Name)
			g.Expect(meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady)).To(gomega.BeTrue(), ec.Name)
		}
	}).WithTimeout(patience).Should(gomega.Succeed())
}

// versions are those of all Secrets.
func (w *world) versions() map[string]string {
	w.t.Helper()
	versions := map[string]string{}
	for _, secret := range w.secrets() {
		versions[secret.Name] = secret.ResourceVersion
	}
	return versions
}
