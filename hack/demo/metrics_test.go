package main

import (
	"strings"
	"testing"
)

const exposition = `leader_election_master_status{name="egain-operator.auth.egain.com"} 1
controller_runtime_active_workers{controller="egainclient"} 0
controller_runtime_reconcile_total{controller="egainclient",result="requeue_after"} 12
controller_runtime_reconcile_total{controller="egainclient",result="success"} 1
controller_runtime_active_workers{controller="egaintenant"} 0
controller_runtime_reconcile_total{controller="egaintenant",result="success"} 3
`

func TestLeads(t *testing.T) {
	if !leads(exposition, map[string]int{"egainclient": 13, "egaintenant": 3}) {
		t.Error("it has reconciled 13 clients and 3 tenants")
	}
	if leads(exposition, map[string]int{"egainclient": 14, "egaintenant": 3}) {
		t.Error("it has not reconciled 14 clients")
	}
	if leads(exposition, map[string]int{"egainclient": 13, "egaintenant": 4}) {
		t.Error("it has not reconciled 4 tenants")
	}
	busy := strings.Replace(exposition, `active_workers{controller="egaintenant"} 0`, `active_workers{controller="egaintenant"} 1`, 1)
	if leads(busy, map[string]int{"egaintenant": 3}) {
		t.Error("it is busy with a tenant")
	}
	if leads("", nil) {
		t.Error("it does not lead")
	}
}
