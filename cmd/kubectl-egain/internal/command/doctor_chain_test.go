package command

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/doctor"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

var metadataDocuments = egainsim.Match{Endpoint: egainsim.MetadataEndpoint}

// byAddress makes an EgainTenant of a deployment, found by its address, that a client refers to.
func (s *simulated) byAddress(id string, change ...func(*egainv1alpha1.EgainTenantSpec)) func(*egainv1alpha1.EgainClient) {
	return s.shared(func(et *egainv1alpha1.EgainTenantSpec) {
		et.TenantLocation = egainv1alpha1.TenantLocation{}
		et.URL = egainv1alpha1.EgainURL(s.deployed(id).URL())
		for _, c := range change {
			c(et)
		}
	})
}

// by is a client of flow AuthorizationCode for an actor.
func by(actor egainv1alpha1.Actor) func(*egainv1alpha1.EgainClient) {
	return func(ec *egainv1alpha1.EgainClient) {
		withSession("http://127.0.0.1:8765/callback")(ec)
		ec.Spec.AuthorizationCode.Actor = actor
	}
}

// known writes the endpoints of an actor into the status of the EgainTenant, as the operator does.
func (s *simulated) known(endpoints egainv1alpha1.ActorEndpointsStatus) {
	s.t.Helper()
	et := &egainv1alpha1.EgainTenant{}
	s.Expect(admin.Get(s.t.Context(), client.ObjectKey{Name: s.namespace}, et)).To(gomega.Succeed())
	before := et.DeepCopy()
	et.Status = egainv1alpha1.EgainTenantStatus{ObservedGeneration: et.Generation, Endpoints: []egainv1alpha1.ActorEndpointsStatus{endpoints}}
	s.Expect(admin.Status().Patch(s.t.Context(), et, client.MergeFrom(before))).To(gomega.Succeed())
}

// registered makes the credentials those of the client application of a deployment.
func (s *simulated) registered(id, secret string) {
	s.t.Helper()
	s.change("egain-app", func(o *corev1.Secret) { o.Data["client_id"], o.Data["client_secret"] = []byte(id), []byte(secret) })
}

func TestDoctorWalksTheDocuments(t *testing.T) {
	t.Parallel()
	s := newDeployed(t)
	tenant := s.deployed(egainsim.AmericasTenantID)
	s.healthy(s.byAddress(egainsim.AmericasTenantID))
	s.registered(egainsim.AmericasClientID, egainsim.AmericasClientSecret)
	report, r := s.diagnose()
	s.Expect(finding(report, "Address")).To(gomega.Equal(doctor.Finding{
		Check: "Address", Status: doctor.OK, Message: hostOfURL(t, tenant.URL()) + " identifies the tenant", Details: []string{
			"GET " + tenant.DeploymentInfoURL(), "tenant id    " + egainsim.AmericasTenantID, "API URL      " + tenant.APIURL(), "domain hint  " + tenant.DomainHint(),
		},
	}))
	s.Expect(finding(report, "Metadata")).To(gomega.Equal(doctor.Finding{
		Check: "Metadata", Status: doctor.OK, Message: "read from " + hostOfURL(t, tenant.APIURL()), Details: []string{"GET " + tenant.MetadataDocumentURL()},
	}))
	s.Expect(finding(report, "Endpoints")).To(gomega.Equal(doctor.Finding{
		Check: "Endpoints", Status: doctor.OK, Message: "the token URL of actor Client comes from eGain's documented URLs", Details: []string{
			"token        " + tenant.TokenURL(egainsim.Client), "API          " + tenant.APIURL(), "scope prefix " + egainsim.DefaultScopePrefix,
		},
	}))
	s.Expect(finding(report, "TokenRequest").Status).To(gomega.Equal(doctor.OK), r.stdout)
	s.Expect(report.Break).To(gomega.BeEmpty(), r.stdout)
}

func hostOfURL(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	return u.Host
}

