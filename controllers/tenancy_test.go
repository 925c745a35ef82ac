package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// tenant creates an EgainTenant of the simulator's self-service tenant, named after the test's namespace, since tenants
// belong to none.
func (f *fixture) tenant(change ...func(*egainv1alpha1.EgainTenant)) *egainv1alpha1.EgainTenant {
	f.t.Helper()
	tenant := f.sim.Rigel()
	et := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}, Spec: egainv1alpha1.EgainTenantSpec{
		TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{
			TokenURL: egainv1alpha1.HTTPSURL(tenant.TokenURL(egainsim.Client)), APIURL: egainv1alpha1.HTTPSURL(f.sim.APIURL()),
		}},
		CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
			CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: egainv1alpha1.NamespaceName(f.namespace),
		},
	}}
	for _, c := range change {
		c(et)
	}
	f.create(et)
	f.t.Cleanup(func() { _ = client.IgnoreNotFound(admin.Delete(f.t.Context(), et)) })
	return et
}

// referring makes a client refer to the EgainTenant of the test.
func (f *fixture) referring(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(f.namespace)}
}

// updateTenant changes an EgainTenant as a user would.
func (f *fixture) updateTenant(et *egainv1alpha1.EgainTenant, change func()) {
	f.t.Helper()
	before := et.DeepCopy()
	change()
	f.Expect(admin.Patch(f.t.Context(), et, client.MergeFrom(before))).To(gomega.Succeed())
}

func TestIssuesForAnEgainTenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.tenant()
	ec := f.client("sync", f.referring)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.active("sync")).To(gomega.BeTrue())
	f.Expect(f.value("sync", "api_url")).To(gomega.Equal(f.sim.APIURL()))
}

func TestAMoveBetweenTenantsOfOneEndpointTakesNoNewToken(t *testing.T) {
	t.Parallel()
	console := func(f *fixture) func(*egainv1alpha1.EgainTenant) {
		return func(et *egainv1alpha1.EgainTenant) {
			et.Spec.Endpoints = nil
			et.Spec.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client))
		}
	}
	tests := map[string]struct {
		shared func(*fixture) func(*egainv1alpha1.EgainTenant)
		writes bool
	}{
		"said in the same words": {func(*fixture) func(*egainv1alpha1.EgainTenant) { return func(*egainv1alpha1.EgainTenant) {} }, false},
		"found by its metadata":  {console, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			et := f.tenant(tc.shared(f))
			ec := f.client("sync")
			f.run(ec)
			inlined, token, version := ec.Spec.Tenant, f.token("sync"), f.secret("sync").ResourceVersion

			f.update(ec, func() { f.referring(ec) })
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			if tc.writes {
				f.Expect(f.secret("sync").ResourceVersion).NotTo(gomega.Equal(version), "the note of what it was issued for")
			} else {
				f.Expect(f.secret("sync").ResourceVersion).To(gomega.Equal(version))
			}
			f.update(ec, func() { ec.Spec.Tenant, ec.Spec.TenantRef = inlined, nil })
			f.run(ec)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.token("sync")).To(gomega.Equal(token))
			f.Expect(f.requests()).To(gomega.Equal(1))

			f.step(rotation.Floor)
			f.update(ec, func() { f.referring(ec) })
			f.updateTenant(et, func() { et.Spec.ScopePrefix = "no-such-prefix/" })
			f.run(ec)
			f.Expect(f.requests()).To(gomega.Equal(2), "another prefix is another request")
		})
	}
}

func TestAnEquivalentSpecDoesNotDelayARenewal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	result := f.run(ec)
	token := f.token("sync")
	f.step(result.RequeueAfter)
	f.update(ec, func() {
		ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client))
	})
	f.run(ec)
	f.Expect(f.token("sync")).NotTo(gomega.Equal(token))
}

