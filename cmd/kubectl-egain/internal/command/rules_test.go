package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/doctor"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// sending are the commands that send something to eGain, with the EgainClient that each is about.
func (s *simulated) sending() map[string][]string {
	file := filepath.Join(s.t.TempDir(), "ca.crt")
	s.Expect(os.WriteFile(file, s.sim.CABundle(), 0o600)).To(gomega.Succeed())
	metadata := s.sim.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User)
	return map[string][]string{
		"doctor":           {"doctor", "mine"},
		"revoke":           {"revoke", "mine", "--yes"},
		"call":             {"call", "mine", "/knowledge/portalmgr/v4/portals", "--yes"},
		"login":            {"login", "desk", "--yes", "--wait=false"},
		"revoke --session": {"revoke", "desk", "--session", "--yes"},
		"create client":    {"create", "client", "x", "--from-metadata", metadata, "--ca-file", file, "--credentials", "app", "--scope", "a", "--dry-run=client"},
		"create tenant":    {"create", "tenant", "x", "--from-metadata", metadata, "--ca-file", file, "--dry-run=client"},
	}
}

// victims are clients with everything that could be sent: credentials, a token and a session.
func (s *simulated) victims(change ...func(*egainv1alpha1.EgainClient)) {
	s.t.Helper()
	s.healthy(change...)
	s.create(&corev1.Secret{ObjectMeta: s.named("desk-session"), StringData: map[string]string{"refresh_token": "precious"}})
	s.egainClient("desk", append([]func(*egainv1alpha1.EgainClient){withSession("http://127.0.0.1:18765/callback")}, change...)...)
}

func TestNothingIsSentThatTheOperatorsFlagsRefuse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		flags  []string
		change func(*simulated) []func(*egainv1alpha1.EgainClient)
		// let are the commands that send all the same, since the flag is not about what they do.
		let []string
	}{
		"loopback": {[]string{"--allow-loopback=false"}, nil, nil},
		"loopback, of an EgainTenant": {[]string{"--allow-loopback=false"}, func(s *simulated) []func(*egainv1alpha1.EgainClient) {
			return []func(*egainv1alpha1.EgainClient){s.once(func(*egainv1alpha1.EgainTenantSpec) {})}
		}, nil},
		"a tenant in the spec":     {[]string{"--require-tenant-ref"}, nil, []string{"create tenant"}},
		"a host":                   {[]string{"--allowed-hosts=*.egain.cloud"}, nil, []string{"call"}},
		"flags of another version": {[]string{"--of-the-future"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			if tc.change != nil {
				s.victims(tc.change(s)...)
			} else {
				s.victims()
			}
			s.flags = tc.flags
			for command, args := range s.sending() {
				s.sim.ClearRecord()
				r := s.run(args...)
				sent := len(s.sim.Requests())
				if slices.Contains(tc.let, command) {
					s.Expect(sent).NotTo(gomega.BeZero(), "%s sends nothing: %s", command, r.stderr)
					continue
				}
				s.Expect(sent).To(gomega.BeZero(), "%s sent something: %s", command, r.stderr)
				if command != "doctor" { // which may have nothing to complain of but what it cannot see
					s.Expect(r.code).To(gomega.Equal(1), "%s: %s", command, r.stderr)
					s.Expect(r.stderr).To(gomega.ContainSubstring("--insecure-skip-operator-rules"), command)
				}
			}
			for command, args := range s.sending() {
				s.sim.ClearRecord()
				if command == "login" {
					s.browse = func(string) {}
					args = append(args, "--timeout=10ms")
				}
				r := s.run(append(args, "--insecure-skip-operator-rules")...)
				s.Expect(s.sim.Requests()).NotTo(gomega.BeEmpty(), "%s sends nothing: %s", command, r.stderr)
				s.Expect(r.stderr).To(gomega.ContainSubstring("Warning: --insecure-skip-operator-rules is set."), command)
			}
		})
	}
}

