package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestWhatSessionsLack(t *testing.T) {
	loggedIn := func(name string) sample {
		return sample{
			NamespacedName: types.NamespacedName{Namespace: "a", Name: name}, session: types.NamespacedName{Namespace: "a", Name: name + "-session"},
			tenantID: "T", clientID: name,
		}
	}
	of := func(tenant, client string, refreshes int, end egainsim.SessionEnd) egainsim.Session {
		return egainsim.Session{Tenant: tenant, ClientID: client, Refreshes: refreshes, End: end}
	}
	all := []sample{
		loggedIn("well"), loggedIn("none"), loggedIn("twice"), loggedIn("reused"), loggedIn("idle"),
		{NamespacedName: types.NamespacedName{Namespace: "a", Name: "without"}, clientID: "without"},
	}
	sessions := []egainsim.Session{
		of("T", "well", 3, ""), of("U", "none", 3, ""), of("T", "twice", 3, ""), of("T", "twice", 4, ""),
		of("T", "reused", 9, egainsim.RefreshTokenReused), of("T", "idle", 2, ""),
	}
	want := []string{
		"a/none has 0 sessions",
		"a/twice has 2 sessions",
		"the session of a/reused has ended: refresh_token_reused",
		"the session of a/idle was refreshed 2 times",
	}
	if diff := cmp.Diff(want, whatSessionsLack(all, sessions, 3)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := refreshes(sessions, all[2]); got != 7 {
		t.Errorf("%d refreshes of two sessions, want 7", got)
	}
	if got := refreshes(sessions, all[1]); got != 0 {
		t.Errorf("%d refreshes of a session at another tenant, want 0", got)
	}
}
