package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// demo is everything that runs.
type demo struct {
	options
	view *view
	// dir is removed at the end.
	dir     string
	started time.Time

	cluster  *stage.Cluster
	sim      *simulator
	operator *stage.Operator
	provider *identityProvider
	scraper  *scraper
	samples  []sample
	// tenants is how many EgainTenants the samples have.
	tenants   int
	workloads []*workload

	// stops undo what was started, last things first.
	stops []func() error
	// jobs are goroutines that end with jobsCancel.
	jobs       sync.WaitGroup
	jobsCancel context.CancelFunc

	mu       sync.Mutex
	troubles []string
	checks   []check
	doing    string
	// resting keeps the identity provider from writing new tokens.
	resting atomic.Bool
}

func newDemo(o options, out *os.File) (*demo, error) {
	dir, err := os.MkdirTemp("", "egain-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	d := &demo{options: o, view: newView(out), dir: dir, started: time.Now()}
	if d.logs == "" {
		d.logs = dir
	}
	if err := os.MkdirAll(d.logs, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("making the directory of logs: %w", err), os.Remove(dir))
	}
	return d, nil
}

// run runs the demo, and stops all that it started however it ends.
func (d *demo) run(ctx context.Context) (err error) {
	defer func() {
		d.view.leave()
		if err != nil && !errors.Is(err, errUnproven) && ctx.Err() == nil {
			d.showLogs()
		}
		d.view.print("Stopping everything.")
		err = errors.Join(err, d.stop())
	}()
	if err := d.start(ctx); err != nil {
		return d.ending(ctx, err)
	}
	if d.once {
		d.view.print(append(d.about(), "")...)
		return d.ending(ctx, d.prove(ctx))
	}
	return d.watch(ctx)
}

// ending tells an error from the noise of a demo that was told to stop.
func (d *demo) ending(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	return err
}