func TestDoctorPointsAtTheDocumentThatIsBroken(t *testing.T) {
	t.Parallel()
	americas := egainsim.AmericasTenantID
	tests := map[string]struct {
		breakIt       func(s *simulated)
		check         string
		said, advised string
		skipped       []string
	}{
		"the address is a page": {func(s *simulated) {
			s.healthy(s.byAddress(americas))
			s.sim.SetFault(deploymentInfo, egainsim.Fault{Body: egainsim.HTMLBody})
		}, "Address", "is an HTML or XML page", "/system/deploymentInfo: eGain answers with JSON, without a login", []string{"Metadata", "Endpoints", "TokenRequest"}},
		"the address is not there": {func(s *simulated) {
			s.healthy(s.byAddress(americas))
			s.sim.SetFault(deploymentInfo, egainsim.Fault{Status: http.StatusNotFound})
		}, "Address", "answered HTTP 404", "open https://localhost:", []string{"Metadata", "Endpoints"}},
		"the address has a placeholder": {func(s *simulated) {
			s.healthy(s.byAddress(americas, func(et *egainv1alpha1.EgainTenantSpec) { et.URL = "https://TENANT_NAME.egain.cloud" }))
		}, "Address", "the placeholder TENANT_NAME", `correct spec.url of EgainTenant "test-`, []string{"Metadata"}},
		"the address is another tenant's": {func(s *simulated) {
			s.healthy(s.byAddress(americas, func(et *egainv1alpha1.EgainTenantSpec) { et.ID = "TMPRODX1" }))
		}, "Address", "is the address of another tenant", "correct spec.url or spec.id of EgainTenant", []string{"Metadata"}},
		"the address names no API domain": {func(s *simulated) {
			s.healthy(s.byAddress(americas))
			s.sim.SetFault(deploymentInfo, egainsim.Fault{Omit: []string{"apiDomain"}})
		}, "Address", "names no apiDomain", "spec.endpoints.apiURL", []string{"Metadata"}},
		"the API domain is of another site": {func(s *simulated) {
			s.healthy(s.byAddress(americas))
			s.sim.SetFault(deploymentInfo, set(map[string]string{"apiDomain": "api.egain.invalid" + portOf(s.t, s.deployed(americas).URL())}))
		}, "Address", "names the apiDomain api.egain.invalid", `add it to spec.trustedHosts of EgainTenant "test-`, []string{"Metadata"}},
		"the metadata document is not there": {func(s *simulated) {
			s.healthy(s.byAddress(americas))
			s.sim.SetFault(metadataDocuments, egainsim.Fault{Status: http.StatusNotFound})
		}, "Metadata", "answered HTTP 404 for the metadata document", "set spec.metadataURL of EgainTenant", []string{"Endpoints"}},
		"the actor has no entry": {func(s *simulated) {
			s.healthy(s.byAddress(americas))
			s.sim.SetFault(metadataDocuments, egainsim.Fault{Text: `{"authenticationDetails": {"oAuthUser": [{"authURL": "https://localhost/a"}]}}`})
		}, "Endpoints", "has no token URL for this flow (actor Client)", "add an entry for actor Client to spec.actorEndpoints of EgainTenant", []string{"DNS", "TokenRequest"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDeployed(t)
			tc.breakIt(s)
			report := s.expectBreak(tc.check, tc.said, tc.advised)
			for _, check := range tc.skipped {
				s.Expect(finding(report, check).Status).To(gomega.Equal(doctor.Skipped), check)
			}
		})
	}
}

