package stage

import "testing"

const exposition = `# HELP leader_election_master_status Gauge of if the reporting system is master of the relevant lease.
# TYPE leader_election_master_status gauge
leader_election_master_status{name="egain-operator.auth.egain.com"} 1
controller_runtime_active_workers{controller="egainclient"} 0
controller_runtime_reconcile_total{controller="egainclient",result="requeue_after"} 12
controller_runtime_reconcile_total{controller="egainclient",result="success"} 1
controller_runtime_reconcile_total{controller="other",result="success"} 100
controller_runtime_reconcile_total_of_another_name{controller="egainclient"} 1000
process_start_time_seconds 1.7e+09
`

func TestSumSeries(t *testing.T) {
	for _, c := range []struct {
		name, label string
		want        float64
	}{
		{"controller_runtime_reconcile_total", `controller="egainclient"`, 13},
		{"controller_runtime_reconcile_total", "", 113},
		{"process_start_time_seconds", "", 1.7e9},
		{"absent", "", 0},
	} {
		if got := SumSeries(exposition, c.name, c.label); got != c.want {
			t.Errorf("SumSeries(%q, %q) = %v, want %v", c.name, c.label, got, c.want)
		}
	}
}
