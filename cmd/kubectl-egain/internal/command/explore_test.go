package command

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/transport"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// explorer runs create tenant against the four deployments of a simulated eGain. It needs no cluster.
type explorer struct {
	*gomega.WithT
	t   *testing.T
	sim *egainsim.Simulator
	// caFile holds the simulator's CA.
	caFile string
	// atTerminal says that a person answers.
	atTerminal bool
	// documents, if there are any, are served in place of the simulator's.
	documents *documents
}

// documents answers requests by their URLs, and records them. It serves hosts that no test can have.
type documents struct {
	bodies map[string]string
	asked  []string
}

func (d *documents) RoundTrip(req *http.Request) (*http.Response, error) {
	d.asked = append(d.asked, req.URL.String())
	answer := httptest.NewRecorder()
	if body, ok := d.bodies[req.URL.String()]; ok {
		_, _ = answer.WriteString(body) // into memory
	} else {
		answer.WriteHeader(http.StatusNotFound)
	}
	return answer.Result(), nil
}

func newExplorer(t *testing.T) *explorer {
	t.Helper()
	x := &explorer{
		WithT: gomega.NewWithT(t), t: t, caFile: filepath.Join(t.TempDir(), "ca.crt"),
		sim: testbed.StartSimulator(t, egainsim.Config{Tenants: append(egainsim.DefaultTenants(), egainsim.DeploymentTenants()...)}),
	}
	x.Expect(os.WriteFile(x.caFile, x.sim.CABundle(), 0o600)).To(gomega.Succeed())
	return x
}

func (x *explorer) tenant(id string) *egainsim.Tenant {
	x.t.Helper()
	return tenantByID(x.t, x.sim, id)
}

// create runs create tenant acme with flags, and prints the manifest.
func (x *explorer) create(answers string, flags ...string) result {
	x.t.Helper()
	var stdout, stderr bytes.Buffer
	env := newEnvironment(genericiooptions.IOStreams{In: strings.NewReader(answers), Out: &stdout, ErrOut: &stderr})
	env.answers = x.atTerminal
	if x.documents != nil {
		env.newClient = func(transport.Options, string, []byte) (*http.Client, error) {
			return &http.Client{Transport: x.documents}, nil
		}
	}
	if x.caFile != "" {
		flags = append(flags, "--ca-file="+x.caFile)
	}
	args := append([]string{"create", "tenant", "acme", "--kubeconfig=" + kubeconfig, "--dry-run=client", "-o", "yaml"}, flags...)
	code := run(x.t.Context(), env, args)
	return result{code, stdout.String(), x.named(stderr.String())}
}

// named replaces the simulator's ports, which differ from run to run.
func (x *explorer) named(text string) string {
	x.t.Helper()
	if x.sim == nil {
		return text
	}
	for _, tenant := range x.sim.Tenants() {
		if tenant.URL() != "" {
			text = strings.ReplaceAll(text, portOf(x.t, tenant.URL()), ":1")
		}
	}
	return strings.ReplaceAll(text, portOf(x.t, x.sim.LoginURL()), ":2")
}

// portOf is the port of a URL after its colon.
func portOf(t *testing.T, raw string) string {
	t.Helper()
	return regexp.MustCompile(`:\d+$`).FindString(raw)
}

// spec is the manifest that only has a url, and lines before it.
func spec(url string, before ...string) string {
	return "apiVersion: auth.egain.com/v1alpha1\nkind: EgainTenant\nmetadata:\n  name: acme\nspec:\n" + strings.Join(append(before, "  url: "+url+"\n"), "")
}

