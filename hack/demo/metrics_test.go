package main

import "testing"

const exposition = `leader_election_master_status{name="egain-operator.auth.egain.com"} 1
controller_runtime_active_workers{controller="egainclient"} 0
controller_runtime_reconcile_total{controller="egainclient",result="requeue_after"} 12
controller_runtime_reconcile_total{controller="egainclient",result="success"} 1
`

func TestLeads(t *testing.T) {
	if !leads(exposition, 13) {
		t.Error("it has looked at 13 objects")
	}
	if leads(exposition, 14) {
		t.Error("it has not looked at 14 objects")
	}
	if leads("", 0) {
		t.Error("it does not lead")
	}
}
