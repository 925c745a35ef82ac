package command

import (
	"bytes"
	"testing"

	"github.com/creack/pty"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// issue has the simulator issue a token and puts it into the target of an EgainClient, as the operator would.
func (s *simulated) issue(ec *egainv1alpha1.EgainClient) string {
	s.t.Helper()
	return s.issueFor(ec, s.sim.APIURL())
}

// issueFor does that for an API.
func (s *simulated) issueFor(ec *egainv1alpha1.EgainClient, api string) string {
	s.t.Helper()
	env := s.environment()
	hc, err := env.http(rules{Options: transport.Options{AllowLoopback: true}}, "", s.sim.CABundle(), requestTimeout)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	tok, err := (&oauth.Client{Now: env.clock.Now}).Token(s.t.Context(), hc, oauth.Request{
		Flow: oauth.ClientCredentials, TokenURL: s.sim.Rigel().TokenURL(egainsim.Client), Scopes: []string{"knowledge.portalmgr.manage"},
		Credentials: oauth.Credentials{ClientID: egainsim.RigelClientID, ClientSecret: egainsim.RigelClientSecret},
	})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	inTarget := &target.Token{AccessToken: tok.AccessToken, TokenType: tok.TokenType, Scopes: tok.Scopes, APIURL: api}
	inTarget.IssueTime, inTarget.ExpirationTime, inTarget.Sources = tok.IssueTime, tok.ExpirationTime, "sources"
	inTarget.Spec = "spec"
	if ec.Spec.TenantRef == nil {
		inTarget.Spec = request.SpecID(ec, request.Inline(ec))
	}
	rendered, err := target.Render(ec, inTarget)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(admin.Apply(s.t.Context(), rendered, client.FieldOwner(target.Manager), client.ForceOwnership)).To(gomega.Succeed())
	return string(tok.AccessToken)
}

func TestRevokeEndsATokenAndAsksForTheNext(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.app(egainsim.RigelClientID, egainsim.RigelClientSecret)
	ec := s.egainClient("mine")
	token := s.issue(ec)

	r := s.run("revoke", "mine")
	s.Expect(r.code).To(gomega.Equal(2), "there is no terminal to ask at")
	s.Expect(r.stderr).To(gomega.ContainSubstring("--yes"))
	s.Expect(s.sim.Introspect(token).Active).To(gomega.BeTrue())

	r = s.run("revoke", "mine", "--yes", "--no-renew")
	s.Expect(r.code).To(gomega.Equal(0), r.stderr)
	s.Expect(s.sim.Introspect(token).Active).To(gomega.BeFalse())
	s.Expect(s.read(ec).Annotations).NotTo(gomega.HaveKey(egainv1alpha1.RenewRequestedAtAnnotation))

	r = s.run("revoke", "mine", "--yes")
	s.Expect(r.code).To(gomega.Equal(0), "a token that is void already counts as revoked (RFC 7009 section 2.2): %s", r.stderr)
	s.Expect(r.stdout).To(gomega.Equal("egainclient/mine: access token revoked\negainclient/mine: renewal requested\n"))
	s.Expect(s.read(ec).Annotations).To(gomega.HaveKey(egainv1alpha1.RenewRequestedAtAnnotation))
	s.Expect(r.stdout + r.stderr).NotTo(gomega.ContainSubstring(token))
}

func TestRevokeAsksAtATerminal(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.app(egainsim.RigelClientID, egainsim.RigelClientSecret)
	token := s.issue(s.egainClient("mine"))
	question := `Revoke the access token in Secret "mine", namespace "` + s.namespace + `"? (y/N): `

	code, stderr := s.runAtTerminal("\n", "revoke", "mine")
	s.Expect(code).To(gomega.Equal(1))
	s.Expect(stderr).To(gomega.Equal(question + "error: nothing was revoked\nnext:  answer y, or pass --yes\n"))
	s.Expect(s.sim.Introspect(token).Active).To(gomega.BeTrue())

	code, stderr = s.runAtTerminal("perhaps\nyes\n", "revoke", "mine")
	s.Expect(code).To(gomega.Equal(0), stderr)
	s.Expect(stderr).To(gomega.Equal(question + "  answer with y or n\n" + question))
	s.Expect(s.sim.Introspect(token).Active).To(gomega.BeFalse())
}

// runAtTerminal runs a command line, with what a user types ahead.
func (s *simulated) runAtTerminal(typed string, args ...string) (code int, stderr string) {
	s.t.Helper()
	keyboard, terminal, err := pty.Open()
	s.Expect(err).NotTo(gomega.HaveOccurred())
	defer keyboard.Close() //nolint:errcheck // nothing is left to type
	defer terminal.Close() //nolint:errcheck // the command has ended
	_, err = keyboard.WriteString(typed)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	var stdout, errors bytes.Buffer
	code = s.start(s.t.Context(), terminal, &stdout, &errors, args...)
	return code, errors.String()
}

func TestRevokeEndsASession(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.app(egainsim.RigelPublicClientID, "")
	s.egainClient("mine", withSession(s.freeRedirectURL("127.0.0.1", egainsim.RigelPublicClientID)))
	s.browse = func(target string) { s.follow(s.answer(target, agent)) }
	s.Expect(s.run("login", "mine", "--yes", "--wait=false").code).To(gomega.Equal(0))
	// The operator has refreshed, and so the refresh token is its own.
	held := s.secret("mine-session")
	token := string(held.Data[session.KeyRefreshToken])
	taken := session.Render(held, session.Content{RefreshToken: oauth.Secret(token)})
	s.Expect(admin.Apply(t.Context(), taken, client.FieldOwner(session.Manager), client.ForceOwnership)).To(gomega.Succeed())

	r := s.run("revoke", "mine", "--session", "--yes")
	s.Expect(r.code).To(gomega.Equal(0), r.stderr)
	s.Expect(s.sim.Introspect(token).Active).To(gomega.BeFalse())
	s.Expect(s.secret("mine-session").Data).NotTo(gomega.HaveKey(session.KeyRefreshToken))
	s.Expect(r.stderr).To(gomega.ContainSubstring("kubectl egain login mine"))
	s.Expect(r.stdout + r.stderr).NotTo(gomega.ContainSubstring(token))

	r = s.run("revoke", "mine", "--session", "--yes")
	s.Expect(r.code).To(gomega.Equal(1))
	s.Expect(r.stderr).To(gomega.ContainSubstring("contains no session"))
}

func TestRevokeSaysWhatItCannotDo(t *testing.T) {
	t.Parallel()
	explicit := func(s *simulated) func(*egainv1alpha1.EgainClient) {
		return func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.MetadataURL = ""
			ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(s.sim.Rigel().TokenURL(egainsim.Client))}
		}
	}
	tests := map[string]struct {
		prepare func(s *simulated)
		args    []string
		code    int
		said    string
	}{
		"without a revocation endpoint": {
			func(s *simulated) { s.egainClient("mine", explicit(s)) }, []string{"--yes"}, 1, "no revocation endpoint",
		},
		"without a token": {func(s *simulated) { s.egainClient("mine") }, []string{"--yes"}, 1, "nothing to revoke"},
		"a target of another writer": {func(s *simulated) {
			s.create(&corev1.Secret{ObjectMeta: s.named("mine"), StringData: map[string]string{target.KeyAccessToken: "theirs"}})
			s.egainClient("mine")
		}, []string{"--yes"}, 1, "nothing to revoke"},
		"the session of a flow that has none": {func(s *simulated) { s.egainClient("mine") }, []string{"--session", "--yes"}, 2, "has no session"},
		"with a secret that is not accepted": {func(s *simulated) {
			s.issue(s.egainClient("mine"))
			s.Expect(s.sim.RemoveSecret(egainsim.RigelClientID, egainsim.RigelClientSecret)).To(gomega.Succeed())
		}, []string{"--yes"}, 1, "revoking the access token"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			s.app(egainsim.RigelClientID, egainsim.RigelClientSecret)
			tc.prepare(s)
			r := s.run(append([]string{"revoke", "mine"}, tc.args...)...)
			s.Expect(r.code).To(gomega.Equal(tc.code), r.stderr)
			s.Expect(r.stderr).To(gomega.ContainSubstring(tc.said))
			s.Expect(s.sim.Count(egainsim.Match{Endpoint: egainsim.RevocationEndpoint}, egainsim.OutcomeOK)).To(gomega.BeZero())
		})
	}
}