func TestCreateTenantByItsAddress(t *testing.T) {
	t.Parallel()
	x := newExplorer(t)
	const all = "These flows work:\n  ClientCredentials\n  AnonymousCustomer\n  OnBehalfOf (User, Customer)\n  TokenExchange\n  AuthorizationCode (User, Customer)\n\n"
	tests := map[string]struct {
		id    string
		shown []string
	}{
		"on the self-service platform": {egainsim.SelfServiceAddressTenantID, []string{
			"Reading https://localhost:1 ...\n\ntenant id     TMPRODB20000001\nAPI URL       https://127.0.0.1:1\ndomain hint   tmprodb20000001.egain.cloud\n\nClient (Derived)\n",
			"Client (Derived)\n  token   https://localhost:2/system/auth/TMPRODB20000001-U/oauth2/token\n\n",
			"User (Metadata)\n  token   https://localhost:2/system/auth/TMPRODB20000001-U/oauth2/token\n  login   https://localhost:2/system/auth/TMPRODB20000001-U/oauth2/authorize\n\n",
			"Customer (Metadata)\n  token   https://localhost:2/system/auth/TMPRODB20000001-C/oauth2/token\n  login   https://localhost:2/system/auth/TMPRODB20000001-C/oauth2/authorize\n\n",
			"AnonymousCustomer (Metadata)\n  token   https://127.0.0.1:1/core/authmgr/v3/oauth2/v2.0/anonymous/token?user_type=customer&domain_hint=TMPRODB20000001\n\n",
			"OnBehalfOfUser (Metadata)\n", "OnBehalfOfCustomer (Metadata)\n", all,
		}},
		"in the Americas": {egainsim.AmericasTenantID, []string{
			"tenant id     TMPRODC30000002\n", "\nClient (Derived)\n  token   https://localhost:2/global/f51302dd-7036-41b5-b619-e1a52a67c780/oauth2/v2.0/token\n  prefix  https://api.egain.cloud/auth/\n",
			"OnBehalfOfUser (Derived)\n  token   https://127.0.0.1:1/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=user\n", all,
		}},
		"in EMEA": {egainsim.EMEATenantID, []string{
			"tenant id     TMPRODE40000003\n", "global/038c150c-eb26-453a-8e19-86a8611548a9/oauth2", "  prefix  https://api-emea.egain.cloud/auth/\n", all,
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			url := x.tenant(tc.id).URL()
			r := x.create("", "--url", url)
			g.Expect(r.code).To(gomega.Equal(0), r.stderr)
			g.Expect(r.stdout).To(gomega.Equal(spec(url)), "what was found is not frozen")
			for _, shown := range tc.shown {
				g.Expect(r.stderr).To(gomega.ContainSubstring(shown))
			}
			for line := range strings.Lines(r.stderr) {
				if !strings.Contains(line, "https://") {
					g.Expect(len(line)).To(gomega.BeNumerically("<=", 80), line)
				}
			}
		})
	}
}

