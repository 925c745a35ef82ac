package controllers

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

// platform is a namespace that lends an application of the simulator.
type platform struct {
	*fixture
	secret *corev1.Secret
	tenant *egainv1alpha1.EgainTenant
}

// lend makes a fixture whose EgainTenant lends an application, with its credentials in another namespace.
func lend(t *testing.T, change ...func(*egainv1alpha1.EgainTenant)) *platform {
	t.Helper()
	p := &platform{fixture: newFixture(t)}
	p.secret = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: newNamespace(t), Name: "acme-app"},
		StringData: map[string]string{"client_id": egainsim.RigelClientID, "client_secret": egainsim.RigelClientSecret},
	}
	p.create(p.secret)
	p.settings.ApplicationNamespaces = []string{p.secret.Namespace}
	p.restart()
	p.tenant = p.fixture.tenant(append([]func(*egainv1alpha1.EgainTenant){func(et *egainv1alpha1.EgainTenant) {
		et.Spec.Applications = []egainv1alpha1.Application{{
			Name: "default",
			CredentialsSecretRef: egainv1alpha1.ApplicationCredentialsReference{
				Namespace: egainv1alpha1.NamespaceName(p.secret.Namespace), Name: "acme-app",
			},
			AllowedNamespaces:    egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{egainv1alpha1.NamespaceName(p.namespace)}},
			AllowedFlows:         []egainv1alpha1.Flow{egainv1alpha1.FlowClientCredentials, egainv1alpha1.FlowOnBehalfOf, egainv1alpha1.FlowTokenExchange},
			AllowedSubjects:      &egainv1alpha1.AllowedSubjects{Usernames: []egainv1alpha1.SubjectPattern{"agent.*"}, Emails: []egainv1alpha1.SubjectPattern{"*@example.com"}},
			AllowedRegistrations: []egainv1alpha1.RegistrationID{"okta-prod"},
		}}
	}}, change...)...)
	return p
}

// borrowing makes a client use the application.
func (p *platform) borrowing(ec *egainv1alpha1.EgainClient) {
	p.referring(ec)
	ec.Spec.CredentialsSecretRef, ec.Spec.TenantRef.Application = nil, "default"
}

// rewrite changes the credentials of the application.
func (p *platform) rewriteSecret(change func(*corev1.Secret)) {
	p.t.Helper()
	change(p.secret)
	p.Expect(admin.Update(p.t.Context(), p.secret)).To(gomega.Succeed())
}

func (p *platform) changeApplication(change func(*egainv1alpha1.Application)) {
	p.t.Helper()
	p.updateTenant(p.tenant, func() { change(&p.tenant.Spec.Applications[0]) })
}

// expectNothingOfTheSecret fails the test if the namespace learns anything of the application's Secret.
func (p *platform) expectNothingOfTheSecret(ec *egainv1alpha1.EgainClient) {
	p.t.Helper()
	p.Expect(admin.Get(p.t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
	var secrets corev1.SecretList
	p.Expect(admin.List(p.t.Context(), &secrets, client.InNamespace(p.namespace))).To(gomega.Succeed())
	for i := range secrets.Items {
		secrets.Items[i].Data["access_token"] = nil // the simulator's tokens name the client
		secrets.Items[i].Data["authorization"] = nil
	}
	all, err := json.Marshal([]any{ec, secrets, p.sent()})
	p.Expect(err).NotTo(gomega.HaveOccurred())
	for _, secret := range []string{egainsim.RigelClientSecret, egainsim.RigelClientID, p.secret.Namespace, "acme-app", string(p.secret.UID)} {
		p.Expect(string(all)).NotTo(gomega.ContainSubstring(secret))
	}
}

func TestApplication_IssuesWithoutASecretInTheNamespace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		actor egainsim.Actor
		asks  quick
	}{
		"ClientCredentials": {egainsim.Client, func(*egainv1alpha1.EgainClient) {}},
		"OnBehalfOf": {egainsim.User, func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Flow, ec.Spec.OnBehalfOf = egainv1alpha1.FlowOnBehalfOf, &egainv1alpha1.OnBehalfOf{Username: "agent.smith"}
			ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.onbehalfof.read"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := lend(t)
			if tc.actor == egainsim.User {
				p.updateTenant(p.tenant, func() {
					p.tenant.Spec.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(p.sim.Rigel().OnBehalfOfTokenURL(egainsim.User))
				})
			}
			ec := p.client("sync", p.borrowing, tc.asks)
			p.run(ec)
			p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			p.Expect(p.active("sync")).To(gomega.BeTrue())
			p.expectNothingOfTheSecret(ec)
			p.step(time.Hour)
			p.run(ec)
			p.Expect(p.requests()).To(gomega.Equal(2))
		})
	}
}

