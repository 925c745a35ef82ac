package security_test

import (
	"fmt"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

func parameter(name string) change {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Parameters = map[string]egainv1alpha1.ParameterValue{name: "admin"}
	}
}

// of has an EgainClient refer to an EgainTenant.
func of(et *egainv1alpha1.EgainTenant) change {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(et.Name)}
	}
}

// tenant creates an EgainTenant whose token URL is the author's server.
func (a *writer) tenant(name string, changes ...func(*egainv1alpha1.EgainTenantSpec)) *egainv1alpha1.EgainTenant {
	a.t.Helper()
	et := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(a.server.URL + "/" + name)}},
		CABundleRef:    &egainv1alpha1.NamespacedCABundleReference{CABundleReference: egainv1alpha1.CABundleReference{Name: "author-ca"}, Namespace: team},
	}}
	for _, c := range changes {
		c(&et.Spec)
	}
	a.create(et)
	return et
}

// parameters that a server could take for the flow's own are not sent, nor are those that an EgainTenant does not allow.
func (a *writer) parameters() {
	a.t.Helper()
	for i, name := range []string{"Scope", "scope[]", " scope", "Client_Secret", "client_id ", "GRANT_TYPE", "Assertion", "\uff53cope"} {
		ec := a.writes(fmt.Sprintf("parameter-%d", i), parameter(name))
		a.reaches(ec, egainv1alpha1.ReasonNoToken, fault.ReasonRequestRejected)
		a.Expect(a.server.got(ec.Name)).To(gomega.BeEmpty(), "%q", name)
	}

	et := a.tenant("parameters")
	ec := a.writes("of-a-tenant", of(et), parameter("resource"))
	a.reaches(ec, egainv1alpha1.ReasonNoToken, egainv1alpha1.ReasonParameterNotAllowed)
	a.Expect(a.server.got(et.Name)).To(gomega.BeEmpty())

	a.allow(et, "resource")
	a.issued(ec)
	a.Expect(a.server.got(et.Name)).To(gomega.HaveLen(1))
	a.Expect(a.server.got(et.Name)[0].Get("resource")).To(gomega.Equal("admin"))

	// What is taken back is decided at the next request.
	a.allow(et)
	a.reaches(ec, egainv1alpha1.ReasonTokenValid, egainv1alpha1.ReasonParameterNotAllowed)
	a.update(ec, func() {
		metav1.SetMetaDataAnnotation(&ec.ObjectMeta, egainv1alpha1.RenewRequestedAtAnnotation, "now")
	})
	a.reaches(ec, egainv1alpha1.ReasonTokenValid, egainv1alpha1.ReasonParameterNotAllowed)
	a.Expect(a.server.got(et.Name)).To(gomega.HaveLen(1))
}

func (a *writer) allow(et *egainv1alpha1.EgainTenant, names ...egainv1alpha1.ParameterName) {
	a.t.Helper()
	a.fetch(a.WithT, et)
	before := et.DeepCopy()
	et.Spec.AllowedParameters = names
	a.Expect(a.admin.Patch(a.t.Context(), et, client.MergeFrom(before))).To(gomega.Succeed())
}

// scopes of OpenID and .default are behind no asterisk.
func (a *writer) scopes() {
	a.t.Helper()
	const prefix = "https://api.egain.cloud/auth/"
	et := a.tenant("scopes", func(spec *egainv1alpha1.EgainTenantSpec) {
		spec.ScopePrefix, spec.AllowedScopes = prefix, []egainv1alpha1.ScopePattern{prefix + "*", "*"}
	})
	for i, scope := range []egainv1alpha1.Scope{"openid", "offline_access", "email", "profile", ".default", prefix + ".default", "OpenID", ".Default"} {
		ec := a.writes(fmt.Sprintf("scope-%d", i), of(et), func(ec *egainv1alpha1.EgainClient) { ec.Spec.Scopes = []egainv1alpha1.Scope{scope} })
		a.reaches(ec, egainv1alpha1.ReasonNoToken, egainv1alpha1.ReasonScopeNotAllowed)
	}
	a.Expect(a.server.got(et.Name)).To(gomega.BeEmpty())
	a.issued(a.writes("scope-of-the-api", of(et)))
}
