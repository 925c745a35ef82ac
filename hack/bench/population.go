package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

const (
	// writers create objects at a time, of which the API server of two cores takes no more per second with more.
	writers = 16
	// namespaces of a population.
	namespaces = 20
	scope      = "knowledge.portalmgr.manage"
)

// population are EgainClients with a credentials Secret each, evenly on some namespaces.
type population struct {
	prefix  string
	clients []*egainv1alpha1.EgainClient
}

// populate describes n clients; the provider of each is chosen by its number. Names tell populations apart.
func (w *world) populate(prefix string, n int, provider func(int) *stage.Simulator) *population {
	p := &population{prefix: w.current + "-" + prefix}
	for i := range n {
		ec := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{
			Namespace: p.namespace(i), Name: fmt.Sprintf("client-%06d", i),
		}}
		urls := provider(i).Description.Tenants[0].TokenURLs
		ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(urls[egainsim.Client])}
		ec.Spec.CredentialsSecretRef = &egainv1alpha1.CredentialsSecretReference{Name: egainv1alpha1.SecretName(ec.Name + "-app")}
		ec.Spec.Scopes = []egainv1alpha1.Scope{scope}
		ec.Spec.Target.SecretName = egainv1alpha1.SecretName(ec.Name + "-token")
		p.clients = append(p.clients, ec)
	}
	return p
}

// first has every client at the first provider.
func (w *world) first(int) *stage.Simulator { return w.providers[0] }

func (p *population) namespace(i int) string {
	return fmt.Sprintf("%s-%02d", p.prefix, i%namespaces)
}

func credentials(ec *egainv1alpha1.EgainClient) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ec.Namespace, Name: string(ec.Spec.CredentialsSecretRef.Name)},
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{"client_id": []byte(egainsim.RigelClientID), "client_secret": []byte(egainsim.RigelClientSecret)},
	}
}

// each does something to every client, some at a time.
func (p *population) each(ctx context.Context, concurrency int, do func(context.Context, *egainv1alpha1.EgainClient) error) error {
	some, ctx := errgroup.WithContext(ctx)
	some.SetLimit(concurrency)
	for _, ec := range p.clients {
		some.Go(func() error { return do(ctx, ec) })
	}
	return some.Wait()
}

// prepare creates the namespaces.
func (w *world) prepare(ctx context.Context, p *population) error {
	for i := range namespaces {
		if err := w.cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.namespace(i)}}); err != nil {
			return fmt.Errorf("creating namespace %s: %w", p.namespace(i), err)
		}
		w.used = append(w.used, p.namespace(i))
	}
	return nil
}

// createCredentials creates the credentials of a client.
func (w *world) createCredentials(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	return w.create(ctx, credentials(ec))
}

// createClient creates an EgainClient, which is then as the API server has it.
func (w *world) createClient(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	return w.create(ctx, ec)
}

func (w *world) create(ctx context.Context, object client.Object) error {
	if err := w.cluster.Create(ctx, object); err != nil {
		return fmt.Errorf("creating %s: %w", client.ObjectKeyFromObject(object), err)
	}
	return nil
}

// apply creates everything.
func (w *world) apply(ctx context.Context, p *population) error {
	return errors.Join(w.prepare(ctx, p), p.each(ctx, writers, w.createCredentials), p.each(ctx, writers, w.createClient))
}

// refresh reads the clients as they are.
func (w *world) refresh(ctx context.Context, p *population) error {
	at := map[client.ObjectKey]int{}
	for i, ec := range p.clients {
		at[client.ObjectKeyFromObject(ec)] = i
	}
	for i := range namespaces {
		var list egainv1alpha1.EgainClientList
		if err := w.cluster.List(ctx, &list, client.InNamespace(p.namespace(i))); err != nil {
			return fmt.Errorf("listing EgainClients: %w", err)
		}
		for j := range list.Items {
			if i, ours := at[client.ObjectKeyFromObject(&list.Items[j])]; ours {
				p.clients[i] = &list.Items[j]
			}
		}
	}
	return nil
}

// awaitReady waits until every client is Ready. It counts tokens first, since listing clients costs the API server what is to
// be measured.
func (w *world) awaitReady(ctx context.Context, p *population) error {
	if err := w.awaitTokens(ctx, 0, len(p.clients)); err != nil {
		return err
	}
	return stage.Await(ctx, patience, "becoming Ready", func(ctx context.Context) (bool, error) {
		ready, err := w.ready(ctx, p)
		return ready == len(p.clients), err
	})
}

// ready is how many clients are Ready.
func (w *world) ready(ctx context.Context, p *population) (int, error) {
	if err := w.refresh(ctx, p); err != nil {
		return 0, err
	}
	ready := 0
	for _, ec := range p.clients {
		if meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady) {
			ready++
		}
	}
	return ready, nil
}