func TestApplication_ARefusalSendsNothing(t *testing.T) {
	t.Parallel()
	behalf := func(who egainv1alpha1.OnBehalfOf) quick {
		return func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Flow, ec.Spec.OnBehalfOf = egainv1alpha1.FlowOnBehalfOf, &who
		}
	}
	user := func(name string) quick { return behalf(egainv1alpha1.OnBehalfOf{Username: name}) }
	customer := func(email string) quick { return behalf(egainv1alpha1.OnBehalfOf{Email: email}) }
	exchange := func(registration string) quick {
		return func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Flow, ec.Spec.TokenExchange = egainv1alpha1.FlowTokenExchange, &egainv1alpha1.TokenExchange{
				RegistrationID: registration, SubjectToken: egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: "okta", Key: "token"}},
			}
		}
	}
	type application = egainv1alpha1.Application
	allowAll := func(a *application) {
		a.AllowedSubjects = &egainv1alpha1.AllowedSubjects{Usernames: []egainv1alpha1.SubjectPattern{"*"}, Emails: []egainv1alpha1.SubjectPattern{"*"}}
	}
	const (
		refused = egainv1alpha1.ReasonApplicationNotAllowed
		invalid = egainv1alpha1.ReasonApplicationInvalid
	)
	for name, tc := range map[string]struct {
		lent  func(*application)
		asks  quick
		state string
		words string
	}{
		"a namespace":                         {lent: func(a *application) { a.AllowedNamespaces.Names = []egainv1alpha1.NamespaceName{"elsewhere"} }, state: refused, words: "allowedNamespaces"},
		"a flow":                              {lent: func(a *application) { a.AllowedFlows = []egainv1alpha1.Flow{egainv1alpha1.FlowAnonymousCustomer} }, state: refused, words: `flow "ClientCredentials"`},
		"a scope":                             {lent: func(a *application) { a.AllowedScopes = []egainv1alpha1.ScopePattern{"core.*"} }, state: refused, words: `["knowledge.portalmgr.manage"]`},
		"a registration":                      {asks: exchange("okta-prod2"), state: refused, words: `registration "okta-prod2"`},
		"a user in other case":                {asks: user("Agent.smith"), state: refused, words: `username "Agent.smith"`},
		"a user who looks like another":       {asks: user("agent.\u0455mith"), state: refused, words: "allowedSubjects.usernames"},
		"a user with a space":                 {asks: user("agent.smith "), state: refused, words: "allowedSubjects.usernames"},
		"a user who is an asterisk":           {asks: user("*"), state: refused, words: "allowedSubjects.usernames"},
		"an address as a user's name":         {asks: user("jane@example.com"), state: refused, words: "allowedSubjects.usernames"},
		"a user's name as a customer":         {asks: customer("agent.smith@x"), state: refused, words: "allowedSubjects.emails"},
		"a customer of another domain":        {asks: customer("jane@example.com.evil.com"), state: refused, words: "allowedSubjects.emails"},
		"a customer in other case":            {asks: customer("jane@EXAMPLE.com"), state: refused, words: "allowedSubjects.emails"},
		"a customer of a quoted local part":   {asks: customer(`"jane"@example.com`), state: refused, words: "allowedSubjects.emails"},
		"a space, where all are allowed":      {lent: allowAll, asks: user("agent smith"), state: refused, words: "allowedSubjects.usernames"},
		"a look-alike, where all are allowed": {lent: allowAll, asks: user("agent.\u0455mith"), state: refused, words: "allowedSubjects.usernames"},
		"a quotation, where all are allowed":  {lent: allowAll, asks: customer("\"a\u00a0b\"@example.com"), state: refused, words: "allowedSubjects.emails"},
		"a user, where customers are allowed": {lent: func(a *application) {
			a.AllowedSubjects = &egainv1alpha1.AllowedSubjects{Emails: []egainv1alpha1.SubjectPattern{"*"}}
		}, asks: user("agent.smith"), state: refused, words: "allowedSubjects.usernames"},
		"a user by a kind without a list": {asks: behalf(egainv1alpha1.OnBehalfOf{UserID: "10002"}), state: refused, words: "allowedSubjects.userIDs"},
		"a namespace of the operator":     {lent: func(a *application) { a.CredentialsSecretRef.Namespace = "default" }, state: invalid, words: "--application-namespaces"},
		"another name": {
			asks: func(ec *egainv1alpha1.EgainClient) { ec.Spec.TenantRef.Application = "other" }, state: egainv1alpha1.ReasonApplicationNotFound, words: `application "other"`,
		},
		"a Secret that does not exist": {lent: func(a *application) { a.CredentialsSecretRef.Name = "none" }, state: invalid, words: "has no credentials that can be used"},
		"a key that does not exist":    {lent: func(a *application) { a.CredentialsSecretRef.ClientSecretKey = "none" }, state: invalid, words: "has no credentials that can be used"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := lend(t)
			if tc.lent != nil {
				p.changeApplication(tc.lent)
			}
			asks := tc.asks
			if asks == nil {
				asks = func(*egainv1alpha1.EgainClient) {}
			}
			ec := p.client("sync", p.borrowing, asks)
			p.run(ec)
			p.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(tc.state))
			p.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring(tc.words), gomega.ContainSubstring(p.tenant.Name)))
			p.Expect(p.sim.Stats().Counts).To(gomega.BeEmpty(), "nothing is sent")
			p.expectNothingOfTheSecret(ec)
		})
	}
}