func TestCreateTenantWithAHostOfAnotherSite(t *testing.T) {
	t.Parallel()
	const (
		question = "127.0.0.2 is a host of another site. The documents name it for:\n    token URL of User\n    login URL of User\n" +
			"The operator would send credentials, tokens and people who log in there.\nTrust 127.0.0.2? (y/N): "
		trusted   = "User (Metadata)\n  token   https://127.0.0.2:2/"
		untrusted = "User (no token URL)\n  the metadata document of 127.0.0.1:1 names a token URL on 127.0.0.2,"
		without   = "These flows do not:\n  TokenExchange\n  AuthorizationCode (User)\n\n"
	)
	listed := "  trustedHosts:\n  - 127.0.0.2\n"
	tests := map[string]struct {
		atTerminal bool
		answers    string
		flags      []string
		code       int
		hosts      string
		shown      []string
		hidden     string
	}{
		"which the user trusts":                   {true, "y\n", nil, 0, listed, []string{question, trusted}, "These flows do not"},
		"after an answer that is none":            {true, "perhaps\nyes\n", nil, 0, listed, []string{question + "  answer with y or n\n", trusted}, "These flows do not"},
		"which the user does not trust":           {true, "n\n", nil, 0, "", []string{question, untrusted, without}, trusted},
		"by default":                              {true, "\n", nil, 0, "", []string{question, untrusted, without}, trusted},
		"unless the input ends":                   {true, "", nil, 1, "", []string{"the input ended before every question was answered"}, "tenant id"},
		"which a flag trusts":                     {true, "", []string{"--trust-host", "127.0.0.2"}, 0, listed, []string{trusted}, "Trust"},
		"which a flag trusts, without a terminal": {false, "", []string{"--trust-host", "127.0.0.2"}, 0, listed, []string{trusted}, "Trust"},
		"without a terminal": {false, "y\n", nil, 1, "", []string{
			untrusted, without, "there is no terminal to ask about them:\n  127.0.0.2: token URL of User; login URL of User\n", "next:  if the hosts are right, pass --trust-host 127.0.0.2\n",
		}, "(y/N)"},
		"and one that no document names": {
			false, "",
			[]string{"--trust-host", "127.0.0.2,Acme.b2clogin.com"},
			0, listed + "  - acme.b2clogin.com\n",
			[]string{trusted, "No document names acme.b2clogin.com as a host of another site."},
			"No document names 127.0.0.2",
		},
		"and a flag that names no host": {
			false, "", []string{"--trust-host", "https://127.0.0.2"}, 1, "", []string{"spec.trustedHosts[0]: must be the exact name of a host"}, "Reading",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newExplorer(t)
			x.atTerminal = tc.atTerminal
			url := x.tenant(egainsim.ElsewhereTenantID).URL()
			r := x.create(tc.answers, append(tc.flags, "--url", url)...)
			x.Expect(r.code).To(gomega.Equal(tc.code), r.stderr)
			for _, shown := range tc.shown {
				x.Expect(r.stderr).To(gomega.ContainSubstring(shown))
			}
			x.Expect(r.stderr).NotTo(gomega.ContainSubstring(tc.hidden))
			want := ""
			if tc.code == 0 {
				want = spec(url, tc.hosts)
			}
			if diff := cmp.Diff(want, r.stdout); diff != "" {
				t.Errorf("manifest (-want +got):\n%s", diff)
			}
		})
	}
}

var deploymentInfo = egainsim.Match{Endpoint: egainsim.DeploymentInfoEndpoint}

// set replaces members of the document at the address.
func set(members map[string]string) egainsim.Fault {
	f := egainsim.Fault{Set: map[string]json.RawMessage{}}
	for name, value := range members {
		encoded, _ := json.Marshal(value)
		f.Set[name] = encoded
	}
	return f
}