func TestATenantRefusesClientsThatItDoesNotAllow(t *testing.T) {
	t.Parallel()
	allow := func(allowed egainv1alpha1.AllowedNamespaces) func(*egainv1alpha1.EgainTenant) {
		return func(et *egainv1alpha1.EgainTenant) { et.Spec.AllowedNamespaces = &allowed }
	}
	selecting := func(team string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"team": team}}
	}
	tests := map[string]struct {
		tenant func(*egainv1alpha1.EgainTenant)
		repair func(f *fixture, et *egainv1alpha1.EgainTenant)
		reason string
		says   string
	}{
		"another namespace": {
			allow(egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{"elsewhere"}}),
			func(f *fixture, et *egainv1alpha1.EgainTenant) {
				et.Spec.AllowedNamespaces.Names = append(et.Spec.AllowedNamespaces.Names, egainv1alpha1.NamespaceName(f.namespace))
			},
			egainv1alpha1.ReasonTenantNotAllowed, "add the namespace to spec.allowedNamespaces",
		},
		"namespaces of other labels": {
			allow(egainv1alpha1.AllowedNamespaces{Selector: selecting("a")}),
			func(f *fixture, _ *egainv1alpha1.EgainTenant) {
				namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}}
				patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"team":"a"}}}`))
				f.Expect(admin.Patch(f.t.Context(), namespace, patch)).To(gomega.Succeed())
			},
			egainv1alpha1.ReasonTenantNotAllowed, "does not allow namespace",
		},
		"a selector that is none": {
			allow(egainv1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Resembles", Values: []string{"a"}}},
			}}),
			func(_ *fixture, et *egainv1alpha1.EgainTenant) { et.Spec.AllowedNamespaces = nil },
			egainv1alpha1.ReasonTenantInvalid, "allowedNamespaces.selector is not valid",
		},
		"other scopes": {
			func(et *egainv1alpha1.EgainTenant) {
				et.Spec.AllowedScopes = []egainv1alpha1.ScopePattern{"core.*"}
			},
			func(_ *fixture, et *egainv1alpha1.EgainTenant) {
				et.Spec.AllowedScopes = append(et.Spec.AllowedScopes, "knowledge.*")
			},
			egainv1alpha1.ReasonScopeNotAllowed, `does not allow the scopes ["knowledge.portalmgr.manage"]`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			et := f.tenant(tc.tenant)
			ec := f.client("sync", f.referring)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, " + tc.reason))
			f.Expect(message(ec)).To(gomega.ContainSubstring(tc.says))
			f.Expect(f.requests()).To(gomega.BeZero())

			f.updateTenant(et, func() { tc.repair(f, et) })
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestATokenOutlivesTheLeaveToRenewIt(t *testing.T) {
	t.Parallel()
	for name, withdraw := range map[string]func(*fixture, *egainv1alpha1.EgainTenant){
		"the namespace is not allowed any more": func(f *fixture, et *egainv1alpha1.EgainTenant) {
			f.updateTenant(et, func() {
				et.Spec.AllowedNamespaces = &egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{"elsewhere"}}
			})
		},
		"the tenant is gone":        func(f *fixture, et *egainv1alpha1.EgainTenant) { f.delete(et) },
		"inline tenants are banned": func(f *fixture, _ *egainv1alpha1.EgainTenant) { f.requireTenantRef(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			et := f.tenant()
			ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
				if name != "inline tenants are banned" {
					f.referring(ec)
				}
			})
			f.run(ec)
			secret := f.unchanged(f.secret("sync"))
			withdraw(f, et)

			result := f.run(ec)
			f.Expect(condition(ec, egainv1alpha1.ConditionReady).Status).To(gomega.Equal(metav1.ConditionTrue))
			f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Status).To(gomega.Equal(metav1.ConditionFalse))
			f.step(result.RequeueAfter)
			f.run(ec)
			f.Expect(condition(ec, egainv1alpha1.ConditionReady).Reason).To(gomega.Equal(egainv1alpha1.ReasonTokenExpired))
			f.Expect(f.requests()).To(gomega.Equal(1))
			secret()
		})
	}
}

func TestWaitsForATenantThatDoesNotExistYet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", f.referring)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, TenantNotFound"))
	f.Expect(message(ec)).To(gomega.ContainSubstring(fmt.Sprintf("waiting for EgainTenant %q", f.namespace)))
	f.tenant()
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestAnInlineTenantIsRefusedWhereTenantsAreShared(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.requireTenantRef(true)
	ec := f.client("sync")
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TenantRefRequired"))
	f.Expect(f.requests()).To(gomega.BeZero())
	f.tenant()
	f.update(ec, func() { f.referring(ec) })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

// limited makes two clients, with credentials, of a tenant with limits.
func (f *fixture) limited(limits egainv1alpha1.RequestLimits) (first, second *egainv1alpha1.EgainClient) {
	f.t.Helper()
	f.credentials()
	f.tenant(func(et *egainv1alpha1.EgainTenant) { et.Spec.RequestLimits = &limits })
	return f.client("a-sync", f.referring), f.client("b-sync", f.referring)
}

func TestATenantLimitsTheRequestsOfAllItsClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.limited(egainv1alpha1.RequestLimits{PerSecond: 1})
	f.run(first)
	result := f.run(second)
	f.Expect(state(first)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(condition(second, egainv1alpha1.ConditionReady).Message).To(gomega.ContainSubstring("limit of requests per second"))
	f.Expect(second.Status.ConsecutiveFailures).To(gomega.BeZero(), "to wait for a turn is no failure")
	f.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 50*time.Second), "it is woken")
	f.step(time.Second + 100*time.Millisecond)
	f.run(second)
	f.Expect(state(second)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestTheWatchesWakeForTenantsSessionsAndSubjects(t *testing.T) {
	t.Parallel()
	f := liveFixture(t)
	f.r, _ = startManager(t, operatorConfig(t, f.namespace), 4, f.namespace)
	f.foreign("egain-web", map[string]string{"client_id": egainsim.RigelWebClientID, "client_secret": egainsim.RigelWebClientSecret})
	f.credentials()
	f.Expect(f.sim.RegisterProvider("egain", f.sim.Rigel().Issuer(egainsim.User), f.sim.APIURL(), f.sim.JWKS())).To(gomega.Succeed())
	exchanged, desk := f.client("exchanged", f.referring, exchangingTokenOf("desk")), f.client("desk", f.referring, byLogin)
	failing := func(ec *egainv1alpha1.EgainClient, reason string) {
		f.t.Helper()
		f.eventually(func(g gomega.Gomega) {
			g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(ec), ec)).To(gomega.Succeed())
			g.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(reason))
		})
	}
	failing(desk, egainv1alpha1.ReasonTenantNotFound)

	et := f.tenant(func(et *egainv1alpha1.EgainTenant) {
		et.Spec.AllowedNamespaces = &egainv1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}}
	})
	failing(desk, egainv1alpha1.ReasonTenantNotAllowed)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}}
	f.Expect(admin.Patch(t.Context(), namespace, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"team":"a"}}}`)))).To(gomega.Succeed())
	failing(desk, egainv1alpha1.ReasonSessionNotFound)
	f.logIn()
	f.ready(desk, true)
	f.ready(exchanged, true)

	before := f.token("exchanged")
	f.update(desk, func() { desk.Annotations = map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: "now"} })
	f.eventually(func(g gomega.Gomega) { g.Expect(f.token("exchanged")).NotTo(gomega.Equal(before)) })

	f.updateTenant(et, func() { et.Spec.AllowedScopes = []egainv1alpha1.ScopePattern{"knowledge.*"} })
	failing(desk, egainv1alpha1.ReasonScopeNotAllowed)
}

