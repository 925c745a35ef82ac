package security_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// listener is the server of an author: it logs each body, and answers with a token and a refresh token of its own.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	// during is called before each answer.
	during func()
}

func newListener(w *world) *listener {
	l := &listener{}
	l.Server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		l.bodies = append(l.bodies, string(body))
		during, n := l.during, len(l.bodies)
		l.mu.Unlock()
		if during != nil {
			during()
		}
		answer(rw, http.StatusOK, `{"access_token":"listened-%d","token_type":"Bearer","expires_in":3600,"refresh_token":"theirs-now"}`, n)
	}))
	w.t.Cleanup(l.Close)
	return l
}

// heard are the bodies so far.
func (l *listener) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.bodies...)
}

// author is a client of an account that may create EgainClients in the team's namespace and has no right on Secrets.
func (w *world) author() client.Client {
	w.t.Helper()
	w.create(&corev1.ServiceAccount{ObjectMeta: named("author")})
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: named("author"),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "egain-operator-egainclient-editor"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: team, Name: "author"}},
	})
	config, err := w.plane.ServiceAccountConfig(w.t.Context(), team, "author")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	c, err := client.New(config, client.Options{Scheme: w.admin.Scheme()})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.eventually("the author's rights", func(g gomega.Gomega) {
		g.Expect(c.List(w.t.Context(), &egainv1alpha1.EgainClientList{}, client.InNamespace(team))).To(gomega.Succeed())
	})
	w.Expect(apierrors.IsForbidden(c.List(w.t.Context(), &corev1.SecretList{}, client.InNamespace(team)))).To(gomega.BeTrue())
	return c
}

// listening sends the requests of a client to the author's server.
func (l *listener) listening(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Tenant.CABundleRef.Name = "gateway-ca" // all test servers have one certificate
	ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{
		TokenURL: egainv1alpha1.HTTPSURL(l.URL + "/token"), RevocationURL: egainv1alpha1.HTTPSURL(l.URL + "/revoke"),
	}
}

// into makes a Secret the target.
func into(secret string, policy egainv1alpha1.CreationPolicy) change {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Target.SecretName, ec.Spec.Target.CreationPolicy = egainv1alpha1.SecretName(secret), policy
	}
}

// refusedFor waits until the last attempt of a client is refused with a reason.
func (w *world) refusedFor(ec *egainv1alpha1.EgainClient, reason string) {
	w.t.Helper()
	w.eventually(ec.Name, func(g gomega.Gomega) {
		w.fetch(g, ec)
		c := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued)
		g.Expect(c).NotTo(gomega.BeNil())
		g.Expect(c.Reason).To(gomega.Equal(reason), c.Message)
	})
}

// stored returns a check that a Secret is as it is now.
func (w *world) stored(name string) func() {
	w.t.Helper()
	was := &corev1.Secret{ObjectMeta: named(name)}
	w.fetch(w.WithT, was)
	return func() {
		w.t.Helper()
		is := &corev1.Secret{ObjectMeta: named(name)}
		w.fetch(w.WithT, is)
		w.Expect(is).To(gomega.Equal(was))
	}
}

// TestAnAuthorWithoutRightsOnSecretsGetsNoneByNamingThem has an author name Secrets of every kind as sessions and targets.
func TestAnAuthorWithoutRightsOnSecretsGetsNoneByNamingThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "everything", everything)
	w.supply()
	w.start()
	server := newListener(w)
	admin := w.admin
	session := w.client("session", w.flows()["session"]("session"))
	for _, ec := range []*egainv1alpha1.EgainClient{session, w.client("app"), w.client("exchange", w.flows()["exchange"]("exchange"))} {
		w.issued(ec)
	}
	author := w.author()
	w.admin = author // what is created from here on, the author creates
	login := w.flows()["session"]

	var refused []*egainv1alpha1.EgainClient
	name := func(reason string, ec *egainv1alpha1.EgainClient) {
		w.admin = admin
		w.refusedFor(ec, reason)
		w.admin = author
		refused = append(refused, ec)
	}
	unchanged := w.foreignSecrets(admin)

	// As sessions: of another program, of another client, and one that is a target.
	for i, secret := range []string{"google-oauth", "session-of-session", "session", "okta-token"} {
		name(egainv1alpha1.ReasonSessionInvalid, w.client(fmt.Sprintf("thief-%d", i), login("any"), server.listening, func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.AuthorizationCode.SessionSecretRef.Name = egainv1alpha1.SecretName(secret)
			ec.Spec.RevokeOnDelete = new(true)
		}))
	}
	// As targets: everything that another reads, sessions, and logins.
	for i, secret := range []string{"session-of-session", "egain-app", "egain-web", "okta-token", "builder-token", "bootstrap-token-abcdef"} {
		name(egainv1alpha1.ReasonTargetConflict, w.client(fmt.Sprintf("merge-%d", i), server.listening, into(secret, egainv1alpha1.CreationPolicyMerge), func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.CredentialsSecretRef.Name = "google-oauth"
			ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: map[string]egainv1alpha1.Template{"auth-extra-groups": "system:masters"}}
		}))
		name(egainv1alpha1.ReasonTargetNotOwned, w.client(fmt.Sprintf("owner-%d", i), server.listening, into(secret, egainv1alpha1.CreationPolicyOwner), func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.CredentialsSecretRef.Name = "google-oauth"
		}))
	}
	for _, ec := range refused {
		w.Expect(author.Delete(t.Context(), ec)).To(gomega.Succeed())
	}
	w.admin = admin
	for _, ec := range refused {
		w.gone(ec)
	}
	w.Expect(server.heard()).To(gomega.BeEmpty(), "neither a token request nor a revocation")
	unchanged()

	// The login that all that was about goes on.
	w.update(session, func() {
		session.Annotations = map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: "again"}
	})
	w.eventually("the session", func(g gomega.Gomega) {
		w.fetch(g, session)
		g.Expect(session.Status.LastHandledRenewal).To(gomega.Equal("again"))
	})
	w.issued(session)
}

