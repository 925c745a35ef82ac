package controllers

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/session"
)

// moved is a server whose address is given to another one: old connections lead to a server that fails, new ones to one that works.
type moved struct {
	mu     sync.Mutex
	old    map[string]bool
	moved  bool
	goAway bool
}

func (m *moved) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.moved {
		m.old[r.RemoteAddr] = true
	}
	if m.old[r.RemoteAddr] {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if m.goAway { // over HTTP/2 that is a GOAWAY
		rw.Header().Set("Connection", "close")
	}
	rw.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(rw, `{"access_token":"token-%s","token_type":"Bearer","expires_in":3600}`, r.RemoteAddr[len(r.RemoteAddr)-4:])
}

func TestClientsFollowAnAddressThatChanges(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*httptest.Server, *moved){
		"HTTP/1.1":                 func(*httptest.Server, *moved) {},
		"HTTP/2":                   func(s *httptest.Server, _ *moved) { s.EnableHTTP2 = true },
		"HTTP/2 with GOAWAY":       func(s *httptest.Server, m *moved) { s.EnableHTTP2, m.goAway = true, true },
		"HTTP/1.1, closed by peer": func(_ *httptest.Server, m *moved) { m.goAway = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			m := &moved{old: map[string]bool{}}
			server := httptest.NewUnstartedServer(m)
			set(server, m)
			server.StartTLS()
			t.Cleanup(server.Close)
			bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			f.create(&corev1.ConfigMap{ObjectMeta: f.named("server-ca"), Data: map[string]string{"ca.crt": string(bundle)}})
			var all []*egainv1alpha1.EgainClient
			for i := range 10 {
				all = append(all, f.client(fmt.Sprintf("sync-%d", i), func(ec *egainv1alpha1.EgainClient) {
					ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(server.URL + "/token")
					ec.Spec.Tenant.CABundleRef.Name = "server-ca"
				}))
			}
			play := f.player(all)
			play(5 * time.Second)
			for _, ec := range all {
				f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, ServerUnavailable"))
			}
			m.mu.Lock()
			m.moved = true
			m.mu.Unlock()
			play(10 * time.Second)
			for _, ec := range all {
				f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), ec.Name)
			}
		})
	}
}

// A login was granted fewer scopes than it asked for. A refresh asks for those that were granted, and a spec that asks for more needs
// another login.
func TestSession_ALoginThatWasGrantedLessIsRefreshed(t *testing.T) {
	t.Parallel()
	f := withLogins(t)
	f.logIn()
	secret := f.secret("session")
	before := secret.DeepCopy()
	secret.Annotations[session.AnnotationScopes] = "core.aiservices.use"
	secret.Annotations[session.AnnotationScopesNotGranted] = "core.aiservices.read"
	f.Expect(admin.Patch(t.Context(), secret, client.MergeFrom(before))).To(gomega.Succeed())
	ec := f.client("desk", byLogin, scoped("core.aiservices.use", "core.aiservices.read"))
	first := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.value("desk", "scope")).To(gomega.HaveSuffix("core.aiservices.use"))
	token := f.token("desk")

	f.step(first.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.token("desk")).NotTo(gomega.Equal(token), "it is refreshed in time")
	token = f.token("desk")

	f.update(ec, func() { ec.Spec.Scopes = append(ec.Spec.Scopes, "knowledge.contentmgr.read") })
	requests := f.requests()
	f.run(ec)
	f.Expect(state(ec)).To(gomega.HaveSuffix("ReauthorizationRequired"))
	f.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring("log in again"), gomega.ContainSubstring("knowledge.contentmgr.read")))
	f.Expect(f.requests()).To(gomega.Equal(requests))
	f.Expect(f.token("desk")).To(gomega.Equal(token), "the last good token stays")
}
