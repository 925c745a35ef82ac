package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/bench/internal/auditlog"
	"github.com/egain-operator/egain-operator/hack/bench/internal/bareloop"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// etcdQuota has room for a hundred thousand clients with their Secrets, and all versions of them since the last compaction.
const etcdQuota = 8 << 30

// setting is what a measurement takes place in.
type setting struct {
	// tenants each have a host of their own. The default is one.
	tenants int
	// life of the tokens.
	life time.Duration
	// audit has the API server log the operator's requests, which costs it time.
	audit bool
}

// world is a control plane, simulated eGains and a place for operators.
type world struct {
	*harness
	cluster *stage.Cluster
	// clientset is the administrator's, which nothing limits, and speaks protobuf.
	clientset kubernetes.Interface
	// config acts as the operator's ServiceAccount.
	config     *rest.Config
	account    types.NamespacedName
	kubeconfig string
	providers  []*stage.Simulator
	// trusted is a file with the providers' CAs.
	trusted  string
	auditLog string
	started  int
	// operators run, or have run, and used are the namespaces of populations.
	operators []*operator
	used      []string
	// common says that other measurements take place here too.
	common bool

	jobs   sync.WaitGroup
	cancel context.CancelFunc
	stops  []func() error
}

// open sets the stage for a measurement. Whatever it started is stopped by close, also if it fails.
//
// In the small form there is one stage for all of them, since setting it takes longer than what it is set for.
func (h *harness) open(ctx context.Context, s setting) (*world, error) {
	if !h.small {
		return h.build(ctx, s)
	}
	if h.shared == nil {
		var err error
		if h.shared, err = h.build(ctx, setting{tenants: tenants, life: time.Hour, audit: true}); err != nil {
			return h.shared, err
		}
	}
	h.shared.common = true
	for _, sim := range h.shared.providers {
		if err := errors.Join(h.shared.delayed(ctx, sim, h.delay), sim.ClearRecord(ctx)); err != nil {
			return h.shared, err
		}
	}
	return h.shared, h.shared.live(ctx, s.life)
}

func (h *harness) build(ctx context.Context, s setting) (*world, error) {
	w := &world{harness: h}
	jobs, cancel := context.WithCancel(ctx)
	w.cancel = cancel
	dir, err := os.MkdirTemp(h.dir, h.current+"-")
	if err != nil {
		return w, fmt.Errorf("making a directory: %w", err)
	}
	w.stops = append(w.stops, func() error { return os.RemoveAll(dir) })
	plane := []controlplane.Option{controlplane.EtcdQuota(etcdQuota)}
	if s.audit {
		policy := filepath.Join(dir, "audit-policy.json")
		w.auditLog = filepath.Join(dir, "audit.log")
		if err := os.WriteFile(policy, auditlog.Policy(serviceAccount(operatorAccount)), 0o600); err != nil {
			return w, fmt.Errorf("writing the audit policy: %w", err)
		}
		plane = append(plane, controlplane.AuditLog(policy, w.auditLog))
	}
	if w.cluster, err = stage.StartCluster(dir, plane...); err != nil {
		return w, err
	}
	w.stops = append(w.stops, w.cluster.Plane.Stop)
	h.report.Kubernetes = w.cluster.Version
	if err := w.install(jobs, dir); err != nil {
		return w, err
	}
	return w, w.startProviders(ctx, dir, s)
}

// operatorAccount is the ServiceAccount of config/default.
var operatorAccount = types.NamespacedName{Namespace: "egain-operator-system", Name: "egain-operator-controller-manager"}

func serviceAccount(name types.NamespacedName) string {
	return "system:serviceaccount:" + name.Namespace + ":" + name.Name
}

func (w *world) install(ctx context.Context, dir string) error {
	var err error
	if w.account, err = w.cluster.Install(ctx); err != nil {
		return err
	}
	if w.account != operatorAccount {
		return fmt.Errorf("config/default runs as %s, not as %s", w.account, operatorAccount)
	}
	if w.config, err = w.cluster.ActAs(ctx, func(job func()) { w.jobs.Go(job) }, w.account); err != nil {
		return err
	}
	w.kubeconfig = filepath.Join(dir, "operator.kubeconfig")
	if err := controlplane.WriteKubeconfig(w.kubeconfig, w.config); err != nil {
		return err
	}
	admin := rest.CopyConfig(w.cluster.Plane.Config)
	admin.ContentType = "application/vnd.kubernetes.protobuf"
	if w.clientset, err = kubernetes.NewForConfig(admin); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return nil
}

