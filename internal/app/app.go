// Package app builds the operator from its options, and runs it. It is the one place where all objects meet.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/egain-operator/egain-operator/controllers"
	"github.com/egain-operator/egain-operator/internal/election"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/options"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/tracing"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// leaseRetryPeriod is after how long the leader renews its Lease, and 2.2 times that, at most, after how long a standby looks at
// it. With the Lease's 15 seconds, the default, a standby takes over within 19.4 seconds of the death of a leader: it may be 2.2
// late in noticing the last renewal, and as late in noticing that it has expired. Tokens of a minute are renewed when 20 seconds
// or more are left, which a default of 2 seconds would exceed by 3.8.
const leaseRetryPeriod = time.Second

// sessionsTimeout bounds the last attempt to write refresh tokens. It is part of the termination grace period.
const sessionsTimeout = 5 * time.Second

// Run runs the operator on a cluster until the context ends.
func Run(ctx context.Context, config *rest.Config, o *options.Options) error {
	// The API server's priority and fairness limits us; a limit of our own would only add to it.
	config.QPS = -1
	// Each event of a watch would be compressed by itself, which costs both sides more than it saves the network.
	// kube-controller-manager and kube-scheduler do the same.
	config.DisableCompression = true
	tracer, stopTracing, err := tracing.Start(ctx, os.Getenv)
	if err != nil {
		return err
	}
	defer stopTracing()
	counters := metrics.New(ctrlmetrics.Registry)
	whole := *o
	if len(o.ApplicationNamespaces) == 0 {
		whole.ApplicationNamespaces = ownNamespace(ownNamespaceFile)
	}
	if len(o.WatchNamespaces) == 0 {
		return serve(ctx, config, &whole, healthz.Ping, counters, tracer)
	}
	watched, err := newNamespaces(config, &whole, counters)
	if err != nil {
		return err
	}
	for {
		run, names, applications := watched.use(ctx)
		part, readable := whole, healthz.Ping
		part.WatchNamespaces, part.ApplicationNamespaces = names, applications
		if len(names) == 0 {
			part.WatchNamespaces, readable = whole.WatchNamespaces, noneReadable
		}
		if err := serve(run, config, &part, readable, counters, tracer); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// noneReadable is the readiness of a run that reads none of its namespaces. Its caches say nothing of that: listing EgainClients is
// allowed in all namespaces, for the sake of those that are being deleted.
func noneReadable(*http.Request) error {
	return errors.New("the operator cannot read any namespace of --watch-namespaces")
}

// serve runs a manager until the context ends. It is ready when its caches are filled and readable returns no error.
func serve(ctx context.Context, config *rest.Config, o *options.Options, readable healthz.Checker, counters *metrics.Metrics, tracer trace.Tracer) error {
	mgr, err := newManager(ctx, config, o)
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	clients, err := setup(ctx, mgr, o, counters, tracer)
	if err != nil {
		return err
	}
	filled := &onceFilled{}
	objects := counters.Objects(controllers.Observed(ctx, mgr.GetCache(), clients.Providers.Gate), o.MetricsPerObject)
	filled.then = func() { ctrlmetrics.Registry.MustRegister(objects) }
	defer ctrlmetrics.Registry.Unregister(objects)
	if err := mgr.Add(filled); err != nil {
		return fmt.Errorf("adding what follows the caches: %w", err)
	}
	if err := mgr.AddReadyzCheck("caches", filled.check); err != nil {
		return fmt.Errorf("adding the readiness check: %w", err)
	}
	if err := mgr.AddReadyzCheck("namespaces", readable); err != nil {
		return fmt.Errorf("adding the readiness check: %w", err)
	}
	err = mgr.Start(ctx)
	// Only now no reconcile is under way.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionsTimeout)
	defer cancel()
	clients.WriteHeldSessions(ctrl.LoggerInto(last, mgr.GetLogger()))
	return err
}

// onceFilled is started when the caches are filled, on every replica. Metrics that are read from the caches are registered then:
// reading a cache that does not fill blocks, and a scrape with it.
type onceFilled struct {
	filled atomic.Bool
	then   func()
}

// Start is that of manager.Runnable.
func (f *onceFilled) Start(context.Context) error {
	f.filled.Store(true)
	f.then()
	return nil
}

// NeedLeaderElection is that of manager.LeaderElectionRunnable.
func (f *onceFilled) NeedLeaderElection() bool { return false }

func (f *onceFilled) check(*http.Request) error {
	if !f.filled.Load() {
		return errors.New("the caches are not filled yet")
	}
	return nil
}

// endingCache is a cache that is not waited for after the end of a run. A manager whose context ends before its caches are
// filled would wait for them on a busy processor, and never end (controller-runtime v0.25.2, pkg/manager/runnable_group.go).
type endingCache struct {
	cache.Cache
	ended <-chan struct{}
}

// WaitForCacheSync is that of cache.Informers. It returns true as soon as the run ends.
func (c endingCache) WaitForCacheSync(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	filled := make(chan bool, 1)
	go func() { filled <- c.Cache.WaitForCacheSync(ctx) }()
	select {
	case is := <-filled:
		return is
	case <-c.ended:
		return true
	}
}

func newManager(ctx context.Context, config *rest.Config, o *options.Options) (ctrl.Manager, error) {
	managerOptions := managerOptions(o)
	managerOptions.NewCache = func(config *rest.Config, with cache.Options) (cache.Cache, error) {
		c, err := cache.New(config, with)
		return endingCache{c, ctx.Done()}, err
	}
	if !o.LeaderElect {
		return ctrl.NewManager(config, managerOptions)
	}
	lock, err := election.Lock(config, o.LeaderElectionNamespace)
	if err != nil {
		return nil, err
	}
	managerOptions.LeaderElectionResourceLockInterface = lock
	mgr, err := ctrl.NewManager(config, managerOptions)
	if err != nil {
		return nil, err
	}
	lock.LockConfig.EventRecorder = mgr.GetEventRecorderFor(lock.Identity()) //nolint:staticcheck // Leader election knows no other.
	return mgr, nil
}

func managerOptions(o *options.Options) ctrl.Options {
	m := controllers.ManagerOptions(o.WatchNamespaces, o.ApplicationNamespaces)
	m.Metrics = metricsserver.Options{BindAddress: o.MetricsAddress, SecureServing: o.MetricsSecure}
	if o.MetricsSecure {
		m.Metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	// Some 300,000 objects may be to read, from an API server that has more to do: after its default, 2 minutes, the process
	// would end, and restart forever.
	m.Controller = ctrlconfig.Controller{CacheSyncTimeout: 15 * time.Minute, SkipNameValidation: new(true)} // names: of an earlier run
	// A rotation in flight is finished before the Lease is given up and the process ends.
	m.GracefulShutdownTimeout = new(controllers.ActTimeout + 5*time.Second)
	m.HealthProbeBindAddress, m.PprofBindAddress = o.HealthAddress, o.ProfileAddress
	m.LeaderElection, m.LeaderElectionID, m.LeaderElectionReleaseOnCancel = o.LeaderElect, election.LeaseName, true
	m.RenewDeadline, m.RetryPeriod = new(election.RenewDeadline), new(leaseRetryPeriod)
	return m
}

// setup registers the reconcilers and the check of health. It returns the reconciler of EgainClients.
func setup(ctx context.Context, mgr ctrl.Manager, o *options.Options, counters *metrics.Metrics, tracer trace.Tracer) (*controllers.EgainClientReconciler, error) {
	parts := controllers.Parts{
		Client: mgr.GetClient(), Cache: mgr.GetCache(), Clock: clock.RealClock{},
		Recorder: mgr.GetEventRecorder(target.Manager), Metrics: counters, Tracer: tracer,
	}
	clients, tenants := controllers.New(parts, settings(o), request.OwnToken(mgr.GetConfig()))
	if err := clients.SetupWithManager(ctx, mgr); err != nil {
		return nil, fmt.Errorf("setting up the controller of EgainClients: %w", err)
	}
	if err := tenants.SetupWithManager(mgr); err != nil {
		return nil, fmt.Errorf("setting up the controller of EgainTenants: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the health check: %w", err)
	}
	return clients, nil
}

func settings(o *options.Options) controllers.Settings {
	return controllers.Settings{
		Workers: o.Workers, MetadataLifetime: o.MetadataLifetime, RequireTenantRef: o.RequiresTenantRef(), Namespaces: o.WatchNamespaces,
		AllowedAudiences: o.AllowedAudiences, ApplicationNamespaces: o.ApplicationNamespaces, RequireApplication: o.RequireApplication,
		RequestsPerHost: o.RequestsPerHost, Transport: transport.Options{
			UserAgent: transport.UserAgent("egain-operator"),
			Timeout:   o.RequestTimeout, AllowLoopback: o.AllowLoopback, AllowPrivate: o.AllowPrivate, AllowedHosts: o.AllowedHosts,
		},
	}
}
