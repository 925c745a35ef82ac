package egainsim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestOnlyTheLoopbackInterfaceIsServed(t *testing.T) {
	t.Parallel()
	sim, err := egainsim.New(egainsim.Config{})
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1", "nonsense"} {
		gomega.NewWithT(t).Expect(sim.Start(addr)).NotTo(gomega.Succeed(), addr)
	}
}

func TestASimulatorRemembersItsTokensAcrossARestart(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	token := w.rigelToken(t)
	addr := strings.TrimPrefix(w.APIURL(), "https://")
	g.Expect(w.Start(addr)).NotTo(gomega.Succeed(), "it is started already")

	g.Expect(w.Close()).To(gomega.Succeed())
	_, err := w.try(newRequest(t, http.MethodGet, w.APIURL()+egainsim.PortalsPath, ""))
	g.Expect(err).To(gomega.HaveOccurred())
	g.Expect(w.Close()).To(gomega.Succeed(), "it is closed already")

	g.Expect(w.Start(addr)).To(gomega.Succeed())
	g.Expect(w.get(t, w.APIURL()+egainsim.PortalsPath, token).status).To(gomega.Equal(http.StatusOK))
}

func TestHostsOtherThanTheTwoHaveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := newForm(t, w.Rigel().TokenURL(egainsim.Client), rigelForm())
	request.Host = "ai.egain.cloud"
	gomega.NewWithT(t).Expect(w.do(t, request).status).To(gomega.Equal(http.StatusNotFound))
}

func TestItServesWithoutANetwork(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	sim, err := egainsim.New(egainsim.Config{})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(sim.LoginURL()).To(gomega.Equal("https://localhost"))
	request := newForm(t, sim.Rigel().TokenURL(egainsim.Client), rigelForm())
	answer := httptest.NewRecorder()
	sim.ServeHTTP(answer, request)
	g.Expect(answer.Code).To(gomega.Equal(http.StatusOK), answer.Body.String())
}

func TestItsCertificateIsValidUntilItIsChanged(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	get := func() error {
		_, err := w.try(newRequest(t, http.MethodGet, w.RootMetadataURL(), ""))
		return err
	}
	g.Expect(get()).To(gomega.Succeed())

	long := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	g.Expect(w.SetCertificate(egainsim.Certificate{NotBefore: long, NotAfter: long.Add(time.Hour)})).To(gomega.Succeed())
	g.Eventually(get).Should(gomega.MatchError(gomega.ContainSubstring("certificate has expired")))

	g.Expect(w.SetCertificate(egainsim.Certificate{Untrusted: true})).To(gomega.Succeed())
	g.Expect(get()).To(gomega.MatchError(gomega.ContainSubstring("certificate signed by unknown authority")))

	g.Expect(w.SetCertificate(egainsim.Certificate{})).To(gomega.Succeed())
	g.Expect(get()).To(gomega.Succeed())
}