// An API domain of another site leads to documents only once it is trusted, and these may name more hosts.
func TestCreateTenantWithAnAPIDomainOfAnotherSite(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (*explorer, string) {
		t.Helper()
		x := newExplorer(t)
		url := x.tenant(egainsim.ElsewhereTenantID).URL()
		// A site of its own that leads nowhere, so that the question alone shows.
		x.sim.SetFault(deploymentInfo, set(map[string]string{"apiDomain": "api.egain.invalid" + portOf(t, url)}))
		return x, url
	}
	t.Run("which the user does not trust", func(t *testing.T) {
		t.Parallel()
		x, url := begin(t)
		x.atTerminal = true
		r := x.create("n\n", "--url", url)
		x.Expect(r.code).To(gomega.Equal(1))
		x.Expect(r.stderr).To(gomega.ContainSubstring("api.egain.invalid is a host of another site. The documents name it for:\n    API domain\n"))
		x.Expect(r.stderr).To(gomega.ContainSubstring("API URL       https://api.egain.invalid:1 (not trusted)\n"))
		x.Expect(r.stderr).To(gomega.ContainSubstring("error: localhost:1 names the apiDomain api.egain.invalid, a host of another site"))
		x.Expect(r.stderr).To(gomega.ContainSubstring("next:  trust the host if it is right, or pass another API URL with --api-url\n"))
	})
	t.Run("which the user trusts, after which it is asked", func(t *testing.T) {
		t.Parallel()
		x, url := begin(t)
		x.atTerminal = true
		r := x.create("y\n", "--url", url)
		x.Expect(r.code).To(gomega.Equal(1))
		x.Expect(r.stderr).To(gomega.ContainSubstring("error: reading the metadata document: api.egain.invalid:1 "))
	})
	t.Run("without a terminal", func(t *testing.T) {
		t.Parallel()
		x, url := begin(t)
		r := x.create("", "--url", url)
		x.Expect(r.code).To(gomega.Equal(1))
		x.Expect(r.stderr).To(gomega.ContainSubstring("\n  api.egain.invalid: API domain\n"))
		x.Expect(r.stderr).To(gomega.ContainSubstring("pass --trust-host api.egain.invalid; documents that were not read may name more hosts\n"))
	})
	t.Run("from which the chain goes on to further hosts", func(t *testing.T) {
		t.Parallel()
		x := &explorer{WithT: gomega.NewWithT(t), t: t, atTerminal: true, documents: &documents{bodies: map[string]string{
			"https://acme.egain.cloud/system/deploymentInfo": `{"apiDomain": "api.other.example", "tenantId": "T1"}`,
			"https://api.other.example/core/authmgr/v3/metadata/tenant/T1": `{"authenticationDetails": {"oAuthUser": [{
				"authURL": "https://acmeint.b2clogin.com/authorize", "accessTokenURL": "https://acmeint.b2clogin.com/token"}]}}`,
		}}}
		r := x.create("y\nyes\n", "--url", "acme.egain.cloud")
		x.Expect(r.code).To(gomega.Equal(0), r.stderr)
		x.Expect(r.stderr).To(gomega.MatchRegexp(`(?s)api.other.example is a host of another site.*API domain.*acmeint.b2clogin.com is a host of another site`))
		x.Expect(r.stdout).To(gomega.Equal(spec("https://acme.egain.cloud", "  trustedHosts:\n  - api.other.example\n  - acmeint.b2clogin.com\n")))
		x.documents.asked = nil
		r = x.create("n\n", "--url", "acme.egain.cloud")
		x.Expect(r.code).To(gomega.Equal(1))
		x.Expect(x.documents.asked).To(gomega.Equal([]string{"https://acme.egain.cloud/system/deploymentInfo"}), "a host is asked after consent only")
		x.atTerminal = false
		r = x.create("", "--url", "acme.egain.cloud", "--trust-host", "api.other.example")
		x.Expect(r.stderr).To(gomega.ContainSubstring("next:  if the hosts are right, pass --trust-host acmeint.b2clogin.com\n"))
	})
	t.Run("unless a flag names the API URL", func(t *testing.T) {
		t.Parallel()
		x, url := begin(t)
		api := x.tenant(egainsim.ElsewhereTenantID).APIURL()
		r := x.create("", "--url", url, "--api-url", api, "--trust-host", "127.0.0.2")
		x.Expect(r.code).To(gomega.Equal(0), r.stderr)
		x.Expect(r.stdout).To(gomega.Equal(spec(url, "  endpoints:\n    apiURL: "+api+"\n", "  trustedHosts:\n  - 127.0.0.2\n")))
	})
}

