package controllers

import (
	"fmt"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// TestEveryNamespaceGetsTheTokenOfItsOwnClient runs many workers over many namespaces whose objects and Secrets all have the
// same names. State shared between reconciles is how tenants of peers got each other's secrets (external-secrets#6333).
func TestEveryNamespaceGetsTheTokenOfItsOwnClient(t *testing.T) {
	t.Parallel()
	const tenants, workers, rounds = 60, 50, 3
	operator := newNamespace(t)
	sim := startSimulator(t, egainsim.Config{})
	var fixtures []*fixture
	var names []string
	for i := range tenants {
		f := &fixture{WithT: gomega.NewWithT(t), t: t, namespace: newNamespace(t), sim: sim}
		id := clientID(i)
		f.Expect(sim.AddClient(egainsim.RigelTenantID, egainsim.ClientApp{ID: id, Secrets: []string{"secret-of-" + id}})).To(gomega.Succeed())
		f.create(&corev1.ConfigMap{ObjectMeta: f.named("egain-ca"), Data: map[string]string{"ca.crt": string(sim.CABundle())}})
		f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{"client_id": id, "client_secret": "secret-of-" + id}})
		fixtures, names = append(fixtures, f), append(names, f.namespace)
	}
	startManager(t, operatorConfig(t, operator), workers, names...)
	clients := make([]*egainv1alpha1.EgainClient, tenants)
	for i, f := range fixtures {
		clients[i] = f.client("sync")
	}
	for round := range rounds {
		request := fmt.Sprintf("round-%d", round)
		for i, f := range fixtures {
			f.update(clients[i], func() { clients[i].Annotations = map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: request} })
		}
		for i, f := range fixtures {
			f.eventually(func(g gomega.Gomega) {
				g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(clients[i]), clients[i])).To(gomega.Succeed())
				g.Expect(clients[i].Status.LastHandledRenewal).To(gomega.Equal(request))
			})
			f.Expect(sim.Introspect(f.value("sync", "access_token")).ClientID).To(gomega.Equal(clientID(i)))
		}
	}
}

func clientID(i int) string { return fmt.Sprintf("client-%d", i) }
