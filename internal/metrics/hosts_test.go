package metrics

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// labels are the values of a label that a registry exposes.
func labels(t *testing.T, registry *prometheus.Registry, label string) (values []string, series int) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			series++
			for _, l := range m.GetLabel() {
				if l.GetName() == label {
					seen[l.GetValue()] = true
				}
			}
		}
	}
	for value := range seen {
		values = append(values, value)
	}
	slices.Sort(values)
	return values, series
}

// measured are collectors about clients and tenants that a test changes.
type measured struct {
	*Metrics
	registry *prometheus.Registry
	clients  []Client
	tenants  []Tenant
	failing  map[string]int
}

func newMeasured() *measured {
	m := &measured{registry: prometheus.NewPedanticRegistry()}
	m.Metrics = New(m.registry)
	m.registry.MustRegister(m.Objects(Source{
		Clients: func() iter.Seq[Client] { return slices.Values(m.clients) },
		Tenants: func() iter.Seq[Tenant] { return slices.Values(m.tenants) },
		Failing: func() map[string]int { return m.failing },
	}, true))
	return m
}

func (m *measured) request(namespace, host string) {
	m.Request(namespace, host, "ClientCredentials", "ServerUnavailable", 1)
	m.ClockSkew(namespace, host, 1)
}

func TestHostsOfANamespaceAreBounded(t *testing.T) {
	t.Parallel()
	m := newMeasured()
	m.request("", "ai.egain.cloud")
	m.tenants = []Tenant{{Name: "production", URLs: []string{"https://ai.egain.cloud/token"}}}
	for i := range 1000 { // a script that edits a token URL, and objects that each have one
		host := fmt.Sprintf("%d.example.com", i)
		m.request("team-a", host)
		m.clients = append(m.clients, Client{Namespace: "team-a", Name: "sync", URLs: []string{"https://" + host + "/token"}})
	}
	m.request("team-b", "another.example.com")
	m.clients = append(m.clients, Client{Namespace: "team-b", Name: "sync", URLs: []string{"https://another.example.com"}})
	for i := range m.clients {
		m.clients[i].Name = fmt.Sprint(i)
	}
	hosts, _ := labels(t, m.registry, "host")
	if len(hosts) != 1+MaxHostsPerNamespace+1+1 || !slices.Contains(hosts, "ai.egain.cloud") || !slices.Contains(hosts, "another.example.com") || !slices.Contains(hosts, OtherHost) {
		t.Errorf("hosts %v", hosts)
	}
}

func TestHostsAreBoundedInTotal(t *testing.T) {
	t.Parallel()
	m := newMeasured()
	for i := range 100 * MaxHosts {
		m.request(fmt.Sprintf("team-%d", i%100), fmt.Sprintf("%d.example.com:%d", i, 1+i%65535))
	}
	m.request("", "of-a-tenant.example.com")
	m.request("team-a", strings.Repeat("x", 2000))
	m.request("team-a", "")
	if n := len(m.hosts.owners); n != MaxHosts {
		t.Errorf("%d hosts have labels", n)
	}
	if n := len(m.skews); n != MaxHosts {
		t.Errorf("%d clocks are kept", n)
	}
}

func TestHostsGoWithTheirObjects(t *testing.T) {
	t.Parallel()
	m := newMeasured()
	client := func(name, host string) Client {
		return Client{Namespace: "team-a", Name: name, URLs: []string{"https://" + host + "/token"}}
	}
	for _, host := range []string{"edited.example.com", "Deleted.example.com", "stays.example.com", "fails.example.com", "tenant.example.com"} {
		m.request("team-a", host)
	}
	m.failing = map[string]int{"fails.example.com": 1, "unknown-1.example.com": 1, "unknown-2.example.com": 2}
	m.tenants = []Tenant{{Name: "production", URLs: []string{"https://tenant.example.com"}}}
	m.clients = []Client{client("a", "edited.example.com"), client("b", "deleted.example.com"), client("c", "STAYS.example.com")}
	expect := func(want ...string) {
		t.Helper()
		labels(t, m.registry, "host") // what is gone is forgotten with a scrape
		if got, _ := labels(t, m.registry, "host"); !slices.Equal(got, want) {
			t.Errorf("hosts %v, want %v", got, want)
		}
	}
	expect("deleted.example.com", "edited.example.com", "fails.example.com", "other", "stays.example.com", "tenant.example.com")
	m.failing = nil
	m.clients = []Client{client("a", "new.example.com"), client("c", "stays.example.com")}
	m.tenants = nil
	m.request("team-a", "new.example.com")
	expect("new.example.com", "stays.example.com")
	if len(m.hosts.shares) != 1 || m.hosts.shares["team-a"] != 2 {
		t.Errorf("shares %v", m.hosts.shares)
	}
	m.clients = nil
	expect()
}

// Every label of every metric is of a closed set, of objects, or bounded: a metric with another label has to be added here.
func TestEveryLabelIsBounded(t *testing.T) {
	t.Parallel()
	bounds := map[string]string{
		"namespace": "objects", "name": "objects", "tenant": "objects", "application": "objects",
		"ready": "closed", "reason": "closed", "remedy": "closed", "cause": "closed", "result": "closed", "flow": "closed", "outcome": "closed",
		"host": "MaxHosts",
	}
	for _, d := range Definitions() {
		for _, label := range d.Labels {
			if bounds[label] == "" {
				t.Errorf("%s: nothing bounds the label %s", d.Name, label)
			}
		}
	}
	m := newMeasured()
	for i := range 1000 {
		m.clients = append(m.clients, Client{Namespace: "team-a", Name: fmt.Sprint(i), Reason: fmt.Sprintf("Reason%d", i), Expiration: time.Unix(1, 0)})
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == clients.Name && len(family.GetMetric()) > maxStates+2 {
			t.Errorf("%d series of %s", len(family.GetMetric()), clients.Name)
		}
	}
}
