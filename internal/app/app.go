// Package app builds the operator from its options, and runs it. It is the one place where all objects meet.
package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/trace"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/egain-operator/egain-operator/controllers"
	"github.com/egain-operator/egain-operator/internal/egress"
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
	mgr, err := newManager(config, o)
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	tracer, stopTracing, err := tracing.Start(ctx, os.Getenv)
	if err != nil {
		return err
	}
	defer stopTracing()
	clients, err := setup(ctx, mgr, o, tracer)
	if err != nil {
		return err
	}
	err = mgr.Start(ctx)
	// Only now no reconcile is under way.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionsTimeout)
	defer cancel()
	clients.WriteHeldSessions(ctrl.LoggerInto(last, mgr.GetLogger()))
	return err
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
	m := controllers.ManagerOptions(o.WatchNamespaces...)
	m.Metrics = metricsserver.Options{BindAddress: o.MetricsAddress, SecureServing: o.MetricsSecure}
	if o.MetricsSecure {
		m.Metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	// Some 300,000 objects may be to read, from an API server that has more to do: after its default, 2 minutes, the process
	// would end, and restart forever.
	m.Controller = ctrlconfig.Controller{CacheSyncTimeout: 15 * time.Minute}
	// A rotation in flight is finished before the Lease is given up and the process ends.
	m.GracefulShutdownTimeout = new(controllers.ActTimeout + 5*time.Second)
	m.HealthProbeBindAddress, m.PprofBindAddress = o.HealthAddress, o.ProfileAddress
	m.LeaderElection, m.LeaderElectionID, m.LeaderElectionReleaseOnCancel = o.LeaderElect, election.LeaseName, true
	m.RenewDeadline, m.RetryPeriod = new(election.RenewDeadline), new(leaseRetryPeriod)
	return m
}

// setup registers the reconcilers, the metrics and the checks of health. It returns the reconciler of EgainClients.
func setup(ctx context.Context, mgr ctrl.Manager, o *options.Options, tracer trace.Tracer) (*controllers.EgainClientReconciler, error) {
	parts := controllers.Parts{
		Client: mgr.GetClient(), Cache: mgr.GetCache(), Clock: clock.RealClock{},
		Recorder: mgr.GetEventRecorder(target.Manager), Metrics: metrics.New(ctrlmetrics.Registry), Tracer: tracer,
	}
	clients, tenants := controllers.New(parts, settings(o), request.OwnToken(mgr.GetConfig()))
	if err := clients.SetupWithManager(ctx, mgr); err != nil {
		return nil, fmt.Errorf("setting up the controller of EgainClients: %w", err)
	}
	if err := tenants.SetupWithManager(mgr); err != nil {
		return nil, fmt.Errorf("setting up the controller of EgainTenants: %w", err)
	}
	parts.Metrics.RegisterObjects(ctrlmetrics.Registry, controllers.Observed(ctx, mgr.GetCache(), clients.Providers.Breakers), o.MetricsPerObject)
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the readiness check: %w", err)
	}
	return clients, nil
}

func settings(o *options.Options) controllers.Settings {
	return controllers.Settings{
		Workers: o.Workers, MetadataLifetime: o.MetadataLifetime, RequireTenantRef: o.RequireTenantRef, Namespaces: o.WatchNamespaces,
		AllowedAudiences: o.AllowedAudiences,
		Egress: egress.Options{PerHost: o.RequestsPerHost, Options: transport.Options{
			UserAgent: transport.UserAgent("egain-operator"),
			Timeout:   o.RequestTimeout, AllowLoopback: o.AllowLoopback, AllowPrivate: o.AllowPrivate, AllowedHosts: o.AllowedHosts,
		}},
	}
}