func TestCreateTenantByABrokenAddress(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		match         egainsim.Match
		fault         egainsim.Fault
		flags         []string
		said, advised string
	}{
		"a page":                             {deploymentInfo, egainsim.Fault{Body: egainsim.HTMLBody}, nil, "the document /system/deploymentInfo of localhost:1 is an HTML or XML page", "check --url, or pass --metadata-url"},
		"nothing":                            {deploymentInfo, egainsim.Fault{Body: egainsim.EmptyBody}, nil, "is empty", "check --url"},
		"404":                                {deploymentInfo, egainsim.Fault{Status: http.StatusNotFound}, nil, "answered HTTP 404", "check --url"},
		"401":                                {deploymentInfo, egainsim.Fault{Status: http.StatusUnauthorized}, nil, "answered HTTP 401", "check --url"},
		"a redirect":                         {deploymentInfo, egainsim.Fault{Status: http.StatusMovedPermanently, Location: "https://elsewhere.example/"}, nil, "HTTP 301 for the document /system/deploymentInfo (a redirect, which is not followed)", "check --url"},
		"no API domain":                      {deploymentInfo, egainsim.Fault{Omit: []string{"apiDomain"}}, nil, "localhost:1 names no apiDomain", "the API domain with --api-url"},
		"an API domain of http":              {deploymentInfo, set(map[string]string{"apiDomain": "http://127.0.0.1"}), nil, "is not an https host", "the API domain with --api-url"},
		"a tenant id that is none":           {deploymentInfo, set(map[string]string{"tenantId": "../x"}), nil, "is not the id of a tenant", "--metadata-url"},
		"another tenant":                     {deploymentInfo, egainsim.Fault{}, []string{"--tenant-id", "TMPRODX1"}, "localhost:1 is the address of another tenant than EgainTenant.spec.id", "correct --tenant-id or --url"},
		"a metadata document that is a page": {egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Body: egainsim.HTMLBody}, nil, "the metadata document of 127.0.0.1:1 is an HTML or XML page", "check --url"},
		"metadata without a token URL":       {egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Text: `{"authenticationDetails": {"oAuthUser": [{"authURL": "https://localhost/a"}]}}`}, nil, "no token URL of any actor found at", "or --token-url and --api-url"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newExplorer(t)
			x.sim.SetFault(tc.match, tc.fault)
			r := x.create("", append(tc.flags, "--url", x.tenant(egainsim.AmericasTenantID).URL())...)
			x.Expect(r.code).To(gomega.Equal(1), r.stderr)
			x.Expect(r.stdout).To(gomega.BeEmpty())
			problem, next, _ := strings.Cut(r.stderr, "\nnext:  ")
			x.Expect(problem).To(gomega.ContainSubstring(tc.said))
			x.Expect(next).To(gomega.ContainSubstring(tc.advised))
			x.Expect(r.stderr).NotTo(gomega.ContainSubstring("<"), "nothing of an answer is shown")
		})
	}
	t.Run("a certificate that is not trusted", func(t *testing.T) {
		t.Parallel()
		x := newExplorer(t)
		x.caFile = ""
		r := x.create("", "--url", x.tenant(egainsim.AmericasTenantID).URL())
		x.Expect(r.code).To(gomega.Equal(1))
		x.Expect(r.stderr).To(gomega.ContainSubstring("not trusted"))
		x.Expect(r.stderr).To(gomega.ContainSubstring("next:  for a private CA, pass its certificates with --ca-file"))
	})
	t.Run("a name that does not exist", func(t *testing.T) {
		t.Parallel()
		x := newExplorer(t)
		r := x.create("", "--url", "acme.egain.invalid")
		x.Expect(r.code).To(gomega.Equal(1))
		x.Expect(r.stderr).To(gomega.ContainSubstring("Reading https://acme.egain.invalid ...\n"))
		x.Expect(r.stderr).To(gomega.MatchRegexp("error: reading the document /system/deploymentInfo: acme.egain.invalid (has no address in DNS|could not be reached)"))
	})
}

func TestCreateTenantReadsTheAddressAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	x := newExplorer(t)
	url := x.tenant(egainsim.EMEATenantID).URL()
	host := strings.TrimPrefix(url, "https://")
	const note = "Using only the scheme and host of --url: https://localhost:1\n"
	tests := map[string]struct {
		url  string
		code int
		said string
	}{
		"without a scheme":              {host, 0, ""},
		"with a slash":                  {url + "/", 0, ""},
		"in capitals":                   {strings.ToUpper(url), 0, ""},
		"with a path, as it is pasted":  {url + "/system/web/apps/login", 0, note},
		"with a query, as it is pasted": {host + "/?session=precious#x", 0, note},
		"with http":                     {"http://" + host, 2, "--url must start with https://, not http://"},
		"with a user name":              {"https://me:precious@" + host, 2, "--url must not contain a user name"},
		"without a host":                {"https:///path", 2, "--url is not an address"},
		"with spaces":                   {"acme egain", 2, "--url is not an address"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			r := x.create("", "--url", tc.url)
			g.Expect(r.code).To(gomega.Equal(tc.code), r.stderr)
			g.Expect(r.stderr).To(gomega.ContainSubstring(tc.said))
			g.Expect(strings.Contains(r.stderr, note)).To(gomega.Equal(tc.said == note), r.stderr)
			g.Expect(r.stderr + r.stdout).NotTo(gomega.ContainSubstring("precious"))
			if tc.code == 0 {
				g.Expect(r.stdout).To(gomega.Equal(spec(url)))
			}
		})
	}
}

