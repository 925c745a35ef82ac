package security_test

import (
	"fmt"
	"slices"

	"github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// oddHosts are other spellings of addresses that are refused, and hosts that become another one on their way.
var oddHosts = []string{
	"①⓪.⑨⑥.⓪.①", "１０.９６.０.１", "10。96。0。1", "169．254．169．254", "ⅼocalhost", "\u212Aubernetes.default.svc", "%E2%85%BCocalhost",
	"%E2%84%AAubernetes.default.svc", "bücher.example", "ai.egain.cloud\u202e", "2130706433", "0xa9fea9fe", "0x7f.1", "017700000001", "127.1", "10.96.0.1.",
	"[fe80::1%25eth0]", "[fd00::1%25a]",
}

// special are addresses in their usual spelling that no proxy is asked for.
var special = []string{"10.96.0.1", "169.254.169.254", "100.100.100.200", "[::ffff:10.96.0.1]", "[64:ff9b::a9fe:a9fe]"}

func at(host string) change {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL("https://" + host + "/token")
	}
}

// refusedByTheAPIServer is what CEL keeps out.
func (a *writer) refusedByTheAPIServer() {
	a.t.Helper()
	refused := map[string]change{}
	for _, host := range oddHosts {
		refused["host "+host] = at(host)
	}
	for _, name := range []string{"Scope", "scope[]", " scope", "Client_Secret", "REFRESH_TOKEN"} {
		refused["parameter "+name] = parameter(name)
	}
	refused["username"] = onBehalfOf("agent\u202esmith")
	refused["another username"] = onBehalfOf("agent\u009b2Jsmith")
	for what, c := range refused {
		err := a.client.Create(a.t.Context(), a.object("refused", c))
		a.Expect(apierrors.IsInvalid(err)).To(gomega.BeTrue(), "%s: %v", what, err)
	}
}

// hosts are refused by the operator too, before the request, and before a proxy is asked.
func (a *writer) hosts() {
	a.t.Helper()
	clients := map[string]*egainv1alpha1.EgainClient{}
	for i, host := range slices.Concat(oddHosts, special) {
		clients[host] = a.writes(fmt.Sprintf("host-%d", i), at(host))
	}
	clients["of a document"] = a.writes("host-of-a-document", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.Endpoints, ec.Spec.Tenant.MetadataURL = nil, egainv1alpha1.HTTPSURL(a.server.URL+metadataPath)
	})
	for _, ec := range clients {
		a.reaches(ec, egainv1alpha1.ReasonNoToken, fault.ReasonEndpointRefused)
	}
	a.reaches(a.writes("host-for-the-proxy", at("tokens.invalid")), egainv1alpha1.ReasonNoToken, fault.ReasonServerUnavailable)
	for _, tunnel := range a.proxy.tunnels() {
		a.Expect(tunnel).To(gomega.Equal("CONNECT tokens.invalid:443"))
	}
	a.Expect(a.proxy.tunnels()).NotTo(gomega.BeEmpty())
}