// lending are two EgainClients with tokens that use an application of an EgainTenant, and one that does not.
func (s *simulated) lending() (clients []*egainv1alpha1.EgainClient, tokens []string) {
	s.t.Helper()
	s.app(egainsim.RigelClientID, egainsim.RigelClientSecret)
	use := s.once(func(spec *egainv1alpha1.EgainTenantSpec) {
		spec.Applications = []egainv1alpha1.Application{{
			Name: "default", AllowedFlows: []egainv1alpha1.Flow{egainv1alpha1.FlowClientCredentials},
			AllowedNamespaces: egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{"no-longer-this-one"}},
			CredentialsSecretRef: egainv1alpha1.ApplicationCredentialsReference{
				Namespace: egainv1alpha1.NamespaceName(s.namespace),
				Name:      "egain-app",
			},
		}}
	})
	borrow := func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.CredentialsSecretRef, ec.Spec.TenantRef.Application = nil, "default"
	}
	clients = append(clients, s.egainClient("first", use, borrow), s.egainClient("second", use, borrow), s.egainClient("own", use))
	for _, ec := range clients {
		tokens = append(tokens, s.issue(ec))
	}
	s.egainClient("new", use, borrow)
	return clients, tokens
}

func TestRevokeEndsTheTokensOfAnApplication(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	clients, tokens := s.lending()
	args := []string{"revoke", "--tenant", s.namespace, "--application", "default"}
	active := func() (all []bool) {
		for _, token := range tokens {
			all = append(all, s.sim.Introspect(token).Active)
		}
		return all
	}

	r := s.run(args...)
	s.Expect(r.code).To(gomega.Equal(2), "there is no terminal to ask at")
	code, stderr := s.runAtTerminal("n\n", args...)
	s.Expect(code).To(gomega.Equal(1))
	s.Expect(stderr).To(gomega.HavePrefix(`Revoke the access tokens of 3 EgainClients that use application "default" of EgainTenant "` + s.namespace + `"? (y/N): `))
	s.Expect(active()).To(gomega.Equal([]bool{true, true, true}))

	r = s.run(append(args, "--yes")...)
	s.Expect(r.code).To(gomega.Equal(0), r.stderr)
	in := " in " + s.namespace + ": "
	s.Expect(r.stdout).To(gomega.Equal("egainclient/first" + in + "access token revoked, renewal requested\n" +
		"egainclient/new" + in + "no token\negainclient/second" + in + "access token revoked, renewal requested\n"))
	s.Expect(active()).To(gomega.Equal([]bool{false, false, true}))
	s.Expect(s.read(clients[0]).Annotations).To(gomega.HaveKey(egainv1alpha1.RenewRequestedAtAnnotation))
	s.Expect(s.read(clients[2]).Annotations).NotTo(gomega.HaveKey(egainv1alpha1.RenewRequestedAtAnnotation))
	for _, token := range tokens {
		s.Expect(r.stdout + r.stderr).NotTo(gomega.ContainSubstring(token))
	}
}

