package controllers

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func (f *fixture) tenants() *EgainTenantReconciler {
	return &EgainTenantReconciler{Parts: f.r.Parts, Reader: f.r.Tokens.Reader}
}

// inspect reconciles an EgainTenant once and reads it again.
func (f *fixture) inspect(et *egainv1alpha1.EgainTenant) ctrl.Result {
	f.t.Helper()
	result, _ := f.tenants().Reconcile(f.t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(et)})
	f.Expect(admin.Get(f.t.Context(), client.ObjectKeyFromObject(et), et)).To(gomega.Succeed())
	for _, c := range et.Status.Conditions {
		f.Expect(c.ObservedGeneration).To(gomega.Equal(et.Generation), c.Type)
	}
	return result
}

// readiness of an EgainTenant: what kstatus makes of it, and the reason of Ready.
func readiness(et *egainv1alpha1.EgainTenant) string {
	return kstatus(et) + ": " + meta.FindStatusCondition(et.Status.Conditions, egainv1alpha1.ConditionReady).Reason
}

// byConsole has a tenant found by what the eGain console shows.
func (f *fixture) byConsole(et *egainv1alpha1.EgainTenant) {
	et.Spec.Endpoints = nil
	et.Spec.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client))
}

func TestATenantReportsWhatOfItsCABundleIsSkipped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bundle := &corev1.ConfigMap{ObjectMeta: f.named("tenant-ca"), Data: map[string]string{
		"ca.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + string(f.sim.CABundle()),
	}}
	f.create(bundle)
	et := f.tenant(f.byConsole, func(et *egainv1alpha1.EgainTenant) {
		et.Spec.CABundleRef = &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: egainv1alpha1.CABundleReference{Name: "tenant-ca"}, Namespace: egainv1alpha1.NamespaceName(f.namespace),
		}
	})
	const told = "Warning CertificatesSkipped part of the CA bundle is not used: block 1 is not a certificate that can be parsed; replace or remove it (the rest is trusted)"
	r := f.tenants()
	look := func() []string {
		_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(et)})
		f.Expect(err).NotTo(gomega.HaveOccurred())
		return f.sent()
	}
	f.Expect(look()).To(gomega.ContainElement(told))
	f.Expect(look()).NotTo(gomega.ContainElement(told), "once")

	f.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(bundle), bundle)).To(gomega.Succeed())
	bundle.Data["ca.crt"] = string(f.sim.CABundle())
	f.Expect(admin.Update(t.Context(), bundle)).To(gomega.Succeed())
	f.Expect(look()).NotTo(gomega.ContainElement(told))
	bundle.Data["ca.crt"] += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	f.Expect(admin.Update(t.Context(), bundle)).To(gomega.Succeed())
	f.Expect(look()).To(gomega.ContainElement(gomega.ContainSubstring("block 2 is not a certificate")))
}

func TestATenantShowsItsEndpointsAndClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	et := f.tenant(f.byConsole)
	f.client("a", f.referring)
	f.client("b", f.referring)
	f.client("c")

	result := f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"))
	rigel, api := f.sim.Rigel(), f.sim.APIURL()
	const metadata, derived = egainv1alpha1.EndpointSourceMetadata, egainv1alpha1.EndpointSourceDerived
	want := func(actor egainv1alpha1.TenantActor, tokenURL string, source egainv1alpha1.EndpointSource) egainv1alpha1.ActorEndpointsStatus {
		e := egainv1alpha1.ActorEndpointsStatus{Actor: actor, TokenURL: tokenURL, Source: source, APIURL: api, APIURLSource: metadata}
		if login, ok := map[egainv1alpha1.TenantActor]egainsim.Actor{"User": egainsim.User, "Customer": egainsim.Customer}[actor]; ok {
			e.AuthorizationURL, e.AuthorizationURLSource = rigel.AuthorizationURL(login), metadata
		}
		return e
	}
	f.Expect(et.Status.Endpoints).To(gomega.Equal([]egainv1alpha1.ActorEndpointsStatus{
		want("Client", rigel.TokenURL(egainsim.Client), metadata), want("User", rigel.TokenURL(egainsim.User), metadata),
		want("Customer", rigel.TokenURL(egainsim.Customer), metadata),
		want("AnonymousCustomer", rigel.AnonymousTokenURL(), derived),
		want("OnBehalfOfUser", rigel.TokenURL(egainsim.User), metadata), want("OnBehalfOfCustomer", rigel.TokenURL(egainsim.Customer), metadata),
	}))
	first := f.clock.Now()
	f.Expect(et.Status.Metadata.ReadTime.Time).To(gomega.BeTemporally("==", first))
	f.Expect(*et.Status.Clients).To(gomega.BeEquivalentTo(2))
	f.Expect(result.RequeueAfter).To(gomega.Equal(time.Hour), "the document's lifetime")

	same := f.unchanged(et)
	f.inspect(et)
	same()
	f.step(result.RequeueAfter)
	f.inspect(et)
	same() // the document was read again and says the same
	f.Expect(f.asked(egainsim.MetadataEndpoint)).To(gomega.Equal(2))
	f.restart()
	f.inspect(et)
	same()
	f.Expect(et.Status.Metadata.ReadTime.Time).To(gomega.BeTemporally("==", first))
	f.sim.SetFault(metadataRequests, egainsim.Fault{Set: map[string]json.RawMessage{"client": json.RawMessage(`{}`)}})
	f.step(time.Hour)
	f.inspect(et)
	f.Expect(et.Status.Metadata.ReadTime.Time).To(gomega.BeTemporally("==", f.clock.Now()), "another content")
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Normal EndpointsKnown", "Warning MetadataChanged"}))
}