// A login at a host of another site, of which the refusal names the field that allows it.
func TestDoctorNamesTheHostsToTrust(t *testing.T) {
	t.Parallel()
	t.Run("of a token URL, without which there is no token", func(t *testing.T) {
		t.Parallel()
		s := newDeployed(t)
		s.healthy(s.byAddress(egainsim.ElsewhereTenantID), by(egainv1alpha1.ActorUser))
		report, r := s.diagnose()
		f := finding(report, "Endpoints")
		s.Expect(f.Status).To(gomega.Equal(doctor.Broken), r.stdout)
		s.Expect(f.Message).To(gomega.ContainSubstring("names a token URL on 127.0.0.2, a host of another site"))
		s.Expect(f.Advice).To(gomega.Equal(`if the host is right, add it to spec.trustedHosts of EgainTenant "` + s.namespace + `": 127.0.0.2`))
	})
	t.Run("of a login URL, without which there is no login", func(t *testing.T) {
		t.Parallel()
		s := newDeployed(t)
		tenant := s.deployed(egainsim.ElsewhereTenantID)
		s.healthy(s.byAddress(egainsim.ElsewhereTenantID, func(et *egainv1alpha1.EgainTenantSpec) {
			et.ActorEndpoints = []egainv1alpha1.ActorEndpoints{{Actor: egainv1alpha1.TenantActorUser, TokenURL: egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.Customer))}}
		}), by(egainv1alpha1.ActorUser))
		report, r := s.diagnose()
		f := finding(report, "Endpoints")
		s.Expect(f.Status).To(gomega.Equal(doctor.Warning), r.stdout)
		s.Expect(f.Message).To(gomega.ContainSubstring("names an authorization URL on 127.0.0.2"))
		s.Expect(f.Advice).To(gomega.ContainSubstring("spec.trustedHosts"))
		s.Expect(f.Advice).To(gomega.ContainSubstring("127.0.0.2"))
	})
	t.Run("unless they are trusted", func(t *testing.T) {
		t.Parallel()
		s := newDeployed(t)
		tenant := s.deployed(egainsim.ElsewhereTenantID)
		s.healthy(s.byAddress(egainsim.ElsewhereTenantID, func(et *egainv1alpha1.EgainTenantSpec) {
			et.TrustedHosts = []egainv1alpha1.HostName{egainsim.ElsewhereHost}
		}), by(egainv1alpha1.ActorUser))
		report, r := s.diagnose()
		f := finding(report, "Endpoints")
		s.Expect(f.Status).To(gomega.Equal(doctor.OK), r.stdout)
		s.Expect(f.Details).To(gomega.ContainElement("login        " + tenant.AuthorizationURL(egainsim.User)))
	})
}