// foreignSecrets creates Secrets of others, and returns a check that they, and those that clients read, are as they are now.
func (w *world) foreignSecrets(admin client.Client) func() {
	w.t.Helper()
	before := w.admin
	w.admin = admin
	defer func() { w.admin = before }()
	w.create(&corev1.Secret{ObjectMeta: named("google-oauth"), StringData: map[string]string{
		session.KeyRefreshToken: w.secret("the refresh token of Google"), "client_id": "google", "client_secret": w.secret("the client secret of Google"),
	}})
	w.create(&corev1.ServiceAccount{ObjectMeta: named("builder")})
	builder := &corev1.Secret{ObjectMeta: named("builder-token"), Type: corev1.SecretTypeServiceAccountToken}
	builder.Annotations = map[string]string{corev1.ServiceAccountNameKey: "builder"}
	w.create(builder)
	w.create(&corev1.Secret{ObjectMeta: named("bootstrap-token-abcdef"), Type: corev1.SecretTypeBootstrapToken, StringData: map[string]string{"token-id": "abcdef"}})
	var checks []func()
	for _, name := range []string{"google-oauth", "builder-token", "bootstrap-token-abcdef", "session-of-session", "egain-app", "egain-web", "okta-token"} {
		checks = append(checks, w.stored(name))
	}
	return func() {
		w.t.Helper()
		for _, check := range checks {
			check()
		}
	}
}

// TestAKeyThatAppearsDuringATokenRequestStaysTheirs and costs no second request.
func TestAKeyThatAppearsDuringATokenRequestStaysTheirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "everything", everything)
	w.supply()
	w.start()
	server := newListener(w)
	w.create(&corev1.Secret{ObjectMeta: named("shared"), StringData: map[string]string{"colour": "blue"}})
	put := func(key string, value []byte) error {
		applied := corev1ac.Secret("shared", team)
		if value != nil {
			applied.WithData(map[string][]byte{key: value})
		}
		return w.admin.Apply(w.t.Context(), applied, client.FieldOwner("another"))
	}
	server.during = func() {
		if err := put(target.KeyAccessToken, []byte("theirs")); err != nil {
			t.Error(err)
		}
	}
	ec := w.client("merged", server.listening, into("shared", egainv1alpha1.CreationPolicyMerge))
	w.refusedFor(ec, egainv1alpha1.ReasonTargetConflict)
	shared := &corev1.Secret{ObjectMeta: named("shared")}
	w.fetch(w.WithT, shared)
	w.Expect(shared.Data).To(gomega.Equal(map[string][]byte{"colour": []byte("blue"), target.KeyAccessToken: []byte("theirs")}))

	w.Expect(put("", nil)).To(gomega.Succeed())
	w.issued(ec)
	w.fetch(w.WithT, shared)
	w.Expect(shared.Data).To(gomega.HaveKeyWithValue(target.KeyAccessToken, []byte("listened-1")))
	w.Expect(server.heard()).To(gomega.HaveLen(1))
}

// TestATokenThatIsSaidToLastForDecadesIsReplaced though it is applied as the operator's own field manager: by another, or by the
// same with its own times, if that was issued a moment ago.
func TestATokenThatIsSaidToLastForDecadesIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "everything", everything)
	w.supply()
	w.start()
	ec := w.client("forged")
	w.issued(ec)
	secret := &corev1.Secret{ObjectMeta: named("forged")}
	w.fetch(w.WithT, secret)
	applied, err := corev1ac.ExtractSecret(secret, target.Manager)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	const decades = "2099-01-01T00:00:00Z"
	applied.Annotations[target.AnnotationExpirationTime] = decades
	applied.Data[target.KeyExpiresAt] = []byte(decades)
	w.Expect(w.admin.Apply(t.Context(), applied, client.FieldOwner(target.Manager), client.ForceOwnership)).To(gomega.Succeed())
	w.eventually("a token that says when it expires", func(g gomega.Gomega) {
		w.fetch(g, secret)
		g.Expect(string(secret.Data[target.KeyExpiresAt])).NotTo(gomega.Equal(decades))
		g.Expect(secret.Annotations[target.AnnotationExpirationTime]).NotTo(gomega.Equal(decades))
	})
	w.issued(ec)
	w.Expect(ec.Status.Token.ExpirationTime.Time).To(gomega.BeTemporally("<", time.Now().Add(25*time.Hour)))
	w.Expect(w.sim.Introspect(string(secret.Data[target.KeyAccessToken])).Active).To(gomega.BeTrue())
}