func TestApplication_OneThatGoesLeavesTheToken(t *testing.T) {
	t.Parallel()
	p := lend(t)
	ec := p.client("sync", p.borrowing)
	p.run(ec)
	token := p.token("sync")

	lent := p.tenant.Spec.Applications
	p.updateTenant(p.tenant, func() { p.tenant.Spec.Applications = nil })
	p.run(ec)
	p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, ApplicationNotFound"))
	p.updateTenant(p.tenant, func() { p.tenant.Spec.Applications = lent })
	p.changeApplication(func(a *egainv1alpha1.Application) {
		a.AllowedFlows = []egainv1alpha1.Flow{egainv1alpha1.FlowAnonymousCustomer}
	})
	p.run(ec)
	p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, ApplicationNotAllowed"))
	p.changeApplication(func(a *egainv1alpha1.Application) {
		a.AllowedFlows = []egainv1alpha1.Flow{egainv1alpha1.FlowClientCredentials}
	})
	p.run(ec)
	p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	p.Expect(p.token("sync")).To(gomega.Equal(token))
	p.Expect(p.requests()).To(gomega.Equal(1))
}

func TestApplication_OtherCredentialsIssueAnew(t *testing.T) {
	t.Parallel()
	p := lend(t)
	ec := p.client("sync", p.borrowing)
	p.run(ec)
	first := p.token("sync")

	p.rewriteSecret(func(s *corev1.Secret) { s.Labels = map[string]string{"team": "platform"} })
	p.run(ec)
	p.Expect(p.requests()).To(gomega.Equal(1), "a label changes no credentials")

	p.rewriteSecret(func(s *corev1.Secret) { s.Data["client_secret"] = []byte("wrong") })
	p.run(ec)
	p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, ApplicationFailing"))
	p.Expect(p.token("sync")).To(gomega.Equal(first))
	p.run(ec)
	p.Expect(p.requests()).To(gomega.Equal(2), "a rejection is not repeated")

	p.step(rotation.Floor) // the fourth change within a minute waits for so long
	p.rewriteSecret(func(s *corev1.Secret) { s.Data["client_secret"] = []byte(egainsim.RigelClientSecret) })
	p.run(ec)
	p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	p.expectNothingOfTheSecret(ec)
	p.restart()
	p.run(ec)
	requests := p.requests()
	p.rewriteSecret(func(s *corev1.Secret) { s.Annotations = map[string]string{"a": "b"} })
	p.restart()
	p.run(ec)
	p.Expect(p.requests()).To(gomega.Equal(requests), "a restart takes no token")
}