func TestAChangedTenantReachesItsClientsOneAfterAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var want []string
	for i := range 20 {
		want = append(want, f.client(fmt.Sprintf("sync-%02d", i), f.referring).Name)
	}
	f.client("another-tenant")
	delays := &delays{}
	f.waker().wakeTenant(t.Context(), delays, f.namespace)
	f.Expect(delays.names).To(gomega.ConsistOf(want))
	f.Expect(slices.Max(delays.after)).To(gomega.BeNumerically("<", 20*tenantPace))
	f.Expect(slices.Max(delays.after)-slices.Min(delays.after)).To(gomega.BeNumerically(">", 10*tenantPace), "they are spread over the time")
	first := slices.Clone(delays.after)
	delays.names, delays.after = nil, nil
	f.waker().wakeTenant(t.Context(), delays, f.namespace)
	f.Expect(delays.after).To(gomega.Equal(first), "the same each time")
}

// delays is a queue that notes what is added to it and after how long.
type delays struct {
	queue
	names []string
	after []time.Duration
}

func (d *delays) AddAfter(request reconcile.Request, after time.Duration) {
	d.names, d.after = append(d.names, request.Name), append(d.after, after)
}

// requireTenantRef restarts the operator with --require-tenant-ref, or without.
func (f *fixture) requireTenantRef(required bool) {
	f.settings.RequireTenantRef = required
	f.restart()
}
