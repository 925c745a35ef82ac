// Package monitoring_test holds the alerts, the dashboard and the runbook against the metrics and one another: promtool plays
// the alerts, and a real Prometheus scrapes an operator whose tenant is broken and fixed.
package monitoring_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/internal/metrics"
)

const (
	root       = "../../"
	alertsFile = root + "charts/egain-operator/files/alerts.yaml"
	runbook    = root + "docs/runbook.md"
)

// rule is an alert of a rule file.
type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// ruleFile is a rule file of Prometheus.
type ruleFile struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	} `json:"groups"`
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func decode(t *testing.T, file string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(read(t, file)), into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file ruleFile
	decode(t, alertsFile, &file)
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 8 {
		t.Fatalf("only %d alerts are found", len(all))
	}
	return all
}

// program is the path of prometheus or promtool.
func program(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), root+"hack/prometheus.sh")
	cmd.Stderr = os.Stderr
	dir, err := cmd.Output()
	if err != nil {
		t.Fatalf("obtaining prometheus: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), name)
}

func TestPromtoolAcceptsTheAlerts(t *testing.T) {
	t.Parallel()
	output, err := exec.CommandContext(t.Context(), program(t, "promtool"), "check", "rules", "--lint=all", "--lint-fatal", alertsFile).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// played is a test file of promtool.
type played struct {
	RuleFiles          []string `json:"rule_files"`
	EvaluationInterval string   `json:"evaluation_interval"`
	Tests              []struct {
		Name        string `json:"name"`
		Interval    string `json:"interval"`
		InputSeries []struct {
			Series string `json:"series"`
			Values string `json:"values"`
		} `json:"input_series"`
		AlertRuleTest []struct {
			EvalTime  string `json:"eval_time"`
			AlertName string `json:"alertname"`
			ExpAlerts []struct {
				ExpLabels      map[string]string `json:"exp_labels"`
				ExpAnnotations map[string]string `json:"exp_annotations"`
			} `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	} `json:"tests"`
}

func TestEveryAlertFiresAndResolvesAsPlayed(t *testing.T) {
	t.Parallel()
	promtool := program(t, "promtool")
	for _, alert := range alerts(t) {
		t.Run(alert.Alert, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("alerts", alert.Alert+".yaml")
			output, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, output)
			}
			var p played
			decode(t, file, &p)
			checkPlayed(t, &p, alert.Alert)
		})
	}
}

// checkPlayed sees that a test file is about an alert, that the alert fires in it and is quiet before and after, and that one
// of its tests is of something near in which it never fires: promtool takes what is not mentioned for granted.
func checkPlayed(t *testing.T, p *played, alert string) {
	t.Helper()
	resolves, neverFires := false, false
	for _, test := range p.Tests {
		var fired []bool
		for _, check := range test.AlertRuleTest {
			if check.AlertName != alert {
				t.Errorf("%s: it checks %s", test.Name, check.AlertName)
			}
			fired = append(fired, len(check.ExpAlerts) > 0)
		}
		resolves = resolves || (len(fired) > 2 && !fired[0] && slices.Contains(fired, true) && !fired[len(fired)-1])
		neverFires = neverFires || !slices.Contains(fired, true)
	}
	if !resolves {
		t.Error("there is no test in which it is quiet, fires and is quiet again")
	}
	if !neverFires {
		t.Error("there is no test in which it does not fire")
	}
}

func TestNoTestIsOfAnAlertThatIsGone(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("alerts/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := alerts(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if !slices.ContainsFunc(all, func(r rule) bool { return r.Alert == name }) {
			t.Errorf("%s tests no alert", file)
		}
	}
}

// sections are those of the runbook, by their headings.
func sections(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, part := range strings.Split(read(t, runbook), "\n### ")[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		all[heading] = text
	}
	return all
}

func TestEveryAlertHasItsSectionOfTheRunbook(t *testing.T) {
	t.Parallel()
	written := sections(t)
	for _, alert := range alerts(t) {
		text, ok := written[alert.Alert]
		delete(written, alert.Alert)
		if !ok {
			t.Errorf("%s has no section", alert.Alert)
			continue
		}
		for _, part := range []string{"\n**Means** ", "\n**Look** ", "\n**Do** "} {
			if strings.Count(text, part) != 1 {
				t.Errorf("%s: says %q not once", alert.Alert, part)
			}
		}
		if !strings.Contains(text, "```") {
			t.Errorf("%s: has nothing to type", alert.Alert)
		}
		if url := alert.Annotations["runbook_url"]; !strings.HasSuffix(url, "/docs/runbook.md#"+strings.ToLower(alert.Alert)) {
			t.Errorf("%s: its runbook_url is %s", alert.Alert, url)
		}
	}
	for heading := range written {
		t.Errorf("the runbook has a section %q, which is no alert", heading)
	}
}

func TestEveryAlertIsInTheTableOfTheGuide(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(read(t, root+"docs/operations.md"), "\n## Alerts\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var documented, code []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(text, -1) {
		documented = append(documented, match[1]+" "+match[2])
	}
	for _, alert := range alerts(t) {
		code = append(code, alert.Alert+" "+alert.Labels["severity"])
	}
	if !slices.Equal(code, documented) {
		t.Errorf("the alerts are %v, documented as %v", code, documented)
	}
}

func TestAlertsAreAsAPagerWantsThem(t *testing.T) {
	t.Parallel()
	for _, alert := range alerts(t) {
		if !slices.Contains([]string{"critical", "warning"}, alert.Labels["severity"]) {
			t.Errorf("%s: its severity is %q", alert.Alert, alert.Labels["severity"])
		}
		for _, annotation := range []string{"summary", "description"} {
			if text := alert.Annotations[annotation]; !strings.HasSuffix(text, ".") {
				t.Errorf("%s: its %s is %q", alert.Alert, annotation, text)
			}
		}
	}
}

var metricName = regexp.MustCompile(`\b(?:egain|controller_runtime|workqueue|rest_client|leader_election|process|go)_[a-z_]+\b`)

// foreign are the metrics of the libraries that docs/metrics.md lists. The end-to-end test sees that the operator has them.
func foreign(t *testing.T) []string {
	t.Helper()
	_, text, found := strings.Cut(read(t, root+"docs/metrics.md"), "\n## Metrics of controller-runtime\n")
	if !found {
		t.Fatal("docs/metrics.md does not list the metrics of controller-runtime")
	}
	return metricName.FindAllString(text, -1)
}

// checkNames sees that a query names metrics that there are.
func checkNames(t *testing.T, where, query string, libraries []string) {
	t.Helper()
	for _, name := range metricName.FindAllString(query, -1) {
		base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
		known := func(d metrics.Definition) bool {
			return d.Name == name || (d.Type == "histogram" && d.Name == base)
		}
		if !slices.ContainsFunc(metrics.Definitions(), known) && !slices.Contains(libraries, name) && !slices.Contains(libraries, base) {
			t.Errorf("%s: there is no metric %s", where, name)
		}
	}
}

func TestAlertsNameMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	libraries := foreign(t)
	for _, alert := range alerts(t) {
		checkNames(t, alert.Alert, alert.Expr, libraries)
	}
	for _, query := range runbookQueries(t) {
		checkNames(t, "the runbook", query, libraries)
	}
}

// runbookQueries are the lines of PromQL in the runbook.
func runbookQueries(t *testing.T) []string {
	t.Helper()
	var queries []string
	for _, match := range regexp.MustCompile("(?s)\n```promql\n(.*?)\n```").FindAllStringSubmatch(read(t, runbook), -1) {
		queries = append(queries, strings.Split(match[1], "\n")...)
	}
	if len(queries) < 10 {
		t.Fatalf("only %d queries are found", len(queries))
	}
	return queries
}
