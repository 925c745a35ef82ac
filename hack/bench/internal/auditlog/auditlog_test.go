package auditlog

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const log = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/secrets/s","verb":"get","objectRef":{"resource":"secrets","namespace":"a","name":"s","apiVersion":"v1"},"requestReceivedTimestamp":"2026-11-24T10:00:00.000000Z"}
{"stage":"ResponseComplete","verb":"get","objectRef":{"resource":"secrets"},"requestReceivedTimestamp":"2026-11-24T10:00:01.5Z"}
{"stage":"ResponseComplete","verb":"patch","objectRef":{"resource":"egainclients","apiGroup":"auth.egain.com","subresource":"status"},"requestReceivedTimestamp":"2026-11-24T10:00:01.6Z"}
{"stage":"Panic","verb":"patch","objectRef":{"resource":"secrets"},"requestReceivedTimestamp":"2026-11-24T10:00:01.7Z"}

{"stage":"ResponseComplete","verb":"get","requestURI":"/readyz","requestReceivedTimestamp":"2026-11-24T10:00:01.8Z"}
{"stage":"ResponseComplete","verb":"get","objectRef":{"resource":"secrets"},"requestReceivedTimestamp":"2026-11-24T10:00:02Z"}
{"stage":"ResponseComplete","verb":"ge`

func TestCount(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 24, 10, 0, 1, 0, time.UTC)
	got, err := Count(strings.NewReader(log), from, from.Add(time.Second))
	want := map[Call]int{
		{"get", "secrets"}: 1, {"patch", "egainclients.auth.egain.com/status"}: 1, {"get", "/readyz"}: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := Count(strings.NewReader("nonsense\n"), from, from); err == nil {
		t.Error("nonsense passed for a line")
	}
}

func TestWrites(t *testing.T) {
	t.Parallel()
	for verb, want := range map[string]bool{"get": false, "list": false, "watch": false, "create": true, "update": true, "patch": true, "delete": true} {
		if got := (Call{Verb: verb}).Writes(); got != want {
			t.Errorf("%s writes: %v", verb, got)
		}
	}
}

func TestPolicyIsJSON(t *testing.T) {
	t.Parallel()
	var policy struct {
		Rules []struct {
			Level string
			Users []string
		}
	}
	if err := json.Unmarshal(Policy("system:serviceaccount:a:b"), &policy); err != nil {
		t.Fatal(err)
	}
	if len(policy.Rules) != 2 || policy.Rules[0].Users[0] != "system:serviceaccount:a:b" || policy.Rules[1].Level != "None" {
		t.Errorf("policy %+v", policy)
	}
}