func (w *world) startProviders(ctx context.Context, dir string, s setting) error {
	var bundle []byte
	for i := range max(1, s.tenants) {
		name := fmt.Sprintf("egainsim-%d", i)
		sim, err := stage.StartSimulator(ctx, filepath.Join(w.binaries, "egainsim"), filepath.Join(dir, name+".json"), stage.LogFile(w.logs, name), s.life)
		if err != nil {
			return err
		}
		w.stops = append(w.stops, sim.Process.Stop)
		w.providers = append(w.providers, sim)
		if err := w.delayed(ctx, sim, w.delay); err != nil {
			return err
		}
		bundle = append(bundle, sim.Description.CABundle...)
	}
	w.trusted = filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(w.trusted, bundle, 0o600); err != nil {
		return fmt.Errorf("writing the CA bundle: %w", err)
	}
	return nil
}

// delayed has a provider take its time for each token, and do nothing else amiss.
func (w *world) delayed(ctx context.Context, sim *stage.Simulator, d time.Duration) error {
	if err := sim.ClearFaults(ctx); err != nil {
		return err
	}
	return sim.SetFault(ctx, egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Delay: d})
}

// close stops all that was started, or if others go on here, the operators, and removes the clients.
func (w *world) close(ctx context.Context) error {
	var errs []error
	for _, o := range w.operators {
		errs = append(errs, o.Stop())
	}
	w.operators = nil
	if w.common {
		return errors.Join(append(errs, w.clear(ctx))...)
	}
	w.cancel()
	w.jobs.Wait()
	for _, stop := range slices.Backward(w.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// clear deletes the clients of all populations. Their targets follow.
func (w *world) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	for _, namespace := range w.used {
		errs = append(errs, w.cluster.DeleteAllOf(ctx, &egainv1alpha1.EgainClient{}, client.InNamespace(namespace)))
	}
	w.used = nil
	return errors.Join(errs...)
}

// live sets the life of tokens that are issued from now on.
func (w *world) live(ctx context.Context, life time.Duration) error {
	for _, sim := range w.providers {
		if err := sim.SetLifetime(ctx, "", life); err != nil {
			return err
		}
	}
	return nil
}

// tokens is how many token requests the providers have seen, and how many tokens they issued.
func (w *world) tokens(ctx context.Context) (requests, issued int, err error) {
	for _, sim := range w.providers {
		stats, err := sim.Stats(ctx)
		if err != nil {
			return 0, 0, err
		}
		requests += stats.Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")
		issued += stats.Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.OutcomeOK)
	}
	return requests, issued, nil
}

// bareLoop makes a loop that acts as the operator's ServiceAccount, so that the API server treats both alike.
func (w *world) bareLoop() (*bareloop.Loop, error) {
	bundle, err := os.ReadFile(w.trusted)
	if err != nil {
		return nil, fmt.Errorf("reading the CA bundle: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	return bareloop.New(w.config, &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 256,
	}})
}

// saveServer writes a profile of the API server's CPU, over five seconds, to the directory of profiles, if there is one.
func (w *world) saveServer(ctx context.Context, name string) error {
	if w.profiles == "" {
		return nil
	}
	page, err := w.clientset.Discovery().RESTClient().Get().AbsPath("/debug/pprof/profile").Param("seconds", "5").DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("asking for a profile of the API server: %w", err)
	}
	return os.WriteFile(filepath.Join(w.profiles, name+".pprof"), page, 0o600)
}

// asked counts the operator's requests in a time, by the audit log, except for those that are the same whatever it does: of its
// Lease, with the event that tells who holds it, and the watches that the API server ends every few minutes.
func (w *world) asked(from, to time.Time) (map[auditlog.Call]int, error) {
	file, err := os.Open(w.auditLog)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	calls, err := auditlog.Count(file, from, to)
	for call := range calls {
		if call.Verb == "watch" || call.Resource == "events" || strings.HasPrefix(call.Resource, "leases.") {
			delete(calls, call)
		}
	}
	return calls, err
}
