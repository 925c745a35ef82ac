package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// withServiceAccounts is a fixture whose simulator trusts the ServiceAccounts of the control plane. Its clock is the true
// one, since the control plane dates their tokens.
func withServiceAccounts(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.clock.SetTime(time.Now().Add(time.Minute).Truncate(time.Second))
	f.credentials()
	document, err := plane.JWKS(t.Context())
	f.Expect(err).NotTo(gomega.HaveOccurred())
	var keys jose.JSONWebKeySet
	f.Expect(json.Unmarshal(document, &keys)).To(gomega.Succeed())
	f.Expect(f.sim.RegisterProvider("cluster", "https://kubernetes.default.svc", "egain", keys)).To(gomega.Succeed())
	f.Expect(f.sim.MapSubject("system:serviceaccount:"+f.namespace+":sync", "agent.smith")).To(gomega.Succeed())
	return f
}

// byServiceAccount makes a client's flow an exchange of a ServiceAccount's token.
func byServiceAccount(audience string) quick {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Flow, ec.Spec.Scopes = egainv1alpha1.FlowTokenExchange, []egainv1alpha1.Scope{"core.aiservices.use"}
		ec.Spec.TokenExchange = &egainv1alpha1.TokenExchange{RegistrationID: "cluster", SubjectToken: egainv1alpha1.SubjectToken{
			ServiceAccountToken: &egainv1alpha1.ServiceAccountToken{Name: "sync", Audience: audience},
		}}
	}
}

func TestExchangesTheTokenOfAServiceAccount(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
	ec := f.client("sync", byServiceAccount("egain"))

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.sim.Introspect(f.token("sync")).Subject).To(gomega.Equal("agent.smith"))

	token := f.token("sync")
	f.run(ec)
	f.restart()
	f.run(ec)
	f.Expect(f.token("sync")).To(gomega.Equal(token), "that a fresh token could be minted is no reason to exchange it")
	f.change("egain-app", func(s *corev1.Secret) { s.Labels = map[string]string{"team": "a"} })
	f.run(ec)
	f.run(ec)
	f.Expect(f.requests()).To(gomega.Equal(2), "one after the restart, which forgot the credentials")
}

func TestAsksForNothingWhenTheCredentialsOfAnExchangeAreMerelyLabelled(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
	ec := f.client("sync", byServiceAccount("egain"))
	f.run(ec)

	f.change("egain-app", func(s *corev1.Secret) { s.Labels = map[string]string{"team": "a"} })
	f.run(ec)
	f.Expect(f.requests()).To(gomega.Equal(1), "a minted token differs each time and must not count")
}

func TestReportsAMissingServiceAccountAndRetries(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	ec := f.client("sync", byServiceAccount("egain"))

	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SubjectTokenNotFound"))
	f.Expect(message(ec)).To(gomega.ContainSubstring(`ServiceAccount "sync"`))
	f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<", 5*time.Second)), "nothing watches ServiceAccounts")
	f.Expect(f.requests()).To(gomega.BeZero())

	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

// watchMinting counts the tokens that are minted and the reviews of tokens, by what they are asked for.
func (f *fixture) watchMinting() (minted, reviewed *int) {
	minted, reviewed = new(int), new(int)
	f.through(interceptor.Funcs{
		SubResourceCreate: func(ctx context.Context, c client.Client, sub string, obj, request client.Object, opts ...client.SubResourceCreateOption) error {
			*minted++
			return c.SubResource(sub).Create(ctx, obj, request, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if _, is := obj.(*authenticationv1.TokenReview); is {
				*reviewed++
			}
			return c.Create(ctx, obj, opts...)
		},
	})
	return minted, reviewed
}

func TestNeverMintsATokenThatTheAPIServerAccepts(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
	minted, reviewed := f.watchMinting()
	for i, audience := range apiAudiences {
		ec := f.client(fmt.Sprintf("sync-%d", i), byServiceAccount(audience))
		for range 2 {
			result := f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, SubjectTokenForbidden"))
			f.Expect(message(ec)).To(gomega.ContainSubstring(`accepts tokens of audience "` + audience + `"`))
			f.Expect(result.RequeueAfter).To(gomega.BeZero())
		}
	}
	f.Expect(*minted).To(gomega.BeZero(), "not even the operator gets one")
	f.Expect(*reviewed).To(gomega.Equal(1), "one review tells all audiences")
	f.Expect(f.sim.Requests()).To(gomega.BeEmpty(), "nothing at all goes to the provider")

	for i, near := range []string{"internal", "internal-api ", "Internal-API", "https://kubernetes.default.svc/"} {
		ec := f.client(fmt.Sprintf("near-%d", i), byServiceAccount(near))
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, RequestRejected"), "%q is another audience, of which eGain knows nothing", near)
	}
	ec := f.client("sync", byServiceAccount("egain"))
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

// allowAudiences restarts the operator with another --allowed-audiences.
func (f *fixture) allowAudiences(audiences ...string) {
	f.settings.AllowedAudiences = audiences
	f.restart()
}

func TestMintsAndSendsNothingForAnAudienceThatIsNotListed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		listed []string
		says   string
	}{
		"nothing is listed":           {nil, "for no audience"},
		"another is listed":           {[]string{"egain"}, `to one of ["egain"]`},
		"one that begins like it is":  {[]string{"sts.amazonaws.co", "sts"}, "to one of"},
		"it is listed with a slash":   {[]string{"sts.amazonaws.com/"}, "to one of"},
		"it is listed in capitals":    {[]string{"STS.amazonaws.com"}, "to one of"},
		"a pattern of it is listed":   {[]string{"*.amazonaws.com"}, "to one of"},
		"it is listed with a scheme":  {[]string{"https://sts.amazonaws.com"}, "to one of"},
		"the API server's are listed": {apiAudiences, "to one of"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withServiceAccounts(t)
			f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
			f.allowAudiences(tc.listed...)
			minted, reviewed := f.watchMinting()
			for _, ec := range []*egainv1alpha1.EgainClient{
				f.client("sync", byServiceAccount("sts.amazonaws.com"), f.revoking),
				f.client("discovering", byServiceAccount("sts.amazonaws.com"), f.discovering, f.revoking),
			} {
				result := f.run(ec)
				f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, SubjectTokenForbidden"))
				f.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring(`"sts.amazonaws.com"`), gomega.ContainSubstring("--allowed-audiences"), gomega.ContainSubstring(tc.says)))
				f.Expect(result.RequeueAfter).To(gomega.BeZero(), "only an edit or a restart changes it")
				f.demand(ec, "now")
				f.run(ec)
				f.delete(ec)
				f.reconcile(ec)
				f.Expect(f.gone(ec)).To(gomega.BeTrue())
			}
			f.Expect(*minted).To(gomega.BeZero())
			f.Expect(*reviewed).To(gomega.BeZero())
			f.Expect(f.sim.Requests()).To(gomega.BeEmpty(), "not even a document is requested")
		})
	}
}