func TestApplication_AMoveToOneOfTheSameClientIDTakesNoNewToken(t *testing.T) {
	t.Parallel()
	for name, restarts := range map[string]bool{"while it runs": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := lend(t)
			p.credentials()
			ec := p.client("sync", p.referring)
			p.run(ec)
			token := p.token("sync")
			restart := func() {
				if restarts {
					p.restart()
				}
			}

			restart()
			p.update(ec, func() { p.borrowing(ec) })
			p.run(ec)
			p.run(ec)
			p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			p.delete(&corev1.Secret{ObjectMeta: p.named("egain-app")})
			restart()
			p.run(ec)
			p.Expect(p.token("sync")).To(gomega.Equal(token))
			p.Expect(p.requests()).To(gomega.Equal(1))
			p.expectNothingOfTheSecret(ec)

			// Another client id is another application.
			p.step(rotation.Floor)
			p.rewriteSecret(func(s *corev1.Secret) { s.Data["id"] = []byte("another") })
			p.changeApplication(func(a *egainv1alpha1.Application) { a.CredentialsSecretRef.ClientIDKey = "id" })
			restart()
			p.run(ec)
			p.Expect(state(ec)).To(gomega.Equal("InProgress: TokenOutdated, ApplicationFailing"))
			p.Expect(p.requests()).To(gomega.Equal(2))
		})
	}
}

// TestApplication_AnUpgradeRenewsNothing begins with a target as earlier versions wrote it, without issued-for-client.
func TestApplication_AnUpgradeRenewsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.tenant()
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		if secret, is := obj.(*corev1ac.SecretApplyConfiguration); is {
			delete(secret.Annotations, target.AnnotationIssuedForClient)
		}
		return c.Apply(ctx, obj, opts...)
	}
	ec := f.client("sync", f.referring)
	f.run(ec)
	f.Expect(f.secret("sync").Annotations).NotTo(gomega.HaveKey(target.AnnotationIssuedForClient))
	unchanged := f.unchanged(f.secret("sync"))

	f.intercept.Apply = nil
	f.restart()
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(1))
	unchanged()
	f.step(time.Hour)
	f.run(ec)
	f.Expect(f.secret("sync").Annotations).To(gomega.HaveKey(target.AnnotationIssuedForClient))
}