// once is shared, for more clients than one.
func (s *simulated) once(change func(*egainv1alpha1.EgainTenantSpec)) func(*egainv1alpha1.EgainClient) {
	created := false
	create := s.shared(change)
	return func(ec *egainv1alpha1.EgainClient) {
		if !created {
			create(ec)
			created = true
			return
		}
		ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(s.namespace)}
	}
}

func TestFlagsThatTheUserMayNotReadCountAsTheStrictest(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.victims()
	user := "system:serviceaccount:" + s.namespace + ":developer"
	s.create(
		&rbacv1.Role{ObjectMeta: s.named("developer"), Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"auth.egain.com"}, Resources: []string{"*"}, Verbs: []string{"*"}},
			{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, Verbs: []string{"*"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: s.named("developer"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "developer"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.namespace, Name: "developer"}},
		},
	)
	for command, args := range s.sending() {
		s.sim.ClearRecord()
		r := s.run(append(args, "--as", user)...)
		s.Expect(s.sim.Requests()).To(gomega.BeEmpty(), "%s sent something: %s", command, r.stderr)
		s.Expect(r.stderr).To(gomega.ContainSubstring("The operator's flags are unknown: you may not list"), command)
		s.Expect(r.stderr).To(gomega.ContainSubstring("--allowed-hosts"), command)
	}
	report, _ := s.diagnose("--as", user)
	s.Expect(finding(report, "Flags").Advice).To(gomega.ContainSubstring("no request is sent for a tenant in spec.tenant"))
	s.Expect(finding(report, "TokenRequest").Status).To(gomega.Equal(doctor.Skipped))
	report, _ = s.diagnose("--as", user, "--insecure-skip-operator-rules")
	s.Expect(finding(report, "TokenRequest").Status).To(gomega.Equal(doctor.OK))
}

func TestRevokesATokenOfATenantThatNoLongerAllowsTheClient(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.flags = []string{"--require-tenant-ref"}
	ec := s.healthy(s.shared(func(et *egainv1alpha1.EgainTenantSpec) {
		et.AllowedNamespaces = &egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{"elsewhere"}}
	}))
	token := s.issue(ec)
	r := s.run("revoke", "mine", "--yes")
	s.Expect(r.code).To(gomega.Equal(0), r.stderr)
	s.Expect(s.sim.Introspect(token).Active).To(gomega.BeFalse())
}

func TestTheTokenGoesToTheAPIOfItsTenantOnly(t *testing.T) {
	t.Parallel()
	const elsewhere = "https://api.evil.test"
	claimed := func(api string) func(*egainv1alpha1.EgainClient) {
		return func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: "https://login.egain.test/token", APIURL: egainv1alpha1.HTTPSURL(api)}
		}
	}
	tests := map[string]struct {
		// spec is that of the client, edited what becomes of it after its token was issued.
		spec, edited func(*egainv1alpha1.EgainClient)
		api          string
		said         string
	}{
		"the site that issues":      {claimed("https://api.egain.test"), nil, "https://api.egain.test", ""},
		"a host of the author's":    {claimed(elsewhere), nil, elsewhere, "api.evil.test, which is not on the site of login.egain.test"},
		"a host of a rented domain": {claimed("https://b.auth0.com"), nil, "https://b.auth0.com", "not on the site"},
		"a token URL that was moved there": {claimed(elsewhere), func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(elsewhere + "/token")
		}, elsewhere, "the spec was changed since the token was issued"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			sent := &recordingTransport{}
			f.env.newClient = sent.client
			ec := f.client("mine", tc.spec)
			f.target(ec, time.Hour, func(s *corev1.Secret) { s.StringData[target.KeyAPIURL] = tc.api })
			if tc.edited != nil {
				tc.edited(ec)
				f.Expect(admin.Update(t.Context(), ec)).To(gomega.Succeed())
			}
			code := f.run("call", "mine", "/x")
			if tc.said == "" {
				f.Expect(code).To(gomega.Equal(0), f.err.String())
				f.Expect(sent.hosts).To(gomega.Equal([]string{"api.egain.test"}))
				return
			}
			f.Expect(code).To(gomega.Equal(1))
			f.Expect(f.err.String()).To(gomega.And(gomega.ContainSubstring(tc.said), gomega.ContainSubstring("--yes")))
			f.env.answers = true
			f.in.WriteString("n\n")
			f.Expect(f.run("call", "mine", "/x")).To(gomega.Equal(1))
			f.Expect(f.err.String()).To(gomega.ContainSubstring("Send the token there?"))
			f.Expect(sent.hosts).To(gomega.BeEmpty())
			f.in.WriteString("y\n")
			f.Expect(f.run("call", "mine", "/x")).To(gomega.Equal(0), f.err.String())
			f.env.answers = false
			f.Expect(f.run("call", "mine", "/x", "--yes")).To(gomega.Equal(0), f.err.String())
			f.Expect(sent.hosts).To(gomega.HaveLen(2))
		})
	}
}