func TestAnAudienceThatIsNoLongerListedGetsNoMoreTokens(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
	ec := f.client("sync", byServiceAccount("egain"), f.revoking)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	token := f.token("sync")

	f.allowAudiences("other")
	minted, _ := f.watchMinting()
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, SubjectTokenForbidden"), "the token that eGain issued lasts until it expires")
	f.Expect(f.token("sync")).To(gomega.Equal(token))
	f.demand(ec, "now")
	f.run(ec)
	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
	f.run(ec)
	f.change("sync", func(s *corev1.Secret) { s.Data = nil })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.HaveSuffix(", SubjectTokenForbidden"), "whatever asks for another token")
	f.Expect(*minted).To(gomega.BeZero())
	f.Expect(f.requests()).To(gomega.Equal(1))

	f.allowAudiences("other", "egain")
	f.step(rotation.Floor)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(2))

	f.allowAudiences()
	minted, _ = f.watchMinting()
	token = f.token("sync")
	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.gone(ec)).To(gomega.BeTrue())
	f.Expect(f.sim.Introspect(token).Active).To(gomega.BeFalse(), "a token that exists is still revoked")
	f.Expect(*minted).To(gomega.BeZero())
}

// A token of the operator's own that was made for some of the audiences does not tell of the others.
func TestNeverSendsATokenThatTheAPIServerAccepts(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
	narrow := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: apiAudiences[:1]}}
	f.Expect(admin.SubResource("token").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: f.named("sync")}, narrow)).To(gomega.Succeed())
	f.r.Tokens.Reader.OwnToken = func() (oauth.Secret, error) { return oauth.Secret(narrow.Status.Token), nil }
	minted, reviewed := f.watchMinting()
	ec := f.client("sync", byServiceAccount(apiAudiences[1]))

	for range 2 {
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, SubjectTokenForbidden"))
		f.Expect(message(ec)).To(gomega.ContainSubstring(`accepts tokens of audience "` + apiAudiences[1] + `"`))
	}
	f.Expect(*minted).To(gomega.BeNumerically(">", 0))
	f.Expect(*reviewed).To(gomega.Equal(2), "one of its own, one of what it minted")
	f.Expect(f.sim.Requests()).To(gomega.BeEmpty(), "nothing at all goes to the provider")
}