// The operator goes on with what it last read, and so does the doctor.
func TestDoctorWhileDocumentsAreDown(t *testing.T) {
	t.Parallel()
	down := egainsim.Fault{Status: http.StatusServiceUnavailable}
	begin := func(t *testing.T, match egainsim.Match) *simulated {
		t.Helper()
		s := newDeployed(t)
		s.healthy(s.byAddress(egainsim.AmericasTenantID))
		s.registered(egainsim.AmericasClientID, egainsim.AmericasClientSecret)
		tenant := s.deployed(egainsim.AmericasTenantID)
		s.known(egainv1alpha1.ActorEndpointsStatus{
			Actor: egainv1alpha1.TenantActorClient, TokenURL: tenant.TokenURL(egainsim.Client), Source: egainv1alpha1.EndpointSourceDerived,
			APIURL: tenant.APIURL(), ScopePrefix: egainsim.DefaultScopePrefix,
		})
		s.sim.SetFault(match, down)
		return s
	}
	for check, match := range map[string]egainsim.Match{"Address": deploymentInfo, "Metadata": metadataDocuments} {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			s := begin(t, match)
			report, r := s.diagnose()
			s.Expect(report.Break).To(gomega.BeEmpty(), r.stdout)
			f := finding(report, check)
			s.Expect(f.Status).To(gomega.Equal(doctor.Warning), r.stdout)
			s.Expect(f.Message).To(gomega.ContainSubstring(`until then the operator uses the endpoints in the status of EgainTenant "` + s.namespace + `"`))
			s.Expect(finding(report, "Endpoints").Message).To(gomega.Equal(`the token URL of actor Client comes from the status of EgainTenant "` + s.namespace + `"`))
			s.Expect(finding(report, "TokenRequest").Status).To(gomega.Equal(doctor.OK), r.stdout)
		})
	}
	t.Run("a client that never had a token waits for them", func(t *testing.T) {
		t.Parallel()
		s := begin(t, deploymentInfo)
		ec := &egainv1alpha1.EgainClient{ObjectMeta: s.named("mine")}
		s.status(ec, func(st *egainv1alpha1.EgainClientStatus) { st.Token = nil })
		report, r := s.diagnose()
		s.Expect(report.Break).To(gomega.Equal("Address"), r.stdout)
	})
	t.Run("what the operator says of the actor is shown", func(t *testing.T) {
		t.Parallel()
		s := begin(t, deploymentInfo)
		s.known(egainv1alpha1.ActorEndpointsStatus{
			Actor: egainv1alpha1.TenantActorClient, Reason: egainv1alpha1.ReasonEndpointRefused, Message: "names a token URL on login.other.example",
		})
		report, r := s.diagnose()
		s.Expect(report.Break).To(gomega.Equal("Address"), r.stdout)
		s.Expect(finding(report, "Address").Details).To(gomega.ContainElement(
			`EgainTenant "` + s.namespace + `", actor Client: EndpointRefused: names a token URL on login.other.example`))
	})
	t.Run("a login alone needs them if the spec has the rest", func(t *testing.T) {
		t.Parallel()
		s := newDeployed(t)
		tenant := s.deployed(egainsim.AmericasTenantID)
		s.healthy(s.byAddress(egainsim.AmericasTenantID, func(et *egainv1alpha1.EgainTenantSpec) {
			et.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.User)), APIURL: egainv1alpha1.HTTPSURL(tenant.APIURL())}
		}), by(egainv1alpha1.ActorUser))
		s.sim.SetFault(deploymentInfo, down)
		report, r := s.diagnose()
		s.Expect(finding(report, "Address").Status).To(gomega.Equal(doctor.Warning), r.stdout)
		s.Expect(finding(report, "Address").Message).To(gomega.HaveSuffix("; only a login needs it"))
		s.Expect(finding(report, "Endpoints").Status).To(gomega.Equal(doctor.Warning), r.stdout)
		s.Expect(finding(report, "Endpoints").Message).To(gomega.HaveSuffix("but the tenant has no authorization URL"))
	})
	t.Run("they are not asked for if the spec has all", func(t *testing.T) {
		t.Parallel()
		s := newDeployed(t)
		tenant := s.deployed(egainsim.AmericasTenantID)
		s.healthy(s.byAddress(egainsim.AmericasTenantID, func(et *egainv1alpha1.EgainTenantSpec) {
			et.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.Client)), APIURL: egainv1alpha1.HTTPSURL(tenant.APIURL())}
		}))
		s.sim.SetFault(deploymentInfo, down)
		report, r := s.diagnose()
		for _, check := range []string{"Address", "Metadata"} {
			s.Expect(finding(report, check).Message).To(gomega.ContainSubstring("the spec has the token URL and the API URL"), r.stdout)
		}
		s.Expect(finding(report, "Endpoints").Status).To(gomega.Equal(doctor.OK), r.stdout)
	})
}

func TestDoctorHoldsEveryHostAgainstTheFlags(t *testing.T) {
	t.Parallel()
	s := newDeployed(t)
	tenant := s.deployed(egainsim.AmericasTenantID)
	s.healthy(s.byAddress(egainsim.AmericasTenantID))
	address, api, login := hostOfURL(t, tenant.URL()), hostOfURL(t, tenant.APIURL()), "localhost:"+s.port()
	for flag, unlisted := range map[string]struct{ host, check string }{
		address + "," + api + "," + login: {},
		api + "," + login:                 {address, "Flags"},
		address + "," + login:             {api, "Metadata"},
		address + "," + api:               {login, "Endpoints"},
		"*.egain.cloud":                   {address, "Flags"},
	} {
		s.flags = []string{"--allowed-hosts=" + flag}
		report, r := s.diagnose("--no-request")
		s.Expect(report.Break).To(gomega.Equal(unlisted.check), r.stdout)
		if unlisted.host == "" {
			s.Expect(finding(report, "Flags").Status).To(gomega.Equal(doctor.OK), r.stdout)
			continue
		}
		f := finding(report, unlisted.check)
		s.Expect(f.Message).To(gomega.And(gomega.ContainSubstring(unlisted.host), gomega.ContainSubstring("--allowed-hosts")), r.stdout)
		s.Expect(f.Advice).NotTo(gomega.ContainSubstring("open https"), "a document that was not read needs no advice")
	}
}