func TestATenantThatNeedsNoMetadataIsNotLookedAtAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	et := f.tenant()
	f.Expect(f.inspect(et).RequeueAfter).To(gomega.BeZero())
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"))
	f.Expect(et.Status.Metadata).To(gomega.BeNil())
}

func TestAChangedTokenEndpointOrIssuerIsAnEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	et := f.tenant(func(et *egainv1alpha1.EgainTenant) {
		et.Spec.Endpoints = &egainv1alpha1.Endpoints{APIURL: egainv1alpha1.HTTPSURL(f.sim.APIURL())}
		et.Spec.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User))
	})
	f.inspect(et)
	f.sent()
	was := f.sim.Rigel().TokenURL(egainsim.User)
	moved := was + "?moved=1"
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Set: map[string]json.RawMessage{
		"token_endpoint": json.RawMessage(`"` + moved + `"`),
	}})
	f.step(time.Hour)
	f.inspect(et)

	events := f.sent()
	f.Expect(reasons(events)).To(gomega.Equal([]string{"Warning MetadataChanged"}))
	f.Expect(events[0]).To(gomega.And(gomega.ContainSubstring(was), gomega.ContainSubstring(moved), gomega.ContainSubstring("the endpoints changed although the spec did not; confirm with eGain")))

	f.updateTenant(et, func() { et.Spec.ScopePrefix = "x/" })
	f.sim.ClearFaults()
	f.step(time.Hour)
	f.inspect(et)
	f.Expect(f.sent()).To(gomega.BeEmpty(), "who changes the spec expects other endpoints")
}

func TestATenantWhoseMetadataCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	et := f.tenant(f.byConsole)
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Status: 503})

	result := f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("InProgress: MetadataUnavailable"))
	f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<=", time.Minute)))

	f.sim.ClearFaults()
	f.step(result.RequeueAfter)
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"))

	f.restart()
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{Status: 503})
	known := et.Status.Endpoints
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Current: EndpointsKnown"), "they are known from before")
	f.Expect(et.Status.Endpoints).To(gomega.Equal(known))
	f.Expect(meta.FindStatusCondition(et.Status.Conditions, egainv1alpha1.ConditionReady).Message).To(gomega.ContainSubstring("HTTP 503"))
}

func TestATenantWithoutItsCABundleWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	et := f.tenant(func(et *egainv1alpha1.EgainTenant) { et.Spec.CABundleRef.Name = "corp-ca" })
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("InProgress: CABundleNotFound"))
	f.create(&corev1.ConfigMap{ObjectMeta: f.named("corp-ca"), Data: map[string]string{"ca.crt": "junk"}})
	f.inspect(et)
	f.Expect(readiness(et)).To(gomega.Equal("Failed: CABundleInvalid"))
}

func TestADeletedTenantIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	result, err := f.tenants().Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "no-such-tenant"}})
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(result.RequeueAfter).To(gomega.BeZero())
}
