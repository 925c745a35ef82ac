package controllers

import (
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/caching"
	"github.com/egain-operator/egain-operator/internal/gate"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// Settings are what an administrator decides.
type Settings struct {
	// Workers is how many EgainClients are reconciled at a time, and how many requests are sent at a time.
	Workers int
	// MetadataLifetime is how long a document is used without asking for it again.
	MetadataLifetime time.Duration
	// RequireTenantRef refuses tenants that an EgainClient describes itself.
	RequireTenantRef bool
	// AllowedAudiences are the audiences that ServiceAccount tokens may be minted for; none if empty.
	AllowedAudiences []string
	// Namespaces that the operator works in; all if empty.
	Namespaces []string
	// RequireApplication sends nothing of the Secrets of an EgainClient's namespace but of those that are labelled for it.
	RequireApplication bool
	// ApplicationNamespaces are those that credentials of applications are read in; none if empty.
	ApplicationNamespaces []string
	// RequestsPerHost bounds the requests to one host at a time.
	RequestsPerHost int
	// Transport is how requests leave the operator.
	Transport transport.Options
}

// New makes the reconcilers, which share what reaches providers. This is the only place that does.
func New(p Parts, s Settings, ownToken func() (oauth.Secret, error)) (*EgainClientReconciler, *EgainTenantReconciler) {
	now := p.Clock.Now
	if s.RequireTenantRef {
		s.Transport.Unnamed = request.TenantRefRequired()
	}
	woken := &wakeups{}
	p.Providers = &provider.Access{
		API:       secrets{p.Client},
		Directory: &oauth.Directory{Now: now, Lifetime: s.MetadataLifetime},
		Transport: transport.New(s.Transport),
		Gate:      gate.New(gate.Options{Now: now, Wake: woken.wake, Judge: provider.Judge, Total: s.Workers, PerHost: s.RequestsPerHost}),
		Metrics:   p.Metrics,
		Tracer:    p.Tracer,
	}
	reader := &request.Reader{
		API: secrets{p.Client}, Cache: clients{p.Cache}, Now: now, OwnToken: ownToken,
		Audiences: s.AllowedAudiences, ApplicationNamespaces: s.ApplicationNamespaces, LabelledOnly: s.RequireApplication,
	}
	return &EgainClientReconciler{
		Parts:      p,
		Tokens:     &provider.Requester{Access: p.Providers, Reader: reader, OAuth: &oauth.Client{Now: now}, Now: now},
		Workers:    s.Workers,
		started:    sync.OnceValue(now),
		Namespaces: s.Namespaces,
		wakeups:    woken,
	}, &EgainTenantReconciler{Parts: p, Reader: reader, wakeups: woken}
}

// cacheOptions keep the caches small and free of secrets: Secrets and ConfigMaps are watched as metadata.
func cacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}:             {Transform: caching.Secret},
			&corev1.ConfigMap{}:          {Transform: caching.ConfigMap},
			&corev1.Namespace{}:          {Transform: caching.Namespace},
			&egainv1alpha1.EgainClient{}: {Transform: caching.Client},
			&egainv1alpha1.EgainTenant{}: {Transform: caching.Tenant},
		},
	}
}

// clientOptions have Secrets and ConfigMaps read live.
func clientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}}
}

// ManagerOptions are those of the manager of the reconcilers, as far as they depend on them. It may read some namespaces only, all if
// none are given, and for the Secrets of applications others as well.
func ManagerOptions(namespaces, applications []string) ctrl.Options {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(egainv1alpha1.AddToScheme(scheme))
	o := ctrl.Options{Scheme: scheme, Cache: cacheOptions(), Client: clientOptions()}
	if len(namespaces) == 0 {
		return o
	}
	o.Cache.DefaultNamespaces = within(namespaces)
	for object, options := range o.Cache.ByObject {
		if _, is := object.(*corev1.Secret); is {
			options.Namespaces = within(slices.Concat(namespaces, applications))
			o.Cache.ByObject[object] = options
		}
	}
	return o
}

func within(namespaces []string) map[string]cache.Config {
	all := map[string]cache.Config{}
	for _, namespace := range namespaces {
		all[namespace] = cache.Config{}
	}
	return all
}
