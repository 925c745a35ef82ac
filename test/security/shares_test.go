package security_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// victims is the namespace of clients that another namespace holds up, if it can.
const victims = "team-b"

// tally counts the requests of each client application: all, and those under way.
type tally struct {
	mu               sync.Mutex
	total, now, most map[string]int
}

func newTally() *tally {
	return &tally{total: map[string]int{}, now: map[string]int{}, most: map[string]int{}}
}

func (c *tally) begin(application string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total[application]++
	c.now[application]++
	c.most[application] = max(c.most[application], c.now[application])
}

func (c *tally) end(application string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now[application]--
}

// of are the requests of an application: all, and the most at a time.
func (c *tally) of(application string) (total, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total[application], c.most[application]
}

// applications starts a server that answers by client application. It returns the URL of its token endpoint, and a variable of the
// environment with which a process trusts it: clients with CA bundles of their own would not share what is known of the endpoint.
func applications(t *testing.T, counts *tally, answers map[string]http.HandlerFunc) (tokenURL, trusting string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		application := r.PostForm.Get("client_id")
		counts.begin(application)
		defer counts.end(application)
		answers[application](rw, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections() // or Close waits for answers that are slow
		server.Close()
	})
	file := filepath.Join(t.TempDir(), "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	gomega.NewWithT(t).Expect(os.WriteFile(file, certificate, 0o600)).To(gomega.Succeed())
	return server.URL + "/token", "SSL_CERT_FILE=" + file
}

func issuing(seconds int) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, http.StatusOK, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, fmt.Sprint("token-", time.Now().UnixNano()), seconds)
	}
}

// share creates the credentials of an application in a namespace.
func (w *world) share(namespace, application string) {
	w.t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: application}
	w.create(&corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"client_id": application, "client_secret": "secret"}})
}

// member changes a client to one of a namespace and an application at a server.
func member(namespace, application, tokenURL string) change {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Namespace = namespace
		ec.Spec.CredentialsSecretRef.Name = egainv1alpha1.SecretName(application)
		ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(tokenURL)
		ec.Spec.Tenant.CABundleRef = nil
	}
}

func TestFailuresOfOneApplicationHoldThatApplicationOnly(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]http.HandlerFunc{
		"429 with Retry-After": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "3600")
			answer(rw, http.StatusTooManyRequests, `{"error":"temporarily_unavailable"}`)
		},
		"500": func(rw http.ResponseWriter, _ *http.Request) { answer(rw, http.StatusInternalServerError, `{}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "default", "")
			counts := newTally()
			tokenURL, trusting := applications(t, counts, map[string]http.HandlerFunc{"hostile": refuse, "victim": issuing(30)})
			w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: victims}})
			w.share(team, "hostile")
			w.share(victims, "victim")
			w.start(trusting)
			ec := w.client("sync", member(victims, "victim", tokenURL))
			testbed.AwaitReady(t, w.admin, ec)
			var hostile *egainv1alpha1.EgainClient
			for i := range 8 {
				hostile = w.client(fmt.Sprintf("hostile-%d", i), member(team, "hostile", tokenURL))
			}
			w.eventually("the circuit of the failing application is open", func(g gomega.Gomega) {
				w.fetch(g, hostile)
				g.Expect(ready(hostile).Message).To(gomega.ContainSubstring("circuit open"))
			})
			before, _ := counts.of("victim")
			w.eventually("the other application renews its token", func(g gomega.Gomega) {
				total, _ := counts.of("victim")
				g.Expect(total).To(gomega.BeNumerically(">=", before+2))
				w.fetch(g, ec)
				g.Expect(ready(ec).Status).To(gomega.Equal(metav1.ConditionTrue))
			})
			w.fetch(w, hostile)
			w.Expect(ready(hostile).Status).To(gomega.Equal(metav1.ConditionFalse))
		})
	}
}

// ready is the condition Ready of an EgainClient.
func ready(ec *egainv1alpha1.EgainClient) metav1.Condition {
	for _, c := range ec.Status.Conditions {
		if c.Type == egainv1alpha1.ConditionReady {
			return c
		}
	}
	return metav1.Condition{}
}

// A namespace has many clients at many ports that answer slowly. It gets a quarter of all requests under way, whatever it does, and
// others renew in time.
func TestANamespaceGetsAShareOfTheRequests(t *testing.T) {
	t.Parallel()
	const ports, each, slow = 64, 4, 9 * time.Second
	w := newWorld(t, "default", "")
	counts := newTally()
	slowly := func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(slow):
		case <-r.Context().Done():
		}
		issuing(18)(rw, r)
	}
	answers := map[string]http.HandlerFunc{"hostile": slowly, "victim": issuing(30)}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: victims}})
	fast, trusting := applications(t, counts, answers)
	w.share(team, "hostile")
	w.share(victims, "victim")
	w.start(trusting)
	for range ports {
		port, _ := applications(t, counts, answers) // all have the certificate of package httptest
		number := port[strings.LastIndex(port, ":")+1:]
		for i := range each {
			w.client(fmt.Sprintf("hostile-%s-%d", strings.TrimSuffix(number, "/token"), i), member(team, "hostile", port))
		}
	}
	var all []*egainv1alpha1.EgainClient
	for i := range 10 {
		all = append(all, w.client(fmt.Sprintf("sync-%d", i), member(victims, "victim", fast)))
	}
	w.eventually("the others renew their tokens twice", func(g gomega.Gomega) {
		total, _ := counts.of("victim")
		g.Expect(total).To(gomega.BeNumerically(">=", 3*len(all)))
	})
	for _, ec := range all {
		w.fetch(w, ec)
		w.Expect(ready(ec).Status).To(gomega.Equal(metav1.ConditionTrue), ec.Name)
	}
	_, most := counts.of("hostile")
	w.Expect(most).To(gomega.And(gomega.BeNumerically(">=", 8), gomega.BeNumerically("<=", 16)), "a quarter of 64 requests")
}