func TestRevokeSaysWhatItCannotDoForAnApplication(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*simulated)
		args    []string
		code    int
		said    string
	}{
		"a name too":              {args: []string{"first", "--tenant", "x", "--application", "default"}, code: 2, said: "pass either the NAME of an EgainClient"},
		"nothing":                 {code: 2, said: "pass either the NAME of an EgainClient"},
		"an application only":     {args: []string{"--application", "default"}, code: 2, said: "pass --tenant and --application together"},
		"a session":               {args: []string{"--tenant", "x", "--application", "default", "--session"}, code: 2, said: "without NAME and --session"},
		"another tenant":          {args: []string{"--tenant", "x", "--application", "default"}, code: 1, said: `reading EgainTenant "x"`},
		"one that no client uses": {args: []string{"--tenant", "", "--application", "other"}, code: 1, said: "no EgainClient uses application"},
		"without its Secret": {
			func(s *simulated) { s.Expect(admin.Delete(s.t.Context(), s.secret("egain-app"))).To(gomega.Succeed()) },
			[]string{"--tenant", "", "--application", "default"},
			1, "does not exist",
		},
		"with a wrong secret": {
			func(s *simulated) {
				s.change("egain-app", func(o *corev1.Secret) { o.Data["client_secret"] = []byte("wrong") })
			},
			[]string{"--tenant", "", "--application", "default"},
			1, "2 of 3 EgainClients: not revoked",
		},
		"by other flags of the operator": {
			func(s *simulated) { s.flags = []string{"--allow-loopback=false"} },
			[]string{"--tenant", "", "--application", "default"},
			1, "2 of 3 EgainClients: not revoked",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			s.lending()
			if tc.prepare != nil {
				tc.prepare(s)
			}
			args := []string{"revoke", "--yes"}
			for i, arg := range tc.args {
				if arg == "" && tc.args[i-1] == "--tenant" {
					arg = s.namespace
				}
				args = append(args, arg)
			}
			r := s.run(args...)
			s.Expect(r.code).To(gomega.Equal(tc.code), r.stderr)
			s.Expect(r.stderr).To(gomega.ContainSubstring(tc.said))
			s.Expect(s.sim.Count(egainsim.Match{Endpoint: egainsim.RevocationEndpoint}, egainsim.OutcomeOK)).To(gomega.BeZero())
		})
	}
}