func TestApplication_RevokesOnlyForClientsThatItAllows(t *testing.T) {
	t.Parallel()
	p := lend(t)
	p.updateTenant(p.tenant, func() {
		p.tenant.Spec.Endpoints.RevocationURL = egainv1alpha1.HTTPSURL(p.sim.Rigel().RevocationURL(egainsim.Client))
	})
	revoking := func(ec *egainv1alpha1.EgainClient) { ec.Spec.RevokeOnDelete = new(true) }
	allowed, refused := p.client("allowed", p.borrowing, revoking), p.client("refused", p.borrowing, revoking)
	p.run(allowed)
	p.run(refused)
	end := func(ec *egainv1alpha1.EgainClient) {
		p.delete(ec)
		_, err := p.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: journal.Name(ec)})
		p.Expect(err).NotTo(gomega.HaveOccurred())
		p.Expect(p.gone(ec)).To(gomega.BeTrue(), "nothing blocks the deletion")
	}
	end(allowed)
	p.Expect(p.asked(egainsim.RevocationEndpoint)).To(gomega.Equal(1))
	p.changeApplication(func(a *egainv1alpha1.Application) { a.AllowedNamespaces.Names[0] = "elsewhere" })
	end(refused)
	p.Expect(p.asked(egainsim.RevocationEndpoint)).To(gomega.Equal(1))
	p.Expect(reasons(p.sent())).To(gomega.ContainElement("Warning TokenNotRevoked"))
}

func TestApplication_AnEventOfItsSecretWakesItsClients(t *testing.T) {
	t.Parallel()
	p := lend(t)
	p.client("sync", p.borrowing)
	p.client("other", p.referring)
	woken := &delays{}
	p.waker().wakeTenants(t.Context(), woken, "Secret", p.secret)
	p.Expect(woken.names).To(gomega.Equal([]string{"sync"}))
	p.Expect(woken.after).To(gomega.HaveEach(time.Duration(0)), "the only one tries first")
	woken.names = nil
	other := p.secret.DeepCopy()
	other.Name = "other"
	p.waker().wakeTenants(t.Context(), woken, "Secret", other)
	p.waker().wakeTenants(t.Context(), woken, "ConfigMap", p.secret)
	p.Expect(woken.names).To(gomega.BeEmpty())
}

// TestRequireApplication_SendsNothingOfASecretOfTheNamespace has a row for each field by which an author, who needs no right on
// Secrets, could have one sent.
func TestRequireApplication_SendsNothingOfASecretOfTheNamespace(t *testing.T) {
	t.Parallel()
	exchanging := func(from egainv1alpha1.SubjectToken) quick {
		return func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Flow = egainv1alpha1.FlowTokenExchange
			ec.Spec.TokenExchange = &egainv1alpha1.TokenExchange{RegistrationID: "okta-prod", SubjectToken: from}
		}
	}
	for name, tc := range map[string]struct {
		asks   func(*platform, *egainv1alpha1.EgainClient)
		reason string
	}{
		"credentialsSecretRef": {func(_ *platform, ec *egainv1alpha1.EgainClient) {
			ec.Spec.CredentialsSecretRef, ec.Spec.TenantRef.Application = &egainv1alpha1.CredentialsSecretReference{Name: "precious", ClientIDKey: "id", ClientSecretKey: "secret"}, ""
		}, egainv1alpha1.ReasonSecretNotLabelled},
		"tokenExchange.subjectToken.secretKeyRef": {func(_ *platform, ec *egainv1alpha1.EgainClient) {
			exchanging(egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: "precious", Key: "secret"}})(ec)
		}, egainv1alpha1.ReasonSecretNotLabelled},
		"tokenExchange.subjectToken.egainClientRef": {func(p *platform, ec *egainv1alpha1.EgainClient) {
			upstream := p.client("upstream", p.borrowing)
			p.run(upstream)
			p.Expect(state(upstream)).To(gomega.Equal("Current: TokenValid, Issued"))
			exchanging(egainv1alpha1.SubjectToken{EgainClientRef: &egainv1alpha1.EgainClientReference{Name: "upstream"}})(ec)
		}, egainv1alpha1.ReasonSecretNotLabelled},
		"authorizationCode.sessionSecretRef": {func(p *platform, ec *egainv1alpha1.EgainClient) {
			p.labelled(p.credentials())
			ec.Spec.CredentialsSecretRef, ec.Spec.TenantRef.Application = &egainv1alpha1.CredentialsSecretReference{Name: "egain-app"}, ""
			ec.Spec.Flow, ec.Spec.AuthorizationCode = egainv1alpha1.FlowAuthorizationCode, &egainv1alpha1.AuthorizationCode{
				SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: "precious"},
			}
		}, egainv1alpha1.ReasonSessionInvalid},
		"tenant.caBundleRef": {func(_ *platform, ec *egainv1alpha1.EgainClient) {
			ec.Spec.CredentialsSecretRef, ec.Spec.TenantRef = &egainv1alpha1.CredentialsSecretReference{Name: "precious"}, nil
			ec.Spec.Tenant = egainv1alpha1.Tenant{
				TenantLocation: egainv1alpha1.TenantLocation{ID: "T"}, CABundleRef: &egainv1alpha1.CABundleReference{Kind: "Secret", Name: "precious", Key: "secret"},
			}
		}, egainv1alpha1.ReasonTenantRefRequired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := lend(t)
			p.settings.RequireTenantRef, p.settings.RequireApplication = true, true
			p.restart()
			p.foreign("precious", map[string]string{"id": "app", "secret": "hush", "refresh_token": "hush"})
			ec := p.client("sync", p.borrowing, func(ec *egainv1alpha1.EgainClient) { tc.asks(p, ec) })
			before := p.requests()
			p.run(ec)
			p.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(tc.reason), message(ec))
			p.Expect(p.requests()).To(gomega.Equal(before), "nothing is sent")
		})
	}
}

