// Package options has the operator's flags: their names, defaults and bounds.
package options

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/egain-operator/egain-operator/internal/transport"
)

// Options are the settings of the operator.
type Options struct {
	// MetricsAddress is where metrics are served; "0" turns them off.
	MetricsAddress string
	// MetricsSecure serves metrics over TLS to clients that the API server authenticates and authorizes.
	MetricsSecure bool
	// MetricsPerObject exposes series for each EgainClient.
	MetricsPerObject bool
	// HealthAddress is where /healthz and /readyz are served.
	HealthAddress string
	// ProfileAddress is where /debug/pprof is served; "0" turns it off.
	ProfileAddress string
	// LeaderElect lets one of several replicas work at a time.
	LeaderElect bool
	// LeaderElectionNamespace holds the Lease; needed only outside a cluster.
	LeaderElectionNamespace string
	// WatchNamespaces limits the operator to some namespaces; all if empty.
	WatchNamespaces []string
	// Workers is how many EgainClients are reconciled at a time.
	Workers int
	// RequestsPerHost is how many token requests are under way to one host at a time.
	RequestsPerHost int
	// RequestTimeout bounds one request to a provider.
	RequestTimeout time.Duration
	// MetadataLifetime is how long a tenant's metadata document is used without asking again.
	MetadataLifetime time.Duration
	// RequireTenantRef refuses EgainClients that describe their tenant themselves.
	RequireTenantRef bool
	// RequireApplication sends nothing of the Secrets of an EgainClient's namespace but of those that are labelled for it. It implies
	// RequireTenantRef.
	RequireApplication bool
	// ApplicationNamespaces are those that credentials of applications are read in; the pod's if empty.
	ApplicationNamespaces []string
	// AllowedHosts are the hosts that requests to providers may go to; all if empty.
	AllowedHosts transport.Hosts
	// AllowedAudiences are the audiences that ServiceAccount tokens may be minted for; none if empty.
	AllowedAudiences []string
	// AllowPrivate lets endpoints be in private networks.
	AllowPrivate bool
	// AllowLoopback lets endpoints be on this machine.
	AllowLoopback bool
	// LogLevel is debug, info or error.
	LogLevel string
	// LogFormat is json or console.
	LogFormat string
}

// BindFlags registers the flags, with the defaults.
func (o *Options) BindFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8443", "Address to serve metrics on; 0 turns the server off.")
	fs.BoolVar(&o.MetricsSecure, "metrics-secure", true, "Serve metrics over TLS, to clients that the API server authenticates and authorizes.")
	fs.BoolVar(&o.MetricsPerObject, "metrics-per-object", true, "Export expiry and readiness of each EgainClient. Turn it off if that is too many series.")
	fs.StringVar(&o.HealthAddress, "health-probe-bind-address", ":8081", "Address to serve /healthz and /readyz on; 0 turns the server off.")
	fs.StringVar(&o.ProfileAddress, "pprof-bind-address", "0", "Address to serve profiles of CPU and memory on, without authentication; 0 turns the server off.")
	fs.BoolVar(&o.LeaderElect, "leader-elect", true, "Elect a leader, so that only one of several replicas works.")
	fs.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "", "Namespace of the Lease for leader election. Default: the pod's.")
	fs.Func("watch-namespaces", "Comma-separated namespaces to watch. Default: all.", func(s string) error {
		o.WatchNamespaces = split(s)
		return nil
	})
	fs.IntVar(&o.Workers, "workers", 64, "Number of EgainClients reconciled concurrently, 1 to 1024.")
	fs.IntVar(&o.RequestsPerHost, "requests-per-host", 16, "Number of concurrent requests to one host, 1 to 1024. A single host never uses more than half of the free workers.")
	fs.DurationVar(&o.RequestTimeout, "request-timeout", 10*time.Second, "Timeout of a request to a provider, 1s to 1m.")
	fs.DurationVar(&o.MetadataLifetime, "metadata-lifetime", time.Hour, "How long a tenant's metadata document is cached, 1m to 24h.")
	fs.BoolVar(&o.RequireTenantRef, "require-tenant-ref", false, "Refuse EgainClients with spec.tenant: each must name an EgainTenant in spec.tenantRef.")
	fs.BoolVar(&o.RequireApplication, "require-application", false, "Send no content of a Secret in an EgainClient's namespace unless the Secret is labelled auth.egain.com/subject-token: \"true\" or is a session. Implies --require-tenant-ref.")
	fs.Func("application-namespaces", "Comma-separated namespaces that Secrets of EgainTenants' spec.applications may be in. Default: the pod's.", func(s string) error {
		o.ApplicationNamespaces = split(s)
		return nil
	})
	fs.Func("allowed-hosts", "Comma-separated hosts that token, metadata and revocation requests may go to: a name, or *.domain for all names below a domain, with a port unless it is 443. Default: all.", func(s string) (err error) {
		o.AllowedHosts, err = transport.ParseHosts(split(s))
		return err
	})
	fs.Func("allowed-audiences", "Comma-separated audiences that ServiceAccount tokens may be minted for (spec.tokenExchange.subjectToken.serviceAccountToken). There are no wildcards. Default: none.", func(s string) (err error) {
		o.AllowedAudiences, err = audiences(split(s))
		return err
	})
	fs.BoolVar(&o.AllowPrivate, "allow-private", false, "Allow endpoints at private addresses, such as those of an egress gateway or a private link.")
	fs.BoolVar(&o.AllowLoopback, "allow-loopback", false, "Allow endpoints at loopback addresses. For demos and tests.")
	fs.StringVar(&o.LogLevel, "log-level", "info", "Log level: debug, info or error.")
	fs.StringVar(&o.LogFormat, "log-format", "json", "Log format: json or console.")
}

// RequiresTenantRef reports whether EgainClients that describe their tenant themselves are refused.
func (o *Options) RequiresTenantRef() bool { return o.RequireTenantRef || o.RequireApplication }

func split(s string) []string {
	var names []string
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// audiences refuses patterns: an audience that looks like one would match nothing that its author expects.
func audiences(list []string) ([]string, error) {
	for _, audience := range list {
		if strings.Contains(audience, "*") {
			return nil, fmt.Errorf("audience %q contains an asterisk, but there are no wildcards: list each audience", audience)
		}
	}
	return list, nil
}

// Validate reports every setting that is out of bounds.
func (o *Options) Validate() error {
	return errors.Join(
		between("workers", o.Workers, 1, 1024),
		between("requests-per-host", o.RequestsPerHost, 1, 1024),
		between("request-timeout", o.RequestTimeout, time.Second, time.Minute),
		between("metadata-lifetime", o.MetadataLifetime, time.Minute, 24*time.Hour),
		oneOf("log-level", o.LogLevel, "debug", "info", "error"),
		oneOf("log-format", o.LogFormat, "json", "console"),
	)
}

func between[T int | time.Duration](name string, value, low, high T) error {
	if value < low || value > high {
		return fmt.Errorf("--%s is %v: it must be from %v to %v", name, value, low, high)
	}
	return nil
}

func oneOf(name, value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("--%s is %q: it must be one of %s", name, value, strings.Join(allowed, ", "))
	}
	return nil
}

// Level is LogLevel as zap knows it.
func (o *Options) Level() zapcore.Level {
	switch o.LogLevel {
	case "debug":
		return zapcore.DebugLevel
	case "error":
		return zapcore.ErrorLevel
	default:
		return zapcore.InfoLevel
	}
}
