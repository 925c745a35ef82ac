package monitoring_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/test/controlplane"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 2 * time.Minute
	// life of the tokens: they are renewed when 12 to 15 seconds are over, and expire as long after that.
	life = 30 * time.Second
	// scraper may read the metrics, stranger may not.
	scraper  = "scraper"
	stranger = "stranger"
)

// suite is a cluster with an operator at work on it, and a Prometheus that scrapes that.
type suite struct {
	*gomega.WithT
	t     *testing.T
	dir   string
	plane *controlplane.ControlPlane
	admin client.Client
	sim   *egainsim.Simulator
	// metrics is the address that the operator serves them on.
	metrics    string
	prometheus promv1.API
}

// TestPrometheusSeesATenantFailAndRecover has a real Prometheus scrape the operator as it is installed: over TLS, with the token
// of a ServiceAccount that the API server is asked about. The dashboard is looked at while most goes wrong.
func TestPrometheusSeesATenantFailAndRecover(t *testing.T) {
	s := &suite{WithT: gomega.NewWithT(t), t: t, dir: t.TempDir(), metrics: testbed.FreeAddress(t)}
	s.plane, s.admin = testbed.StartCluster(t)
	s.sim = testbed.StartSimulator(t, egainsim.Config{})
	s.Expect(s.sim.SetLifetime(life)).To(gomega.Succeed())
	operator := s.startOperator()
	s.startPrometheus()
	s.createObjects()

	s.scrapesAsWhoMay()
	s.everyRuleIsEvaluated()
	s.exposesAllThatIsDocumented()
	s.Eventually(s.firing).WithTimeout(patience).ShouldNot(gomega.ContainElement(gomega.HavePrefix("EgainTokenExpired")))

	s.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Status: 503})
	s.Eventually(s.firing).WithTimeout(patience).Should(gomega.ContainElement(gomega.HavePrefix("EgainTokenExpiringSoon default/sync-")))
	s.Eventually(s.firing).WithTimeout(patience).Should(gomega.And(
		gomega.ContainElement("EgainTokenExpired default/sync-0"), gomega.ContainElement("EgainTokenExpired default/sync-4"),
		gomega.ContainElement(gomega.HavePrefix("EgainEndpointFailing localhost:")),
	))
	s.everyQueryHasAnAnswer()

	s.sim.ClearFaults()
	s.Eventually(s.firing).WithTimeout(patience).ShouldNot(gomega.ContainElement(gomega.MatchRegexp("^EgainEndpoint|default/sync-")))

	testbed.Kill(t, operator)
	s.Eventually(s.firing).WithTimeout(patience).Should(gomega.ContainElement(gomega.HavePrefix("EgainOperatorAbsent")))
}

func (s *suite) startOperator() *exec.Cmd {
	kubeconfig, err := s.plane.Install(s.t.Context(), s.admin, root)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	operator := testbed.Operator{Bin: testbed.Build(s.t, root), Kubeconfig: kubeconfig, Flags: []string{
		"--leader-election-namespace=" + controlplane.OperatorNamespace, "--allow-loopback", "--metrics-bind-address=" + s.metrics,
	}}
	return operator.Start(s.t)
}

// configuration is what docs/operations.md has Prometheus scrape with, except for finding the targets; the interval is short so
// that the test is.
const configuration = `
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [alerts.yaml]
scrape_configs:
- job_name: egain-operator
  scheme: https
  tls_config: {insecure_skip_verify: true}
  authorization: {credentials_file: scraper.token}
  honor_labels: true
  static_configs: [{targets: [%[1]s], labels: {namespace: egain-operator-system}}]
- job_name: stranger
  scheme: https
  tls_config: {insecure_skip_verify: true}
  authorization: {credentials_file: stranger.token}
  static_configs: [{targets: [%[1]s]}]
`