func TestCreateTenantByItsAddressAndMore(t *testing.T) {
	t.Parallel()
	t.Run("the id that the address names is kept", func(t *testing.T) {
		t.Parallel()
		x := newExplorer(t)
		url := x.tenant(egainsim.EMEATenantID).URL()
		r := x.create("", "--url", url, "--tenant-id", egainsim.EMEATenantID, "--scope-prefix", "https://mine.example/", "--allow-scope", "a.*")
		x.Expect(r.code).To(gomega.Equal(0), r.stderr)
		x.Expect(r.stdout).To(gomega.And(gomega.ContainSubstring("  id: "+egainsim.EMEATenantID+"\n"), gomega.ContainSubstring("  - a.*\n")))
		x.Expect(strings.Count(r.stderr, "  prefix  https://mine.example/\n")).To(gomega.Equal(6))
	})
	t.Run("a token URL of a flag is shown as that", func(t *testing.T) {
		t.Parallel()
		x := newExplorer(t)
		r := x.create("", "--url", x.tenant(egainsim.EMEATenantID).URL(), "--token-url", "https://login.example.com/token")
		x.Expect(r.code).To(gomega.Equal(0), r.stderr)
		x.Expect(r.stderr).To(gomega.ContainSubstring("Client (Spec)\n  token   https://login.example.com/token\n"))
	})
	t.Run("documents that cannot be read are no trouble if flags say all", func(t *testing.T) {
		t.Parallel()
		x := newExplorer(t)
		x.sim.SetFault(deploymentInfo, egainsim.Fault{Status: http.StatusServiceUnavailable})
		r := x.create("", "--url", x.tenant(egainsim.EMEATenantID).URL(), "--token-url", "https://login.example.com/token", "--api-url", "https://api.example.com")
		x.Expect(r.code).To(gomega.Equal(0), r.stderr)
		x.Expect(r.stderr).To(gomega.ContainSubstring("The documents could not be read, but these flags do not need them"))
	})
	t.Run("a metadata URL wins over what the address leads to", func(t *testing.T) {
		t.Parallel()
		x := newExplorer(t)
		tenant := x.tenant(egainsim.EMEATenantID)
		r := x.create("", "--url", tenant.URL(), "--metadata-url", tenant.MetadataDocumentURL())
		x.Expect(r.code).To(gomega.Equal(0), r.stderr)
		x.Expect(r.stdout).To(gomega.Equal(spec(tenant.URL(), "  metadataURL: "+tenant.MetadataDocumentURL()+"\n")))
	})
	t.Run("the entry of anonymous customers that cannot be read is the trouble of theirs alone", func(t *testing.T) {
		t.Parallel()
		x := &explorer{WithT: gomega.NewWithT(t), t: t, documents: &documents{bodies: map[string]string{
			"https://acme.egain.cloud/system/deploymentInfo":             `{"apiDomain": "api.egain.cloud", "tenantId": "T1"}`,
			"https://api.egain.cloud/core/authmgr/v3/metadata/tenant/T1": `{"authenticationDetails": {"oAuthUser": [{"accessTokenURL": "https://login.egain.cloud/gw/policy/oauth2/v2.0/token"}]}}`,
		}}}
		r := x.create("", "--url", "acme.egain.cloud")
		x.Expect(r.code).To(gomega.Equal(0), r.stderr)
		x.Expect(r.stderr).To(gomega.ContainSubstring("AnonymousCustomer (no token URL)\n  api.egain.cloud answered HTTP 404 for the metadata document (there is no such\n  document): check"))
		x.Expect(r.stderr).To(gomega.ContainSubstring("User (Metadata)\n  token   https://login.egain.cloud/gw/policy/oauth2/v2.0/token\n  no login URL: no document names one\n"))
		x.Expect(r.stderr).To(gomega.ContainSubstring("These flows do not:\n  AnonymousCustomer\n  AuthorizationCode (User, Customer)\n"))
	})
}
