package audit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// cluster plays an API server with Secrets, and a provider with tokens.
type cluster struct {
	mu     sync.Mutex
	tokens map[string]string // client ids by valid token
	events chan string
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/_sim/introspect":
		c.introspect(w, r)
	case r.Header.Get("Authorization") != "Bearer the-auditor":
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Query().Get("watch") == "":
		_, _ = fmt.Fprintf(w, `{"metadata":{"resourceVersion":"7"},"items":[%s]}`, secretJSON("one", "first"))
	default:
		c.stream(w, r)
	}
}

func (c *cluster) introspect(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Tokens []string `json:"tokens"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || slices.Contains(body.Tokens, "ask-again") {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	answers := []map[string]any{}
	for _, token := range body.Tokens {
		id, active := c.tokens[token]
		answers = append(answers, map[string]any{"active": active, "client_id": id})
	}
	_ = json.NewEncoder(w).Encode(answers)
}

func (c *cluster) stream(w http.ResponseWriter, r *http.Request) {
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case event := <-c.events:
			_, _ = fmt.Fprintln(w, event)
		}
	}
}

func secretJSON(name, token string) string {
	return fmt.Sprintf(`{"metadata":{"namespace":"a","name":%q},"data":{"access_token":%q}}`, name, base64.StdEncoding.EncodeToString([]byte(token)))
}

// newCluster starts a cluster and a watcher of it, which has made its first look.
func newCluster(t *testing.T) (*cluster, *Secrets, *Provider) {
	t.Helper()
	c := &cluster{tokens: map[string]string{"first": "app", "stranger": "another"}, events: make(chan string)}
	server := httptest.NewTLSServer(c)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("the-auditor\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := NewSecrets(server.URL, file, server.Client())
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go s.Watch(ctx)
	eventually(t, "the first look", func() bool { return s.Trouble() == nil })
	return c, s, NewProvider(server.URL, "admin", server.Client())
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	gomega.NewWithT(t).Eventually(done, 10*time.Second).Should(gomega.BeTrue(), what)
}

func TestSecretsFollowWhatTheAPIServerSays(t *testing.T) {
	t.Parallel()
	c, s, _ := newCluster(t)
	one, two := Key{"a", "one"}, Key{"a", "two"}
	if got := s.token(one); got != "first" {
		t.Errorf("token %q after the list", got)
	}
	c.events <- `{"type":"MODIFIED","object":` + secretJSON("one", "second") + `}`
	c.events <- `{"type":"ADDED","object":` + secretJSON("two", "other") + `}`
	eventually(t, "the change", func() bool { return s.token(one) == "second" && s.token(two) == "other" })
	if keys := s.In("a"); len(keys) != 2 || !slices.Contains(keys, two) || len(s.In("b")) != 0 {
		t.Errorf("keys %v, and in another namespace %v", keys, s.In("b"))
	}
	c.events <- `{"type":"DELETED","object":` + secretJSON("two", "other") + `}`
	eventually(t, "the deletion", func() bool { return s.token(two) == "" })
	c.events <- `{"type":"ERROR","object":{"kind":"Status","metadata":{}}}`
	eventually(t, "another list", func() bool { return s.token(one) == "first" })
}

func TestLook(t *testing.T) {
	t.Parallel()
	c, s, provider := newCluster(t)
	target := Target{Key: Key{"a", "one"}, ClientID: "app", Provider: provider}
	for token, want := range map[string]State{"first": Valid, "expired": Invalid, "stranger": Invalid, "ask-again": Unknown, "": Invalid} {
		c.events <- `{"type":"MODIFIED","object":` + secretJSON("one", token) + `}`
		eventually(t, "the change", func() bool { return s.token(target.Key) == token })
		a := &Audit{secrets: s, accounts: map[Key]*account{target.Key: {}}}
		a.look(t.Context(), provider, []Target{target})
		if got := a.accounts[target.Key]; got.state != want || got.token != token {
			t.Errorf("a target with the token %q is %d with %q, want %d", token, got.state, got.token, want)
		}
	}
}

func TestAnAuditAddsUpItsTargets(t *testing.T) {
	t.Parallel()
	_, s, provider := newCluster(t)
	good, missing := Target{Key{"a", "one"}, "app", provider}, Target{Key{"a", "missing"}, "app", provider}
	a := Begin(t.Context(), s, time.Millisecond, []Target{good, missing})
	eventually(t, "a few looks", func() bool { return a.Invalid() == 1 && time.Since(a.began) > 50*time.Millisecond })
	r := a.End()
	if r.Invalid <= 0 || r.Invalid != r.Worst || r.WorstTarget != missing.Key || r.Longest != r.Worst || r.Lacking != 1 || r.LastInvalid.IsZero() || r.Unknown != 0 || r.Rotations != 0 {
		t.Errorf("result %+v", r)
	}
}

// Only the change can be what it looks for: the next look by the clock is an hour away.
func TestAnAuditLooksAtWhatChanges(t *testing.T) {
	t.Parallel()
	c, s, provider := newCluster(t)
	a := Begin(t.Context(), s, time.Hour, []Target{{Key{"a", "one"}, "app", provider}})
	defer a.End()
	eventually(t, "the first look", func() bool { return a.Invalid() == 0 })
	c.events <- `{"type":"MODIFIED","object":` + secretJSON("one", "expired") + `}`
	eventually(t, "an expired token", func() bool { return a.Invalid() == 1 })
	c.events <- `{"type":"MODIFIED","object":` + secretJSON("one", "first") + `}`
	eventually(t, "a valid token", func() bool { return a.Invalid() == 0 })
}
