package egainsim_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestRequestsAreCountedByWhatTheyWereAbout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	target := w.Rigel().TokenURL(egainsim.Client)
	token := w.rigelToken(t)
	w.rigelToken(t)
	w.post(t, target, with(rigelForm(), "client_secret", "wrong"))
	w.post(t, target, with(rigelForm(), "client_id", "s3cr3t-by-mistake", "grant_type", "s3cr3t-by-mistake"))
	w.get(t, w.APIURL()+egainsim.PortalsPath, token)
	w.get(t, w.APIURL()+"/s3cr3t-by-mistake", token)

	rigel := egainsim.Labels{
		Endpoint: egainsim.TokenEndpoint, Tenant: egainsim.RigelTenantID, ClientID: egainsim.RigelClientID,
		Grant: "client_credentials",
	}
	unknown := egainsim.Labels{
		Endpoint: egainsim.TokenEndpoint, Tenant: egainsim.RigelTenantID, ClientID: "(unknown)", Grant: "(unknown)",
	}
	api := egainsim.Labels{
		Endpoint: egainsim.APIEndpoint, Tenant: egainsim.RigelTenantID, ClientID: egainsim.RigelClientID,
	}
	want := []egainsim.Count{
		{Labels: api, Outcome: "ok", Count: 1},
		{Labels: unknown, Outcome: "unsupported_grant_type", Count: 1},
		{Labels: rigel, Outcome: "invalid_client", Count: 1},
		{Labels: rigel, Outcome: "ok", Count: 2},
		{Labels: egainsim.Labels{Endpoint: egainsim.UnknownEndpoint}, Outcome: "not_found", Count: 1},
	}
	g := gomega.NewWithT(t)
	g.Expect(cmp.Diff(w.Stats().Counts, want)).To(gomega.BeEmpty())
	g.Expect(w.Count(egainsim.Match{ClientID: egainsim.RigelClientID, Endpoint: egainsim.TokenEndpoint}, "")).To(gomega.Equal(3))
	g.Expect(w.Count(rigel, "ok")).To(gomega.Equal(2))

	w.ClearRecord()
	g.Expect(w.Stats().Counts).To(gomega.BeEmpty())
	g.Expect(w.Requests()).To(gomega.BeEmpty())
}

func TestTheLogHoldsNoSecretAndNoToken(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	token := w.rigelToken(t)
	w.get(t, w.APIURL()+egainsim.PortalsPath+"/"+token, token)
	w.get(t, w.LoginURL()+"/"+token, "")
	w.post(t, w.Rigel().RevocationURL(egainsim.User)+"?token="+token, rigelCredentials("token", token))
	w.post(t, w.Rigel().TokenURL(egainsim.User), with(rigelForm(), "client_id", egainsim.RigelClientSecret))

	requests := w.Requests()
	g.Expect(requests).To(gomega.HaveLen(5))
	g.Expect(requests[0]).To(gomega.Equal(egainsim.Request{
		Time: start, Method: http.MethodPost, Path: "/system/auth/" + egainsim.RigelTenantID + "-U/oauth2/token",
		Labels: egainsim.Labels{
			Endpoint: egainsim.TokenEndpoint, Tenant: egainsim.RigelTenantID, ClientID: egainsim.RigelClientID,
			Grant: "client_credentials",
		},
		Subject: egainsim.RigelClientID, Status: http.StatusOK, Outcome: egainsim.OutcomeOK,
	}))
	g.Expect(requests[1].Path).To(gomega.Equal("/knowledge/portalmgr/v4"))
	written, err := json.Marshal(requests)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(string(written)).NotTo(gomega.ContainSubstring(token))
	g.Expect(string(written)).NotTo(gomega.ContainSubstring(egainsim.RigelClientSecret))
}

func TestTheLogKeepsTheLastRequests(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	sim, err := egainsim.New(egainsim.Config{LogSize: 3})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(sim.Start("127.0.0.1:0")).To(gomega.Succeed())
	t.Cleanup(func() { _ = sim.Close() })
	w := &world{Simulator: sim, http: newClient(t, sim.CABundle())}
	grants := []string{"client_credentials", "password", "implicit", "client_credentials", "password"}
	for _, grant := range grants {
		w.post(t, w.Rigel().TokenURL(egainsim.Client), with(rigelForm(), "grant_type", grant))
	}
	var kept []string
	for _, request := range w.Requests() {
		kept = append(kept, request.Grant)
	}
	g.Expect(kept).To(gomega.Equal([]string{"(unknown)", "client_credentials", "password"}))
	g.Expect(w.Count(egainsim.Match{}, "")).To(gomega.Equal(5))
}

func TestTheMostConcurrentRequestsAreKnown(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	match := egainsim.Match{Endpoint: egainsim.TokenEndpoint}
	w.SetFault(match, egainsim.Fault{Hang: true})
	requests := make([]*http.Request, 5)
	for i := range requests {
		requests[i] = newForm(t, w.Rigel().TokenURL(egainsim.Client), rigelForm())
	}
	var clients sync.WaitGroup
	for _, request := range requests {
		clients.Go(func() { _, _ = w.try(request) })
	}
	g.Eventually(func() int { return w.Count(match, egainsim.OutcomeFault) }).Should(gomega.Equal(5))
	g.Expect(w.Stats().MaxConcurrent).To(gomega.Equal(map[egainsim.Endpoint]int{egainsim.TokenEndpoint: 5}))
	w.ClearRecord()
	g.Expect(w.Stats().MaxConcurrent).To(gomega.Equal(map[egainsim.Endpoint]int{egainsim.TokenEndpoint: 5}), "they are in flight yet")
	g.Expect(w.Close()).To(gomega.Succeed())
	clients.Wait()
}

func TestManyClientsAtOnceGetTheirOwnTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const workers = 20
	for i := range workers {
		name := "client-" + strconv.Itoa(i)
		if err := w.AddClient(egainsim.RigelTenantID, egainsim.ClientApp{ID: name, Secrets: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	var clients sync.WaitGroup
	for i := range workers {
		clients.Go(func() {
			name := "client-" + strconv.Itoa(i)
			for range 3 {
				request := newForm(t, w.Rigel().TokenURL(egainsim.Client), with(rigelForm(), "client_id", name, "client_secret", name))
				r, err := w.try(request)
				token, _ := r.json["access_token"].(string)
				if subject := w.Introspect(token).Subject; err != nil || subject != name {
					t.Errorf("client %s got a token of %q, error %v", name, subject, err)
				}
			}
		})
	}
	clients.Wait()
	gomega.NewWithT(t).Expect(w.Stats().ValidTokens).To(gomega.Equal(3 * workers))
}