func TestDoctorSendsTheTokenToNoOtherAPI(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.issueFor(s.healthy(), "https://127.0.0.2:1")
	report, r := s.diagnose()
	f := finding(report, "API")
	s.Expect(f.Status).To(gomega.Equal(doctor.Warning), r.stdout)
	s.Expect(f.Message).To(gomega.HavePrefix("not called: the token would be sent to 127.0.0.2:1, which is not on the site of"))
}

func TestCreateClientAsksAboutHostsOfOtherSites(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	const elsewhere = "https://login.example.org/token"
	s.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{
		Set: map[string]json.RawMessage{"token_endpoint": json.RawMessage(`"` + elsewhere + `"`)},
	})
	args := append(s.sending()["create client"], "-o", "yaml")
	r := s.run(args...)
	s.Expect(r.code).To(gomega.Equal(1))
	s.Expect(r.stderr).To(gomega.And(gomega.ContainSubstring("names hosts of other sites"), gomega.ContainSubstring("--token-url '"+elsewhere+"'")))

	for answer, want := range map[string]int{"n\n": 1, "y\n": 0} {
		r = s.typing(answer, args...)
		s.Expect(r.code).To(gomega.Equal(want), r.stderr)
		s.Expect(r.stderr).To(gomega.ContainSubstring("Trust login.example.org for that?"))
	}
	s.Expect(r.stderr + r.stdout).NotTo(gomega.BeEmpty())
	r = s.typing("y\n", args...)
	s.Expect(r.stdout).To(gomega.ContainSubstring("tokenURL: " + elsewhere))
	r = s.run(append(args, "--token-url", elsewhere)...)
	s.Expect(r.code).To(gomega.Equal(0), r.stderr)
}

func TestAnswersAreOfTheServerThatTheCodeGoesTo(t *testing.T) {
	t.Parallel()
	supported := egainsim.Fault{Set: map[string]json.RawMessage{"authorization_response_iss_parameter_supported": json.RawMessage("true")}}
	right := func(s *simulated) string { return s.sim.Rigel().Issuer(egainsim.User) }
	for name, tc := range map[string]struct {
		announced bool
		iss       func(*simulated) []string
		typed     string
		args      []string
		refused   string
	}{
		"the issuer":                    {true, func(s *simulated) []string { return []string{right(s)} }, "", nil, ""},
		"the issuer, unannounced":       {false, func(s *simulated) []string { return []string{right(s)} }, "", nil, ""},
		"another issuer":                {true, func(*simulated) []string { return []string{"https://evil.example"} }, "", []string{"--yes"}, "is of server https://evil.example"},
		"another issuer, unannounced":   {false, func(*simulated) []string { return []string{"https://evil.example"} }, "y\n", nil, "is of server https://evil.example"},
		"two":                           {true, func(s *simulated) []string { return []string{right(s), right(s)} }, "", []string{"--yes"}, "more than once"},
		"none, although announced":      {true, nil, "y\n", []string{"--yes"}, "does not name its server (iss), although"},
		"none, and the person says yes": {false, nil, "y\n", nil, ""},
		"none, and the person says no":  {false, nil, "n\n", nil, "the code was not sent"},
		"none, and no terminal":         {false, nil, "", nil, "there is no terminal to ask whether it is"},
		"none, and --yes":               {false, nil, "", []string{"--yes"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			if tc.announced {
				s.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, supported)
			}
			s.app(egainsim.RigelPublicClientID, "")
			s.egainClient("mine", withSession(s.freeRedirectURL("127.0.0.1", egainsim.RigelPublicClientID)))
			s.browse = func(target string) {
				back := mustParse(s, s.answer(target, agent))
				query := back.Query()
				if tc.iss != nil {
					query["iss"] = tc.iss(s)
				}
				back.RawQuery = query.Encode()
				s.follow(back.String())
			}
			r := s.typing(tc.typed, append([]string{"login", "mine", "--wait=false"}, tc.args...)...)
			asked := s.sim.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")
			if tc.refused == "" {
				s.Expect(r.code).To(gomega.Equal(0), r.stderr)
				s.Expect(asked).To(gomega.Equal(1))
				return
			}
			s.Expect(r.code).To(gomega.Equal(1), r.stderr)
			s.Expect(r.stderr).To(gomega.ContainSubstring(tc.refused))
			s.Expect(asked).To(gomega.BeZero(), "the code was sent")
			s.Expect(s.secret("mine-session")).To(gomega.BeNil())
		})
	}
}

