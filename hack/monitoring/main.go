// Monitoring generates what is said of the metrics and alerts in more than one place: the reference of the metrics from the
// definitions of the collectors, the table of bounds from the constants, and the PrometheusRule from the rule file that the chart renders too.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/internal/metrics"
)

const (
	alertsFile  = "charts/egain-operator/files/alerts.yaml"
	ruleFile    = "config/prometheus/prometheus-rule/prometheus_rule.yaml"
	metricsFile = "docs/metrics.md"
)

func main() {
	outputs := map[string]func() (file string, content []byte, err error){"metrics": reference, "rule": rule, "bounds": table}
	if len(os.Args) != 2 || outputs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go run ./hack/monitoring metrics|rule|bounds, in the root of the checkout")
		os.Exit(2)
	}
	file, content, err := outputs[os.Args[1]]()
	if err == nil {
		err = os.WriteFile(file, content, 0o644) //nolint:gosec // a source file
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const preamble = `# Metrics

Made by ` + "`make docs`" + ` from the collectors' own definitions. [Operations](operations.md#metrics) says how to scrape them, the
[runbook](runbook.md) what to do when an alert on them fires.

Every replica exposes them. Those about EgainClients and EgainTenants are read from the cache at each scrape, so that a series
ends with its object; replicas agree on them, hence ` + "`max by (namespace, name)`" + ` in queries. Those that count and measure are
those of the replica at work.

| metric | type | labels | meaning | series |
|---|---|---|---|---|
`

const epilogue = `
(*) turned off by ` + "`--metrics-per-object=false`" + `. With 100,000 EgainClients that have tokens they are 400,000 series, and up to
100,000 more while all of them fail. Without them ` + "`egain_clients`" + ` still says how many are not Ready and why.

` + "`remedy`" + ` says what ends a failure: ` + "`wait`" + ` for a transient failure, ` + "`create`" + ` for a missing object of the cluster, ` + "`edit`" + ` for an edit
of the EgainClient or of an object that it names, ` + "`login`" + ` for a login, ` + "`provider`" + ` for a change at eGain. It follows from the reason.

A host has a series of its own while an EgainClient or EgainTenant names it, or its endpoint fails, and goes with the next
scrape after that. At most 256 hosts have one, of which the EgainClients of one namespace bring 16 by tenants that they describe
themselves. All others have the label value ` + "`other`" + `, and no clock skew.

## Metrics of controller-runtime

The alerts and the dashboard use these of the libraries too.

| metric | what it tells here |
|---|---|
| ` + "`controller_runtime_active_workers`" + ` | by controller (` + "`egainclient`" + `, ` + "`egaintenant`" + `): workers that are busy; there only while the replica is at work |
| ` + "`controller_runtime_max_concurrent_reconciles`" + ` | how many there are (` + "`--workers`" + `) |
| ` + "`controller_runtime_reconcile_total`" + ` | reconciles, by result |
| ` + "`controller_runtime_reconcile_errors_total`" + ` | those that ended with an error |
| ` + "`controller_runtime_terminal_reconcile_errors_total`" + ` | those of them that are failures of an EgainClient; the others are errors of the API server |
| ` + "`controller_runtime_reconcile_time_seconds`" + ` | how long a reconcile takes |
| ` + "`leader_election_master_status`" + ` | 1 on the replica that holds the Lease |
| ` + "`rest_client_requests_total`" + ` | requests to the API server, by code and method |
| ` + "`workqueue_depth`" + ` | objects that wait for a worker, by priority |
| ` + "`workqueue_queue_duration_seconds`" + ` | how long they wait |
| ` + "`process_resident_memory_bytes`" + `, ` + "`process_cpu_seconds_total`" + ` | what the operator takes |
`

// reference is docs/metrics.md.
func reference() (string, []byte, error) {
	var text strings.Builder
	text.WriteString(preamble)
	var optional []string
	for _, d := range metrics.PerClient() {
		optional = append(optional, d.Name)
	}
	for _, d := range metrics.Definitions() {
		series := d.Cardinality
		if slices.Contains(optional, d.Name) {
			series += " (*)"
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s | %s |\n", d.Name, d.Type, strings.Join(d.Labels, ", "), d.Help, series)
	}
	text.WriteString(epilogue)
	return metricsFile, []byte(text.String()), nil
}

// rule is the PrometheusRule of config.
func rule() (string, []byte, error) {
	alerts, err := os.ReadFile(alertsFile)
	if err != nil {
		return "", nil, fmt.Errorf("reading the alerts: %w", err)
	}
	var spec map[string]any
	if err := yaml.UnmarshalStrict(alerts, &spec); err != nil {
		return "", nil, fmt.Errorf("reading %s: %w", alertsFile, err)
	}
	object, err := yaml.Marshal(map[string]any{
		"apiVersion": "monitoring.coreos.com/v1",
		"kind":       "PrometheusRule",
		"metadata": map[string]any{
			"name": "controller-manager", "namespace": "system", "labels": map[string]any{"app.kubernetes.io/name": "egain-operator"},
		},
		"spec": spec,
	})
	if err != nil {
		return "", nil, fmt.Errorf("writing the PrometheusRule: %w", err)
	}
	return ruleFile, append([]byte("# Made by `make manifests` from "+alertsFile+".\n"), object...), nil
}
