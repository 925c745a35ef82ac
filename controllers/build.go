package controllers

import (
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/caching"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/provider"
	"github.com/egain-operator/egain-operator/internal/request"
)

// Parts are what both reconcilers work with.
type Parts struct {
	// Client reads Secrets and ConfigMaps live, the kinds of the API from the cache, and writes.
	Client client.Client
	// Cache holds the kinds of the API, and the metadata of Secrets and ConfigMaps.
	Cache client.Reader
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder sends events.
	Recorder events.EventRecorder
	// Metrics counts.
	Metrics *metrics.Metrics
	// Tracer traces reconciles; nil for none.
	Tracer trace.Tracer
}

// Settings are what an administrator decides.
type Settings struct {
	// Workers is how many EgainClients are reconciled at a time. With 0, requests and probes are not bounded by it.
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
	// Egress shapes requests to providers. Its clock and total are set here.
	Egress egress.Options
}

// workersPerProbe leaves most workers to endpoints that do not fail: each probe of one that hangs takes one for as long as a
// request may last.
const workersPerProbe = 4

// New makes the reconcilers, which share what reaches providers. This is the only place that does.
func New(p Parts, s Settings, ownToken func() (oauth.Secret, error)) (*EgainClientReconciler, *EgainTenantReconciler) {
	now := p.Clock.Now
	s.Egress.Now, s.Egress.Total = now, s.Workers
	if s.RequireTenantRef {
		s.Egress.Unnamed = request.TenantRefRequired()
	}
	breakers := &egress.Breakers{Now: now}
	if s.Workers > 0 {
		breakers.Probes = max(1, s.Workers/workersPerProbe)
	}
	providers := &provider.Access{
		API:       secrets{p.Client},
		Directory: &oauth.Directory{Now: now, Lifetime: s.MetadataLifetime},
		Egress:    egress.New(s.Egress),
		Breakers:  breakers,
		Tracer:    p.Tracer,
	}
	reconciler := &EgainClientReconciler{
		Parts:     p,
		Providers: providers,
		OAuth:     &oauth.Client{Now: now},
		Requests: &request.Reader{
			API: secrets{p.Client}, Cache: clients{p.Cache}, Now: now, OwnToken: ownToken,
			Audiences: s.AllowedAudiences, ApplicationNamespaces: s.ApplicationNamespaces, LabelledOnly: s.RequireApplication,
		},
		Workers:    s.Workers,
		started:    sync.OnceValue(now),
		Namespaces: s.Namespaces,
	}
	return reconciler, &EgainTenantReconciler{Parts: p, Providers: providers}
}

// cacheOptions keep the caches small and free of secrets: Secrets and ConfigMaps are watched as metadata.
func cacheOptions() cache.Options {
	words := &caching.Vocabulary{}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}:             {Transform: words.Secret},
			&corev1.ConfigMap{}:          {Transform: words.ConfigMap},
			&corev1.Namespace{}:          {Transform: words.Namespace},
			&egainv1alpha1.EgainClient{}: {Transform: words.Client},
			&egainv1alpha1.EgainTenant{}: {Transform: caching.Tenant},
		},
	}
}

// clientOptions have Secrets and ConfigMaps read live.
func clientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}}
}

// ManagerOptions are those of the manager of the reconcilers, as far as they depend on them. It may look into some namespaces
// only, into all if none are given, and for the Secrets of applications into others.
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