// labelled labels a Secret so that it may be sent.
func (f *fixture) labelled(secret *corev1.Secret) {
	f.t.Helper()
	secret.Labels = map[string]string{egainv1alpha1.SubjectTokenLabel: "true"}
	f.Expect(admin.Update(f.t.Context(), secret)).To(gomega.Succeed())
}

func TestRequireApplication_SendsASecretThatIsLabelled(t *testing.T) {
	t.Parallel()
	p := lend(t)
	p.settings.RequireTenantRef, p.settings.RequireApplication = true, true
	p.restart()
	secret := p.credentials()
	ec := p.client("sync", p.referring)
	p.run(ec)
	p.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, SecretNotLabelled"))
	p.labelled(secret)
	p.run(ec)
	p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

// TestApplication_OneClientTriesItsChangedSecret has clients whose tokens expire one after another: the first tries for all.
func TestApplication_OneClientTriesItsChangedSecret(t *testing.T) {
	t.Parallel()
	p := lend(t)
	names := []string{"a", "b", "c", "d"}
	var all []*egainv1alpha1.EgainClient
	tokens := map[string]string{}
	for _, name := range names {
		ec := p.client(name, p.borrowing)
		p.run(ec)
		all, tokens[name] = append(all, ec), p.token(name)
		p.step(10 * time.Second)
	}
	first, others := all[0], all[1:]
	applications := func() []egainv1alpha1.ApplicationStatus {
		p.inspect(p.tenant)
		return p.tenant.Status.Applications
	}
	is := applications()
	p.Expect(is).To(gomega.HaveLen(1))
	p.Expect([]any{is[0].Ready, is[0].Reason, *is[0].Clients}).To(gomega.Equal([]any{metav1.ConditionTrue, egainv1alpha1.ApplicationAccepted, int32(4)}))

	woken := &delays{}
	p.waker().wakeTenants(t.Context(), woken, "Secret", p.secret)
	p.Expect(woken.names).To(gomega.ConsistOf("a", "b", "c", "d"))
	for i, name := range woken.names {
		if name == "a" {
			p.Expect(woken.after[i]).To(gomega.BeZero())
		} else {
			p.Expect(woken.after[i]).NotTo(gomega.BeZero(), name)
		}
	}

	p.rewriteSecret(func(s *corev1.Secret) { s.Data["client_secret"] = []byte("wrong") })
	look := func(restarts bool, requests int) {
		t.Helper()
		if restarts {
			p.restart()
		}
		for range 2 {
			for _, ec := range all {
				p.run(ec)
				p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, ApplicationFailing"))
				p.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring(`application "default" of EgainTenant "`+p.tenant.Name), gomega.ContainSubstring("invalid_client")))
				p.Expect(p.token(ec.Name)).To(gomega.Equal(tokens[ec.Name]))
			}
			p.step(time.Second)
		}
		p.Expect(p.requests()).To(gomega.Equal(requests))
	}
	look(false, 5)
	look(true, 6)
	is = applications()
	p.Expect([]any{is[0].Ready, is[0].Reason}).To(gomega.Equal([]any{metav1.ConditionFalse, egainv1alpha1.ReasonApplicationFailing}))
	p.Expect(is[0].Message).To(gomega.Equal(message(first)))
	p.Expect(reasons(p.sent())).To(gomega.Equal([]string{"Normal EndpointsKnown", "Warning ApplicationFailing"}), "there is one event, of the EgainTenant")

	p.rewriteSecret(func(s *corev1.Secret) { s.Data["client_secret"] = []byte(egainsim.RigelClientSecret) })
	p.run(first)
	p.Expect(state(first)).To(gomega.Equal("Current: TokenValid, Issued"))
	p.Expect(p.token("a")).NotTo(gomega.Equal(tokens["a"]))
	for _, ec := range others {
		result := p.run(ec)
		p.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		p.Expect(result.RequeueAfter).To(gomega.BeNumerically("<=", 6*time.Minute), "they follow within a tenth of the lifetime")
	}
	p.Expect(p.requests()).To(gomega.Equal(7))
	p.Expect(applications()[0].Ready).To(gomega.Equal(metav1.ConditionTrue))
	p.step(6 * time.Minute)
	for _, ec := range others {
		p.run(ec)
		p.Expect(p.token(ec.Name)).NotTo(gomega.Equal(tokens[ec.Name]))
	}
	p.Expect(p.requests()).To(gomega.Equal(10))
	p.expectNothingOfTheSecret(first)
}

