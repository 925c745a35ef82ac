package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func TestWhatLacks(t *testing.T) {
	well := usage{tokens: 3, ok: 9, status: 200}
	rows := []row{
		{client: "a/well", ready: true, usage: well},
		{client: "a/none"},
		{client: "a/refused", problem: "ClientRejected: no"},
		{client: "a/failed", ready: true, usage: usage{tokens: 3, ok: 8, failed: 2, status: 401, problem: "expired"}},
		{client: "a/once", ready: true, usage: usage{tokens: 1, ok: 9}},
		{client: "a/stuck", ready: true, usage: usage{tokens: 1, ok: 9}, problem: "ServerUnavailable: 503"},
		{client: "a/idle", ready: true, usage: usage{tokens: 3}},
		{client: "a/expired", usage: well},
	}
	want := []string{
		"the operator ended by itself",
		"a/none: no token",
		"a/refused: no token, ClientRejected: no",
		"a/failed: 2 of 10 API calls failed, the last with status 401: expired",
		"a/once: no other token yet",
		"a/stuck: no other token yet, ServerUnavailable: 503",
		"a/idle: no API call",
		"a/expired: not Ready",
	}
	if diff := cmp.Diff(want, whatLacks(rows, 1)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := whatLacks(rows[:1], 0); got != nil {
		t.Errorf("of a client that is well: %q", got)
	}
	if anyFailed(rows[:3]) || !anyFailed(rows) {
		t.Error("anyFailed does not tell that a/failed did")
	}
}

func TestChanges(t *testing.T) {
	before := map[string]string{"same": "1", "changed": "2", "gone": "3"}
	after := map[string]string{"same": "1", "changed": "4", "new": "5"}
	if diff := cmp.Diff([]string{"changed", "gone", "new"}, changes(before, after)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNote(t *testing.T) {
	versions := map[string]string{}
	ofCluster := &egainv1alpha1.EgainTenantList{Items: []egainv1alpha1.EgainTenant{{ObjectMeta: metav1.ObjectMeta{Name: "acme", ResourceVersion: "7"}}}}
	inNamespace := &egainv1alpha1.EgainClientList{Items: []egainv1alpha1.EgainClient{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "visitor", ResourceVersion: "8"},
	}}}
	for kind, list := range map[string]client.ObjectList{"EgainTenant": ofCluster, "EgainClient": inNamespace} {
		if err := note(versions, kind, list); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"EgainTenant acme": "7", "EgainClient shop/visitor": "8"}
	if diff := cmp.Diff(want, versions); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRestartCheck(t *testing.T) {
	before := observation{requests: 3, versions: map[string]string{"Secret a/b": "1"}}
	if c := restartCheck(before, before, time.Second); !c.ok || !strings.Contains(c.text, "0 token requests, 0 writes to 1 objects") {
		t.Errorf("nothing changed: %+v", c)
	}
	if c := restartCheck(before, observation{requests: 4, versions: before.versions}, 0); c.ok {
		t.Errorf("a token request: %+v", c)
	}
	after := observation{requests: 3, versions: map[string]string{"Secret a/b": "2"}}
	if c := restartCheck(before, after, 0); c.ok || !strings.HasSuffix(c.text, ": Secret a/b") {
		t.Errorf("a write: %+v", c)
	}
}

func TestRenewedFor(t *testing.T) {
	ec := &egainv1alpha1.EgainClient{Status: egainv1alpha1.EgainClientStatus{LastHandledRenewal: "1"}}
	if renewedFor(ec, "1") {
		t.Error("without a token")
	}
	expires := metav1.NewTime(time.Now().Add(restful))
	ec.Status.Token = &egainv1alpha1.TokenStatus{ExpirationTime: &expires}
	if !renewedFor(ec, "1") || renewedFor(ec, "2") {
		t.Error("the request that was answered is not told from another")
	}
	expires = metav1.NewTime(time.Now().Add(time.Minute))
	if renewedFor(ec, "1") {
		t.Error("with a token that was issued before the life was set")
	}
}

func TestCheckLine(t *testing.T) {
	if got := (check{true, "a"}).line(palette(false)) + (check{false, "b"}).line(palette(false)); got != "✓  a✗  b" {
		t.Errorf("lines %q", got)
	}
}