// startPrometheus starts a Prometheus with the alerts as they are, except for how long a state must last, which is a second.
func (s *suite) startPrometheus() {
	s.Expect(s.admin.Create(s.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: scraper},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "egain-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: scraper}},
	})).To(gomega.Succeed())
	for _, account := range []string{scraper, stranger} {
		s.Expect(s.admin.Create(s.t.Context(), &corev1.ServiceAccount{ObjectMeta: testbed.Named(account)})).To(gomega.Succeed())
		config, err := s.plane.ServiceAccountConfig(s.t.Context(), metav1.NamespaceDefault, account)
		s.Expect(err).NotTo(gomega.HaveOccurred())
		s.write(account+".token", config.BearerToken)
	}
	s.write("prometheus.yaml", fmt.Sprintf(configuration, s.metrics))
	s.write("alerts.yaml", regexp.MustCompile(`(?m)^(    for: ).+$`).ReplaceAllString(read(s.t, alertsFile), "${1}1s"))
	address := testbed.FreeAddress(s.t)
	testbed.Launch(s.t, exec.CommandContext(context.WithoutCancel(s.t.Context()), program(s.t, "prometheus"),
		"--config.file="+filepath.Join(s.dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(s.dir, "data"),
		"--web.listen-address="+address), filepath.Join(s.dir, "prometheus.log"))
	connection, err := api.NewClient(api.Config{Address: "http://" + address})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.prometheus = promv1.NewAPI(connection)
	s.Eventually(func() error { _, err := s.prometheus.Buildinfo(s.t.Context()); return err }).WithTimeout(patience).Should(gomega.Succeed())
}

func (s *suite) write(name, content string) {
	s.Expect(os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600)).To(gomega.Succeed())
}

// createObjects creates five EgainClients of an EgainTenant, one that waits for credentials, one that is suspended, and an
// EgainTenant whose certificate is not trusted.
func (s *suite) createObjects() {
	tenant := s.sim.Rigel()
	location := egainv1alpha1.TenantLocation{
		MetadataURL: egainv1alpha1.HTTPSURL(tenant.MetadataURL(egainsim.ConsoleFlatCamel, egainsim.Client)),
	}
	bundle := &egainv1alpha1.NamespacedCABundleReference{
		CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: metav1.NamespaceDefault,
	}
	objects := []client.Object{
		testbed.CABundle(s.sim), testbed.Credentials(),
		&egainv1alpha1.EgainTenant{
			ObjectMeta: metav1.ObjectMeta{Name: "production"},
			Spec:       egainv1alpha1.EgainTenantSpec{TenantLocation: location, CABundleRef: bundle},
		},
		&egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "untrusted"}, Spec: egainv1alpha1.EgainTenantSpec{TenantLocation: location}},
		ofTenant("waiting", "absent", false), ofTenant("off", "egain-app", true),
	}
	for i := range 5 {
		objects = append(objects, ofTenant(fmt.Sprintf("sync-%d", i), "egain-app", false))
	}
	for _, o := range objects {
		s.Expect(s.admin.Create(s.t.Context(), o)).To(gomega.Succeed())
	}
}

func ofTenant(name, credentials string, suspend bool) *egainv1alpha1.EgainClient {
	return &egainv1alpha1.EgainClient{ObjectMeta: testbed.Named(name), Spec: egainv1alpha1.EgainClientSpec{
		TenantRef:            &egainv1alpha1.TenantReference{Name: "production"},
		CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: egainv1alpha1.SecretName(credentials)},
		Scopes:               []egainv1alpha1.Scope{"knowledge.portalmgr.manage"},
		Suspend:              &suspend,
	}}
}

// scrapesAsWhoMay sees that the role alone opens the endpoint.
func (s *suite) scrapesAsWhoMay() {
	s.Eventually(func(g gomega.Gomega) {
		found, err := s.prometheus.Targets(s.t.Context())
		g.Expect(err).NotTo(gomega.HaveOccurred())
		said := map[string]string{}
		for _, target := range found.Active {
			said[string(target.Labels["job"])] = fmt.Sprintf("%s %s", target.Health, target.LastError)
		}
		g.Expect(said).To(gomega.HaveKeyWithValue("egain-operator", "up "))
		g.Expect(said).To(gomega.HaveKeyWithValue(stranger, gomega.And(gomega.HavePrefix("down"), gomega.ContainSubstring("403 Forbidden"))))
	}).WithTimeout(patience).Should(gomega.Succeed())
}