func TestACodeAloneDoesNotSayWhoseItIs(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{
		Set: map[string]json.RawMessage{"authorization_response_iss_parameter_supported": json.RawMessage("true")},
	})
	s.app(egainsim.RigelPublicClientID, "")
	s.egainClient("mine", withSession(s.freeRedirectURL("127.0.0.1", egainsim.RigelPublicClientID)))
	r := s.typing("the-code\n", "login", "mine", "--wait=false", "--no-browser", "--yes")
	s.Expect(r.code).To(gomega.Equal(1))
	s.Expect(r.stderr).To(gomega.ContainSubstring("paste the whole address"))
	s.Expect(s.sim.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")).To(gomega.BeZero())
}

func TestLoginAsksAboutHostsOfOtherSites(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.app(egainsim.RigelWebClientID, egainsim.RigelWebClientSecret)
	s.egainClient("mine", withSession(s.freeRedirectURL("127.0.0.1", egainsim.RigelWebClientID)), func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.MetadataURL = ""
		ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{
			AuthorizationURL: egainv1alpha1.HTTPSURL(s.sim.Rigel().AuthorizationURL(egainsim.User)), TokenURL: "https://127.0.0.2:4444/token", APIURL: "https://api.egain.test",
		}
	})
	r := s.run("login", "mine")
	s.Expect(r.code).To(gomega.Equal(1), "the browser must not open")
	s.Expect(r.stderr).To(gomega.And(
		gomega.ContainSubstring("127.0.0.2:4444, which gets the code, with the client secret"), gomega.ContainSubstring("no terminal to ask at"), gomega.ContainSubstring("--yes")))
	r = s.typing("n\n", "login", "mine")
	s.Expect(r.code).To(gomega.Equal(1))
	s.Expect(r.stderr).To(gomega.ContainSubstring("Log in with these hosts?"))
	s.Expect(r.stderr).To(gomega.MatchRegexp(`code sent to +127\.0\.0\.2:4444, with the client secret\n`))
	opened := false
	s.browse = func(string) { opened = true }
	s.typing("y\n", "login", "mine", "--timeout=10ms")
	s.Expect(opened).To(gomega.BeTrue())
}

// TestNoRuleIsAppliedByHalf holds that the makers of HTTP clients take the rules as they are.
func TestNoRuleIsAppliedByHalf(t *testing.T) {
	t.Parallel()
	r := rules{Options: transport.Options{AllowedHosts: transport.Hosts{"ai.egain.cloud:443"}, Unnamed: unnamedUnknown()}}
	if api := r.forAPI(); api.AllowedHosts != nil || api.Unnamed == nil || api.AllowLoopback || api.AllowPrivate {
		t.Errorf("only --allowed-hosts is not about the API: %+v", api.Options)
	}
	if _, err := (&environment{newClient: newClient}).http(r, "", nil, time.Second); err == nil {
		t.Error("a client was made for a tenant in a spec")
	}
}