// stop stops everything in order and removes the directory.
func (d *demo) stop() error {
	if d.jobsCancel != nil {
		d.jobsCancel()
	}
	d.jobs.Wait()
	var errs []error
	for _, stop := range slices.Backward(d.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// showLogs prints how the logs of the programs end.
func (d *demo) showLogs() {
	files := []string{stage.LogFile(d.logs, "egainsim"), stage.LogFile(d.logs, "egain-operator")}
	if d.cluster != nil {
		files = append(files, filepath.Join(d.cluster.Plane.Dir, "kube-controller-manager.log"))
	}
	for _, file := range files {
		if lines := stage.Tail(file, 15); len(lines) > 0 {
			d.view.print(append([]string{"", "The end of " + filepath.Base(file) + ":"}, lines...)...)
		}
	}
}

// background runs a function until the demo stops.
func (d *demo) background(job func()) { d.jobs.Go(job) }

// start starts everything, one step after the other.
func (d *demo) start(ctx context.Context) error {
	jobs, cancel := context.WithCancel(ctx)
	d.jobsCancel = cancel
	for _, step := range []struct {
		what string
		do   func(context.Context) (string, error)
	}{
		{"starting the control plane", d.startCluster},
		{"starting the simulator", d.startSimulator},
		{"starting the operator", d.startOperator},
		{"applying the samples", d.applySamples},
		{"logging people in", d.logIn},
	} {
		began := time.Now()
		done, err := step.do(jobs)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		columns, _ := d.view.size()
		line := fmt.Sprintf("%s  %s  (%s)", d.view.palette.paint(good, "✓"), done, time.Since(began).Round(100*time.Millisecond))
		d.view.print(wrapped(line, columns)...)
	}
	d.view.print("")
	return nil
}

func (d *demo) startCluster(context.Context) (string, error) {
	cluster, err := stage.StartCluster(d.dir)
	if err != nil {
		return "", err
	}
	d.cluster = cluster
	d.stops = append(d.stops, cluster.Plane.Stop)
	return "Kubernetes " + cluster.Version + ": etcd, kube-apiserver and kube-controller-manager", nil
}

func (d *demo) startSimulator(ctx context.Context) (string, error) {
	sim, err := stage.StartSimulator(ctx, filepath.Join(d.binaries, "egainsim"), filepath.Join(d.dir, "simulator.json"),
		stage.LogFile(d.logs, "egainsim"), d.tokenLife)
	if err != nil {
		return "", err
	}
	d.stops = append(d.stops, sim.Process.Stop)
	if d.sim, err = newSimulator(sim); err != nil {
		return "", err
	}
	if err := d.sim.addDeployment(ctx); err != nil {
		return "", err
	}
	customer, err := d.sim.deployed()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("simulated eGain at %s, with a tenant on each platform, and a customer's at %s; tokens live %s",
		sim.Description.LoginURL, customer.URL, span(d.tokenLife)), nil
}

// startOperator installs the operator and runs it by the token of its own ServiceAccount.
func (d *demo) startOperator(ctx context.Context) (string, error) {
	account, err := d.cluster.Install(ctx, "service-account-tokens")
	if err != nil {
		return "", err
	}
	config, err := d.cluster.ActAs(ctx, d.background, account)
	if err != nil {
		return "", err
	}
	kubeconfig := filepath.Join(d.dir, "operator.kubeconfig")
	if err := controlplane.WriteKubeconfig(kubeconfig, config); err != nil {
		return "", err
	}
	d.operator, err = stage.NewOperator(ctx, []string{filepath.Join(d.binaries, "egain-operator")}, stage.LogFile(d.logs, "egain-operator"),
		kubeconfig, account.Namespace, "--application-namespaces="+platformNamespace)
	if err != nil {
		return "", err
	}
	d.stops = append(d.stops, d.operator.Stop)
	if err := d.operator.Start(ctx); err != nil {
		return "", err
	}
	d.background(func() { d.operator.Supervise(ctx, d.trouble) })
	return fmt.Sprintf("operator, installed from config/default, as ServiceAccount %s", account),
		d.startScraper(ctx, account.Namespace)
}

func (d *demo) startScraper(ctx context.Context, namespace string) error {
	account := types.NamespacedName{Namespace: namespace, Name: "demo-scraper"}
	if err := allowScraper(ctx, d.cluster, account); err != nil {
		return err
	}
	config, err := d.cluster.ActAs(ctx, d.background, account)
	if err != nil {
		return err
	}
	d.scraper, err = newScraper(d.operator.Metrics, config.BearerTokenFile)
	return err
}

// applySamples makes what the samples need and the workloads that use them, and then applies the samples, all at once.
func (d *demo) applySamples(ctx context.Context) (string, error) {
	var err error
	// Its tokens are replaced after a quarter of their life, so that none expires while this rests.
	if d.provider, err = newIdentityProvider(4 * d.tokenLife); err != nil {
		return "", err
	}
	all, others, err := samples(d.sim)
	if err != nil {
		return "", err
	}
	d.samples = all
	if err := d.prepare(ctx, others); err != nil {
		return "", err
	}
	if err := d.startWorkloads(ctx); err != nil {
		return "", err
	}
	for i := range d.samples {
		d.samples[i].began = time.Now()
		if err := controlplane.Apply(ctx, d.cluster, d.samples[i].manifest); err != nil {
			return "", err
		}
	}
	d.background(func() { d.refreshSubject(ctx) })
	for _, other := range others {
		if other.GetKind() == "EgainTenant" {
			d.tenants++
		}
	}
	return fmt.Sprintf("%d EgainTenants, %d EgainClients in %d namespaces", d.tenants, len(all), len(namespacesOf(all))), nil
}

// startWorkloads starts a workload for each sample, and the mirror that gives them their files.
func (d *demo) startWorkloads(ctx context.Context) error {
	account := types.NamespacedName{Namespace: corev1.NamespaceDefault, Name: "demo-mirror"}
	if err := allowMirror(ctx, d.cluster, account, d.samples); err != nil {
		return err
	}
	config, err := d.cluster.ActAs(ctx, d.background, account)
	if err != nil {
		return err
	}
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making the mirror's client: %w", err)
	}
	m := &mirror{client: clientset, trouble: d.trouble}
	for _, s := range d.samples {
		w, err := newWorkload(s, filepath.Join(d.dir, "volumes"), d.sim.http)
		if err != nil {
			return err
		}
		d.workloads = append(d.workloads, w)
		d.background(func() { m.follow(ctx, w) })
		d.background(func() { w.work(ctx) })
	}
	return nil
}

// refreshSubject plays the agent that keeps the company's token fresh.
func (d *demo) refreshSubject(ctx context.Context) {
	stage.Every(ctx, d.provider.life/4, func() {
		if d.resting.Load() {
			return
		}
		if err := d.provider.write(ctx, d.cluster, subjectSecret, subjectSecretKey); err != nil && ctx.Err() == nil {
			d.trouble(fmt.Errorf("refreshing the company's token: %w", err))
		}
	})
}

// trouble notes what went wrong in the demo itself.
func (d *demo) trouble(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.troubles = append(d.troubles, err.Error())
}