// everyRuleIsEvaluated sees that the rules that were loaded are the alerts, and that none fails on what the operator exposes.
func (s *suite) everyRuleIsEvaluated() {
	s.Eventually(func(g gomega.Gomega) {
		found, err := s.prometheus.Rules(s.t.Context(), nil)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		var loaded, want []string
		for _, group := range found.Groups {
			for _, r := range group.Rules {
				alert := r.(promv1.AlertingRule)
				loaded = append(loaded, fmt.Sprintf("%s %s %s", alert.Name, alert.Health, alert.LastError))
			}
		}
		for _, alert := range alerts(s.t) {
			want = append(want, alert.Alert+" ok ")
		}
		g.Expect(loaded).To(gomega.ConsistOf(want))
	}).WithTimeout(patience).Should(gomega.Succeed())
}

// exposesAllThatIsDocumented sees that each metric of the libraries that docs/metrics.md lists is one, by its type.
func (s *suite) exposesAllThatIsDocumented() {
	s.Eventually(func(g gomega.Gomega) {
		for _, name := range foreign(s.t) {
			known, err := s.prometheus.Metadata(s.t.Context(), name, "1")
			g.Expect(err).NotTo(gomega.HaveOccurred())
			g.Expect(known).To(gomega.HaveKey(name))
		}
		for _, d := range metrics.Definitions() {
			known, err := s.prometheus.Metadata(s.t.Context(), d.Name, "1")
			g.Expect(err).NotTo(gomega.HaveOccurred())
			if families := known[d.Name]; len(families) > 0 {
				g.Expect(string(families[0].Type)).To(gomega.Equal(d.Type), d.Name)
			}
		}
	}).WithTimeout(patience).Should(gomega.Succeed())
}

// firing are the alerts that fire, with what they are about.
func (s *suite) firing() ([]string, error) {
	found, err := s.prometheus.Alerts(s.t.Context())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, alert := range found.Alerts {
		if alert.State != promv1.AlertStateFiring {
			continue
		}
		about := string(alert.Labels["host"] + alert.Labels["tenant"])
		if name := alert.Labels["name"]; name != "" {
			about = string(alert.Labels["namespace"] + "/" + name)
		}
		names = append(names, strings.TrimSpace(string(alert.Labels["alertname"])+" "+about))
	}
	return names, nil
}

// everyQueryHasAnAnswer runs what the dashboard and the runbook ask while a tenant is down, so that there is something of
// everything that can go wrong.
func (s *suite) everyQueryHasAnAnswer() {
	d := theDashboard(s.t)
	for _, q := range d.queries(s.t) {
		s.Eventually(func() (model.Vector, error) { return s.ask(q.expr) }).WithTimeout(patience/4).ShouldNot(gomega.BeEmpty(), q.panel+": "+q.expr)
	}
	for _, v := range d.Templating.List {
		s.variableHasValues(v)
	}
	for _, expr := range runbookQueries(s.t) {
		_, err := s.ask(expr)
		s.Expect(err).NotTo(gomega.HaveOccurred(), expr)
	}
}

func (s *suite) ask(expr string) (model.Vector, error) {
	value, _, _, err := s.prometheus.Query(s.t.Context(), expr, time.Now())
	if err != nil {
		return nil, err
	}
	return value.(model.Vector), nil
}

// variableHasValues looks up what the definition of a variable, label_values(metric, label), yields.
func (s *suite) variableHasValues(v variable) {
	if v.Type != "query" {
		return
	}
	match := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(v.Definition)
	s.Expect(match).NotTo(gomega.BeEmpty(), v.Definition)
	values, _, _, err := s.prometheus.LabelValues(s.t.Context(), match[2], []string{match[1]}, time.Now().Add(-time.Minute), time.Now())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	s.Expect(values).NotTo(gomega.BeEmpty(), v.Definition)
}
