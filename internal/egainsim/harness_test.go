package egainsim_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// start is when the clocks of the tests begin. It is in the future, so that a token dated by a real clock shows.
var start = time.Date(2040, 5, 6, 7, 8, 9, 0, time.UTC)

// world is a simulator on the network, its clocks, and a client that trusts it.
type world struct {
	*egainsim.Simulator
	clock *clocktesting.FakePassiveClock
	timer *clocktesting.FakeClock
	http  *http.Client
}

func newWorld(t *testing.T, tenants ...egainsim.TenantConfig) *world {
	t.Helper()
	w := &world{clock: clocktesting.NewFakePassiveClock(start), timer: clocktesting.NewFakeClock(start)}
	sim, err := egainsim.New(egainsim.Config{Clock: w.clock, Timer: w.timer, Tenants: tenants})
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.Simulator, w.http = sim, newClient(t, sim.CABundle())
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// applicationScope is of no other kind. The default catalogue has none such.
const applicationScope = "core.jobs.run"

// tenantsWithApplicationScope are the default ones, of which the first knows applicationScope.
func tenantsWithApplicationScope() []egainsim.TenantConfig {
	tenants := egainsim.DefaultTenants()
	tenants[0].Scopes = append(egainsim.DefaultScopes(), egainsim.Scope{Name: applicationScope, Kind: egainsim.ApplicationScope})
	return tenants
}

// newClient follows no redirects.
func newClient(t *testing.T, bundle []byte) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		t.Fatal("the CA bundle has no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reply is a response that was read to the end.
type reply struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
}

func (r reply) errorCode() string {
	code, _ := r.json["error"].(string)
	return code
}

func (r reply) token(t *testing.T) string {
	t.Helper()
	token, _ := r.json["access_token"].(string)
	if token == "" {
		t.Fatalf("no token in the answer: %d %s", r.status, r.body)
	}
	return token
}

func (w *world) do(t *testing.T, request *http.Request) reply {
	t.Helper()
	r, err := w.try(request)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) try(request *http.Request) (reply, error) {
	response, err := w.http.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	r := reply{status: response.StatusCode, header: response.Header}
	r.body, err = io.ReadAll(response.Body)
	_ = json.Unmarshal(r.body, &r.json)
	return r, err
}

func newRequest(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func newForm(t *testing.T, target string, form url.Values) *http.Request {
	t.Helper()
	request := newRequest(t, http.MethodPost, target, form.Encode())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return request
}

func (w *world) post(t *testing.T, target string, form url.Values) reply {
	t.Helper()
	return w.do(t, newForm(t, target, form))
}

func (w *world) get(t *testing.T, target, bearer string) reply {
	t.Helper()
	request := newRequest(t, http.MethodGet, target, "")
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	return w.do(t, request)
}

// lastRequest is the record of the request that was answered last.
func (w *world) lastRequest() egainsim.Request {
	requests := w.Requests()
	return requests[len(requests)-1]
}

// form is made of pairs of names and values.
func form(pairs ...string) url.Values {
	return with(nil, pairs...)
}

// with is a copy of a form with some values replaced, or removed if they are empty.
func with(base url.Values, pairs ...string) url.Values {
	changed := url.Values{}
	maps.Copy(changed, base)
	for pair := range slices.Chunk(pairs, 2) {
		changed.Del(pair[0])
		if pair[1] != "" {
			changed.Set(pair[0], pair[1])
		}
	}
	return changed
}

func rigelCredentials(pairs ...string) url.Values {
	base := form("client_id", egainsim.RigelClientID, "client_secret", egainsim.RigelClientSecret)
	return with(base, pairs...)
}

func commercialCredentials(pairs ...string) url.Values {
	base := form("client_id", egainsim.CommercialClientID, "client_secret", egainsim.CommercialClientSecret)
	return with(base, pairs...)
}

// rigelForm asks for client credentials on Rigel.
func rigelForm() url.Values {
	return rigelCredentials("grant_type", "client_credentials", "scope", "knowledge.portalmgr.manage")
}

func (w *world) rigelToken(t *testing.T) string {
	t.Helper()
	return w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm()).token(t)
}

func TestMisuseIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	rigel := egainsim.TenantConfig{ID: "TM1", Platform: egainsim.Rigel}
	for name, config := range map[string]egainsim.Config{
		"a lifetime of a fraction of a second": {TokenLifetime: 1500 * time.Millisecond},
		"a negative lifetime":                  {TokenLifetime: -time.Second},
		"a tenant without an id":               {Tenants: []egainsim.TenantConfig{{Platform: egainsim.Rigel}}},
		"an id that a URL cannot hold":         {Tenants: []egainsim.TenantConfig{{ID: "a/b", Platform: egainsim.Rigel}}},
		"an unknown platform":                  {Tenants: []egainsim.TenantConfig{{ID: "TM1", Platform: "Orion"}}},
		"a commercial tenant without gateway":  {Tenants: []egainsim.TenantConfig{{ID: "TM1", Platform: egainsim.Commercial}}},
		"a Rigel tenant with a gateway": {
			Tenants: []egainsim.TenantConfig{{ID: "TM1", Platform: egainsim.Rigel, GatewayID: "gw"}},
		},
		"a Rigel tenant with prefixes by actor": {Tenants: []egainsim.TenantConfig{
			{ID: "TM1", Platform: egainsim.Rigel, ScopePrefixes: map[egainsim.Actor]string{egainsim.User: "x/"}},
		}},
		"a prefix of an unknown actor": {Tenants: []egainsim.TenantConfig{{
			ID: "TM1", Platform: egainsim.Commercial, GatewayID: "gw", ScopePrefixes: map[egainsim.Actor]string{"agent": "x/"},
		}}},
		"two tenants with one id": {Tenants: []egainsim.TenantConfig{rigel, rigel}},
		"two tenants with one gateway": {Tenants: []egainsim.TenantConfig{
			{ID: "TM1", Platform: egainsim.Commercial, GatewayID: "gw"},
			{ID: "TM2", Platform: egainsim.Commercial, GatewayID: "gw"},
		}},
		"a client of two tenants": {Tenants: []egainsim.TenantConfig{
			{ID: "TM1", Platform: egainsim.Rigel, Clients: []egainsim.ClientApp{{ID: "app"}}},
			{ID: "TM2", Platform: egainsim.Rigel, Clients: []egainsim.ClientApp{{ID: "app"}}},
		}},
		"a client without an id": {Tenants: []egainsim.TenantConfig{
			{ID: "TM1", Platform: egainsim.Rigel, Clients: []egainsim.ClientApp{{}}},
		}},
		"a user without a name": {Tenants: []egainsim.TenantConfig{
			{ID: "TM1", Platform: egainsim.Rigel, Subjects: []egainsim.Subject{{Actor: egainsim.User, Email: "a@b.example"}}},
		}},
		"a subject that is a server": {Tenants: []egainsim.TenantConfig{
			{ID: "TM1", Platform: egainsim.Rigel, Subjects: []egainsim.Subject{{Actor: egainsim.Client, Username: "a"}}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := egainsim.New(config)
			gomega.NewWithT(t).Expect(err).To(gomega.HaveOccurred())
		})
	}
}
