package provider

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// bundles are the CA bundles of a cluster.
type bundles map[types.NamespacedName]string

func (b bundles) Get(context.Context, types.NamespacedName) (*corev1.Secret, error) { panic("unused") }

func (b bundles) ConfigMap(_ context.Context, name types.NamespacedName) (*corev1.ConfigMap, error) {
	return &corev1.ConfigMap{Data: map[string]string{"ca.crt": b[name]}}, nil
}

func trusting(namespace, name string) request.Tenant {
	t := request.Tenant{}
	t.CABundleRef = &egainv1alpha1.NamespacedCABundleReference{
		CABundleReference: egainv1alpha1.CABundleReference{Kind: "ConfigMap", Name: egainv1alpha1.SecretName(name), Key: "ca.crt"},
		Namespace:         egainv1alpha1.NamespaceName(namespace),
	}
	return t
}

func TestTheCABundlesOfANamespaceHaveAShareOfMemory(t *testing.T) {
	t.Parallel()
	sim, err := egainsim.New(egainsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	large := string(sim.CABundle()) + strings.Repeat("# "+strings.Repeat("x", 1021)+"\n", 900)
	for name, edit := range map[string]func(i int) (configMap, version string){
		"one that is edited":             func(i int) (string, string) { return "corp", fmt.Sprint("v", i) },
		"one that is edited unwatched":   func(int) (string, string) { return "corp", "" },
		"one after another":              func(i int) (string, string) { return fmt.Sprint("corp-", i), fmt.Sprint("v", i) },
		"one after another, unversioned": func(i int) (string, string) { return fmt.Sprint("corp-", i), "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := bundles{{Namespace: "quiet", Name: "corp"}: string(sim.CABundle())}
			a := &Access{API: cluster, Transport: transport.New(transport.Options{})}
			quiet, err := a.HTTPClient(t.Context(), trusting("quiet", "corp"), "q0")
			if err != nil {
				t.Fatal(err)
			}
			const edits = 100
			for i := range edits {
				configMap, version := edit(i)
				cluster[types.NamespacedName{Namespace: "loud", Name: configMap}] = large + fmt.Sprintf("# edit %d\n", i)
				if _, err := a.HTTPClient(t.Context(), trusting("loud", configMap), version); err != nil {
					t.Fatal(err)
				}
			}
			if held := a.shares.held("loud"); held > maxShare {
				t.Errorf("the clients of the namespace hold %d bytes of CA bundles", held)
			}
			kept := 0
			for i := range edits {
				if _, version := edit(i); version != "" && a.Transport.Known("", version+" ca.crt") != nil {
					kept++
				}
			}
			if kept > 4 {
				t.Errorf("%d clients are kept", kept)
			}
			if again, err := a.HTTPClient(t.Context(), trusting("quiet", "corp"), "q0"); err != nil || again != quiet {
				t.Errorf("the client of another namespace went: %v", err)
			}
		})
	}
}
