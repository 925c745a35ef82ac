// The egain-operator keeps OAuth 2.0 access tokens of eGain tenants fresh in Secrets.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/controllers"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/election"
	"github.com/egain-operator/egain-operator/internal/kubesecret"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/options"
	"github.com/egain-operator/egain-operator/internal/tracing"
)

// leaseRetryPeriod is after how long the leader renews its Lease, and 2.2 times that, at most, after how long a standby looks at
// it. With the Lease's 15 seconds, the default, a standby takes over within 19.4 seconds of the death of a leader: it may be 2.2
// late in noticing the last renewal, and as late in noticing that it has expired. Tokens of a minute are renewed when 20 seconds
// or more are left, which a default of 2 seconds would exceed by 3.8.
const leaseRetryPeriod = time.Second

func main() {
	var o options.Options
	o.BindFlags(flag.CommandLine)
	flag.Parse()
	if err := o.Validate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctrl.SetLogger(zap.New(zap.UseDevMode(o.LogFormat == "console"), zap.Level(o.Level()), zap.StacktraceLevel(zapcore.PanicLevel)))
	if err := run(ctrl.SetupSignalHandler(), &o); err != nil {
		ctrl.Log.Error(err, "Operator stopped")
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options.Options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	// The API server's priority and fairness limits us; a limit of our own would only add to it.
	config.QPS = -1
	// Each event of a watch would be compressed by itself, which costs both sides more than it saves the network.
	// kube-controller-manager and kube-scheduler do the same.
	config.DisableCompression = true
	mgr, err := newManager(config, o)
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	tracer, stopTracing, err := tracing.Start(ctx, os.Getenv)
	if err != nil {
		return err
	}
	defer stopTracing()
	if err := setup(ctx, mgr, o, tracer); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func newManager(config *rest.Config, o *options.Options) (ctrl.Manager, error) {
	managerOptions := managerOptions(o)
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
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(egainv1alpha1.AddToScheme(scheme))
	cacheOptions := controllers.CacheOptions()
	if len(o.WatchNamespaces) > 0 {
		cacheOptions.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range o.WatchNamespaces {
			cacheOptions.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	m := metricsserver.Options{BindAddress: o.MetricsAddress, SecureServing: o.MetricsSecure}
	if o.MetricsSecure {
		m.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	// Some 300,000 objects may be to read, from an API server that has more to do: after its default, 2 minutes, the process
	// would end, and begin anew without end.
	starting := ctrlconfig.Controller{CacheSyncTimeout: 15 * time.Minute}
	// A rotation in flight is finished before the Lease is given up and the process ends.
	grace := controllers.ActTimeout + 5*time.Second
	return ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cacheOptions,
		Controller:                    starting,
		Client:                        controllers.ClientOptions(),
		Metrics:                       m,
		HealthProbeBindAddress:        o.HealthAddress,
		PprofBindAddress:              o.ProfileAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              election.LeaseName,
		LeaderElectionReleaseOnCancel: true,
		RenewDeadline:                 new(election.RenewDeadline),
		RetryPeriod:                   new(leaseRetryPeriod),
		GracefulShutdownTimeout:       &grace,
	}
}

// workersPerProbe leaves most workers to endpoints that do not fail: each probe of one that hangs takes one for as long as a
// request may last.
const workersPerProbe = 4

func setup(ctx context.Context, mgr ctrl.Manager, o *options.Options, tracer trace.Tracer) error {
	m := metrics.New(ctrlmetrics.Registry)
	providers := &controllers.Providers{
		Client:    mgr.GetClient(),
		Directory: &oauth.Directory{Now: clock.RealClock{}.Now, Lifetime: o.MetadataLifetime},
		Egress: egress.New(egress.Options{
			Timeout: o.RequestTimeout, Total: o.Workers, PerHost: o.RequestsPerHost, Now: clock.RealClock{}.Now,
			AllowLoopback: o.AllowLoopback, AllowPrivate: o.AllowPrivate, AllowedHosts: o.AllowedHosts,
		}),
		Breakers: &egress.Breakers{Now: clock.RealClock{}.Now, Probes: max(1, o.Workers/workersPerProbe)},
	}
	reconciler := &controllers.EgainClientReconciler{
		Client:           mgr.GetClient(),
		Cache:            mgr.GetCache(),
		Clock:            clock.RealClock{},
		Recorder:         mgr.GetEventRecorder(kubesecret.Manager),
		OAuth:            &oauth.Client{Now: clock.RealClock{}.Now},
		Providers:        providers,
		Metrics:          m,
		Tracer:           tracer,
		OwnToken:         controllers.OwnToken(mgr.GetConfig()),
		Workers:          o.Workers,
		RequireTenantRef: o.RequireTenantRef,
		Namespaces:       o.WatchNamespaces,
	}
	if err := reconciler.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting up the controller of EgainClients: %w", err)
	}
	tenants := &controllers.EgainTenantReconciler{
		Client:    mgr.GetClient(),
		Cache:     mgr.GetCache(),
		Clock:     clock.RealClock{},
		Recorder:  mgr.GetEventRecorder(kubesecret.Manager),
		Providers: providers,
		Metrics:   m,
		Tracer:    tracer,
	}
	if err := tenants.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the controller of EgainTenants: %w", err)
	}
	m.RegisterObjects(ctrlmetrics.Registry, controllers.Observed(ctx, mgr.GetCache(), providers.Breakers), o.MetricsPerObject)
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the readiness check: %w", err)
	}
	return nil
}