// TestApplication_ARejectionOfOneClientIsItsOwn has a client whose scope eGain refuses.
func TestApplication_ARejectionOfOneClientIsItsOwn(t *testing.T) {
	t.Parallel()
	p := lend(t)
	refused, other := p.client("refused", p.borrowing, scoped("knowledge.unknown")), p.client("other", p.borrowing)
	p.run(refused)
	p.Expect(state(refused)).To(gomega.Equal("Failed: NoToken, ScopeRejected"))
	p.run(other)
	p.Expect(state(other)).To(gomega.Equal("Current: TokenValid, Issued"))
	p.inspect(p.tenant)
	is := p.tenant.Status.Applications[0]
	p.Expect([]any{is.Ready, *is.Clients, *is.RejectedClients}).To(gomega.Equal([]any{metav1.ConditionTrue, int32(2), int32(1)}))
}

func TestApplication_ItsSecretShowsInTheStatusOfTheTenant(t *testing.T) {
	t.Parallel()
	p := lend(t)
	p.delete(p.secret)
	p.inspect(p.tenant)
	is := p.tenant.Status.Applications[0]
	p.Expect([]any{is.Ready, is.Reason}).To(gomega.Equal([]any{metav1.ConditionFalse, egainv1alpha1.ReasonApplicationInvalid}))
	p.Expect(is.Message).To(gomega.ContainSubstring("does not exist in namespace"))
	p.changeApplication(func(a *egainv1alpha1.Application) { a.CredentialsSecretRef.Namespace = "elsewhere" })
	p.inspect(p.tenant)
	p.Expect(p.tenant.Status.Applications[0].Message).To(gomega.ContainSubstring("--application-namespaces"))
}
