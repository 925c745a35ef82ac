package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/egain-operator/egain-operator/hack/chaos/internal/audit"
	"github.com/egain-operator/egain-operator/hack/chaos/internal/report"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// replicas is how many operators run, of which one leads.
const replicas = 2

// harness is everything that runs.
type harness struct {
	options
	out io.Writer
	dir string

	cluster   *stage.Cluster
	secrets   *audit.Secrets
	operators *operators
	// account is the operator's ServiceAccount.
	account types.NamespacedName

	// stops undo what was started, last things first.
	stops      []func() error
	jobs       sync.WaitGroup
	jobsCancel context.CancelFunc

	mu     sync.Mutex
	report report.Report
}

func newHarness(o options, out io.Writer) *harness {
	return &harness{options: o, out: out, report: report.Report{Began: time.Now(), Seed: o.seed, Cores: runtime.NumCPU()}}
}

// run runs the scenarios, and stops all that it started however it ends. It reports whether all of them passed.
func (h *harness) run(ctx context.Context) (passed bool, err error) {
	if h.dir, err = os.MkdirTemp("", "egain-chaos-"); err != nil {
		return false, fmt.Errorf("making a directory: %w", err)
	}
	if h.logs == "" {
		h.logs = h.dir
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	if err := os.MkdirAll(h.logs, 0o700); err != nil {
		return false, fmt.Errorf("making the directory of logs: %w", err)
	}
	if err := h.start(ctx); err != nil {
		return false, err
	}
	h.runAll(ctx)
	h.report.Duration = report.Seconds(time.Since(h.report.Began))
	err = h.publish()
	if ctx.Err() != nil {
		err = errors.Join(fmt.Errorf("stopped: %w", context.Cause(ctx)), err)
	}
	return h.report.Passed(), err
}

// stop stops everything in order and removes the directory.
func (h *harness) stop() error {
	if h.jobsCancel != nil {
		h.jobsCancel()
	}
	h.jobs.Wait()
	var errs []error
	for _, stop := range slices.Backward(h.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(append(errs, os.RemoveAll(h.dir))...)
}

func (h *harness) background(job func()) { h.jobs.Go(job) }

func (h *harness) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, _ = fmt.Fprintf(h.out, "%6.1f  %s\n", time.Since(h.report.Began).Seconds(), fmt.Sprintf(format, args...))
}

func (h *harness) start(ctx context.Context) error {
	jobs, cancel := context.WithCancel(ctx)
	h.jobsCancel = cancel
	cluster, err := stage.StartCluster(h.dir)
	if err != nil {
		return err
	}
	h.cluster = cluster
	h.stops = append(h.stops, cluster.Plane.Stop)
	h.report.Kubernetes = cluster.Version
	if h.account, err = cluster.Install(jobs); err != nil {
		return err
	}
	if err := h.startAuditor(jobs); err != nil {
		return err
	}
	h.operators, err = startOperators(jobs, h)
	if err != nil {
		return err
	}
	h.say("Kubernetes %s and %d operators, one of which leads", cluster.Version, replicas)
	return nil
}

// startAuditor lets the auditor watch Secrets under an account of its own.
func (h *harness) startAuditor(ctx context.Context) error {
	account := types.NamespacedName{Namespace: h.account.Namespace, Name: "chaos-auditor"}
	if err := h.cluster.ServiceAccount(ctx, account); err != nil {
		return err
	}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: account.Name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list", "watch"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	}
	if err := errors.Join(h.cluster.Create(ctx, role), h.cluster.Create(ctx, binding)); err != nil {
		return fmt.Errorf("letting the auditor watch Secrets: %w", err)
	}
	config, err := h.cluster.ActAs(ctx, h.background, account)
	if err != nil {
		return err
	}
	client, err := trusting(config.CAData, "")
	if err != nil {
		return err
	}
	h.secrets = audit.NewSecrets(h.cluster.URL(), config.BearerTokenFile, client)
	h.background(func() { h.secrets.Watch(ctx) })
	err = stage.Await(ctx, settling, "the auditor's first look", func(context.Context) (bool, error) { return h.secrets.Trouble() == nil, nil })
	if err != nil {
		return errors.Join(err, h.secrets.Trouble())
	}
	return nil
}

// trusting makes an HTTP client that trusts a CA, and expects of servers a name if one is given.
func trusting(ca []byte, serverName string) (*http.Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("the CA bundle holds no certificate")
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: serverName},
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
	}}, nil
}

// runAll runs the scenarios: first those that may run beside others, some at a time, then the others, one after the other.
func (h *harness) runAll(ctx context.Context) {
	lanes := make(chan struct{}, h.lanes)
	var beside sync.WaitGroup
	var alone []scenario
	for i, s := range h.scenarios() {
		if s.alone {
			alone = append(alone, s)
			continue
		}
		lanes <- struct{}{}
		beside.Go(func() {
			defer func() { <-lanes }()
			h.runOne(ctx, s, i)
		})
	}
	beside.Wait()
	for i, s := range alone {
		h.runOne(ctx, s, 100+i)
	}
}

func (h *harness) runOne(ctx context.Context, s scenario, number int) {
	if ctx.Err() != nil {
		return
	}
	m, err := h.measure(ctx, s, number)
	if ctx.Err() != nil {
		return // it was stopped, and shows nothing
	}
	line := report.NewLine(s.group, s.name, s.expect, m)
	if err != nil {
		line = report.Failure(s.group, s.name, err)
	}
	h.mu.Lock()
	h.report.Lines = append(h.report.Lines, line)
	h.mu.Unlock()
	verdict := "passed"
	if !line.Passed {
		verdict = fmt.Sprintf("FAILED: %q", line.Reasons)
	}
	h.say("%s: %s", s.title(), verdict)
}

// publish prints the table and writes the report.
func (h *harness) publish() error {
	order := map[string]int{}
	for i, s := range scenarios(h.options) {
		order[s.title()] = i
	}
	slices.SortFunc(h.report.Lines, func(a, b report.Line) int {
		return order[a.Group+": "+a.Scenario] - order[b.Group+": "+b.Scenario]
	})
	_, _ = fmt.Fprintln(h.out)
	if err := h.report.WriteTable(h.out); err != nil {
		return err
	}
	if h.options.report == "" {
		return nil
	}
	file, err := os.Create(filepath.Clean(h.options.report))
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return errors.Join(h.report.WriteJSON(file), file.Close())
}