func TestMintsNothingWhileTheAudiencesOfTheAPIServerAreUnknown(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	tests := map[string]struct {
		token func() (oauth.Secret, error)
		says  string
	}{
		"a client certificate":     {request.OwnToken(&rest.Config{}), "the operator has no ServiceAccount token to ask with"},
		"a token that is not good": {request.OwnToken(&rest.Config{BearerToken: "x"}), "the API server does not say"},
		"an empty file":            {request.OwnToken(&rest.Config{BearerTokenFile: file}), "the operator has no ServiceAccount token to ask with"},
	}
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withServiceAccounts(t)
			f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
			f.r.Tokens.Reader.OwnToken = tc.token
			minted, _ := f.watchMinting()
			ec := f.client("sync", byServiceAccount("egain"))

			result := f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SubjectTokenForbidden"))
			f.Expect(message(ec)).To(gomega.ContainSubstring(tc.says))
			f.Expect(*minted).To(gomega.BeZero())
			f.Expect(f.sim.Requests()).To(gomega.BeEmpty())

			f.r.Tokens.Reader.OwnToken = func() (oauth.Secret, error) { return mintOwnToken() }
			f.step(result.RequeueAfter)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestReadsItsOwnTokenAsTheFileIsAtTheTime(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	own := request.OwnToken(&rest.Config{BearerTokenFile: file, BearerToken: "of the start"})
	if _, err := own(); err == nil {
		t.Error("a file that is not there has no token")
	}
	for _, want := range []oauth.Secret{"first", "second"} {
		if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := own(); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", string(got), err, string(want))
		}
	}
}

func TestReportsThatItMayNotMintTokens(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
	operator := &corev1.ServiceAccount{ObjectMeta: f.named("operator")}
	f.create(operator)
	role := &rbacv1.Role{ObjectMeta: f.named("operator"), Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, Verbs: []string{"*"}},
		{APIGroups: []string{"auth.egain.com"}, Resources: []string{"*"}, Verbs: []string{"*"}},
	}}
	f.create(role)
	f.create(&rbacv1.RoleBinding{
		ObjectMeta: f.named("operator"),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "operator"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: f.namespace, Name: "operator"}},
	})
	config := rest.CopyConfig(plane.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + f.namespace + ":operator"}
	limited, err := client.New(config, client.Options{Scheme: scheme})
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Eventually(func() error {
		return limited.List(t.Context(), &corev1.SecretList{}, client.InNamespace(f.namespace))
	}, collected).Should(gomega.Succeed(), "the API server takes a moment to know the role")
	f.reachBy(limited)
	ec := f.client("sync", byServiceAccount("egain"))

	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SubjectTokenForbidden"), "unless it is asked, the audience may be the API server's own")
	f.Expect(message(ec)).To(gomega.ContainSubstring("tokenreviews"))
	f.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 0), "no watch reports that a role was granted")
	f.Expect(f.requests()).To(gomega.BeZero())

	f.r.Tokens.Reader.API = reviewing{secrets{limited}}
	f.step(result.RequeueAfter)
	result = f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SubjectTokenForbidden"))
	f.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring(`ServiceAccount "sync"`), gomega.ContainSubstring("serviceaccounts/token")))
	f.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 0))

	role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, Verbs: []string{"create"}})
	f.Expect(admin.Update(t.Context(), role)).To(gomega.Succeed())
	f.Eventually(func() error {
		token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"egain"}}}
		return limited.SubResource("token").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: f.named("sync")}, token)
	}, collected).Should(gomega.Succeed())
	f.reachBy(limited)
	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, SubjectTokenForbidden"), "unless it is asked, the audience may be the API server's own")
	f.Expect(message(ec)).To(gomega.ContainSubstring("tokenreviews"))
	f.Expect(f.requests()).To(gomega.BeZero())
}

func TestAsksTheAPIServerOnceAnHourForItsAudiencesAndOnceForEachOfOthers(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
	_, reviewed := f.watchMinting()
	for _, name := range []string{"a", "b"} {
		ec := f.client(name, byServiceAccount("egain"))
		f.run(ec)
		f.demand(ec, "again")
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	}
	f.Expect(f.requests()).To(gomega.Equal(4))
	f.Expect(*reviewed).To(gomega.Equal(2))

	f.step(request.AudiencesLifetime)
	f.run(f.client("c", byServiceAccount("egain")))
	f.Expect(*reviewed).To(gomega.Equal(3), "a rolling change of the API servers may have added one")
}

func TestAnErrorOfTheTokenRequestAPIIsReturned(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("sync")})
	ec := f.client("sync", byServiceAccount("egain"))
	f.through(interceptor.Funcs{SubResourceCreate: func(context.Context, client.Client, string, client.Object, client.Object, ...client.SubResourceCreateOption) error {
		return apierrors.NewInternalError(errors.New("no leader"))
	}})

	_, err := f.tryReconcile(ec)
	f.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(`minting a token for ServiceAccount "sync"`)))
	f.Expect(f.requests()).To(gomega.BeZero())
}

// reviewing is an API server that lets the operator ask about tokens.
type reviewing struct{ secrets }

func (reviewing) ReviewToken(context.Context, oauth.Secret) (*authenticationv1.TokenReviewStatus, error) {
	return &authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: apiAudiences}, nil
}
