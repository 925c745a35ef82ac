package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// errUnproven is returned after the reasons for it were printed.
var errUnproven = errors.New("not everything could be shown")

const (
	// wantedRotations are before the operator is killed for the first time; each kill takes another.
	wantedRotations = 1
	// restful is the life of the tokens that the last checks are made with: nothing is due meanwhile.
	restful = time.Hour
	// quiet is how long nothing may happen after a restart.
	quiet = 5 * time.Second
	// firstLimit and repairLimit bound what takes less than a second unless the machine is busy.
	firstLimit  = 10 * time.Second
	repairLimit = 10 * time.Second
)

// check is something to be shown.
type check struct {
	ok   bool
	text string
}

func (c check) line(p palette) string {
	if c.ok {
		return p.paint(good, "✓") + "  " + c.text
	}
	return p.paint(bad, "✗  "+c.text)
}

// prove shows what -once is for, and fails unless all of it is so.
func (d *demo) prove(ctx context.Context) error {
	d.begin(fmt.Sprintf("waiting for every client to replace its token, %s at most", d.timeout))
	enough := d.showMeanwhile(ctx)
	defer enough()
	lacking, err := d.awaitRotations(ctx)
	if err != nil {
		return err
	}
	if !d.view.live {
		enough() // from here on there is a line per check
	}
	d.conclude(check{len(lacking) == 0, fmt.Sprintf("every client issued a token, replaced it by itself, and had every call accepted (%s after the start)",
		time.Since(d.started).Round(time.Second))})
	if len(lacking) == 0 { // else the rest would only repeat it
		err = d.proveMore(ctx)
	}
	enough()
	if err != nil {
		return err
	}
	return d.sumUp(ctx, lacking)
}

// proveMore makes the checks that need all clients to be well.
func (d *demo) proveMore(ctx context.Context) error {
	for _, next := range []struct {
		what string
		make func(context.Context) (check, error)
	}{
		{"measuring how long first tokens took", d.checkFirst},
		{"reading metrics", d.checkMetrics},
		{"killing the operator between refreshes", d.checkKills},
		{"asking for renewal by annotation", d.checkRenewal},
		{"deleting a target", d.checkRepair},
		{"moving a client to an EgainTenant", d.checkTenantMove},
		{"changing an EgainTenant", d.checkTenantChange},
		{"looking for client secrets", d.checkApplications},
		{"looking at the sessions", d.checkSessions},
		{"counting token requests", d.checkRequests},
		{"killing the operator, and waiting for the next one to lead", d.checkRestart},
		{"looking at all API calls", d.checkCalls},
	} {
		d.begin(next.what)
		c, err := next.make(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", next.what, err)
		}
		d.conclude(c)
	}
	return nil
}

// begin says what is being done.
func (d *demo) begin(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doing = what
}

// conclude adds a check.
func (d *demo) conclude(c check) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checks, d.doing = append(d.checks, c), ""
	if !d.view.live {
		d.view.print(c.line(d.view.palette))
	}
}

// progress is the checks up to now.
func (d *demo) progress() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, c := range d.checks {
		lines = append(lines, c.line(d.view.palette))
	}
	if d.doing != "" {
		lines = append(lines, "…  "+d.doing)
	}
	return lines
}

// showMeanwhile shows the table until the function that it returns is called.
func (d *demo) showMeanwhile(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if _, err := d.show(ctx, func() footer { return footer{more: d.progress()} }); err != nil {
			d.trouble(err)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// sumUp prints the last table and the verdict.
func (d *demo) sumUp(ctx context.Context, lacking []string) error {
	lines, err := d.frame(ctx)
	if err != nil {
		return err
	}
	if d.view.live {
		lines = append(append(lines, d.progress()...), "")
	} else {
		lines = append([]string{""}, lines...)
	}
	unproven := slices.ContainsFunc(d.checks, func(c check) bool { return !c.ok })
	if !unproven {
		d.view.print(append(lines, d.view.palette.paint(good, fmt.Sprintf("All %d checks passed.", len(d.checks))))...)
		return nil
	}
	lines = append(lines, d.view.palette.paint(bad, "Not everything could be shown:"))
	for _, c := range d.checks {
		if !c.ok {
			lines = append(lines, "  - "+c.text)
		}
	}
	for _, what := range lacking {
		lines = append(lines, "    - "+what)
	}
	d.view.print(lines...)
	d.showLogs()
	return errUnproven
}

// awaitRotations waits until nothing is lacking, and returns what is when time is up. There is nothing to wait for after a
// call that failed or an operator that ended: neither goes away.
func (d *demo) awaitRotations(ctx context.Context) ([]string, error) {
	var lacking []string
	err := stage.Await(ctx, d.timeout, "waiting for every client to replace its token", func(ctx context.Context) (bool, error) {
		rows, err := d.rows(ctx)
		if err != nil {
			return false, err
		}
		_, restarts := d.operator.State()
		lacking = whatLacks(rows, restarts)
		return len(lacking) == 0 || anyFailed(rows) || restarts > 0, d.sim.Process.Exited()
	})
	if len(lacking) > 0 && ctx.Err() == nil {
		return lacking, nil
	}
	return nil, err
}

func anyFailed(rows []row) bool {
	return slices.ContainsFunc(rows, func(r row) bool { return r.usage.failed > 0 })
}

// whatLacks says what has not been shown of the clients and of an operator that was restarted so often.
func whatLacks(rows []row, restarts int) []string {
	var lacking []string
	if restarts > 0 {
		lacking = append(lacking, "the operator ended by itself")
	}
	for _, r := range rows {
		if what := r.lacks(); what != "" {
			lacking = append(lacking, r.client+": "+what)
		}
	}
	return lacking
}

// lacks says what has not been shown of a client, the first thing first.
func (r row) lacks() string {
	u := r.usage
	switch {
	case u.tokens == 0 && r.problem != "":
		return "no token, " + r.problem
	case u.tokens == 0:
		return "no token"
	case u.failed > 0:
		return fmt.Sprintf("%d of %d API calls failed, the last with status %d: %s", u.failed, u.ok+u.failed, u.status, u.problem)
	case u.rotations() < wantedRotations:
		return strings.TrimSuffix("no other token yet, "+r.problem, ", ")
	case u.ok == 0:
		return "no API call"
	case !r.ready:
		return "not Ready"
	default:
		return ""
	}
}

// checkFirst measures from the moment before a sample was applied, or a login done, until its token was in a file.
func (d *demo) checkFirst(context.Context) (check, error) {
	var took []time.Duration
	for i, w := range d.workloads {
		took = append(took, w.snapshot().firstAt.Sub(d.samples[i].began))
	}
	slices.Sort(took)
	slowest := took[len(took)-1]
	return check{slowest < firstLimit, fmt.Sprintf("from apply, or login, to a token in a file: median %s, slowest %s",
		took[len(took)/2].Round(time.Millisecond), slowest.Round(time.Millisecond))}, nil
}

// checkMetrics reads the metrics endpoint with and without the right to.
func (d *demo) checkMetrics(ctx context.Context) (check, error) {
	metrics, err := d.scraper.scrape(ctx, d.scraper.authorized)
	if err != nil {
		return check{false, "metrics for a ServiceAccount that may read them: " + err.Error()}, ctx.Err()
	}
	issued := stage.SumSeries(metrics, "egain_token_rotations_total", `result="success"`)
	if !d.scraper.refusesStrangers(ctx) {
		return check{false, "metrics are served to anybody"}, ctx.Err()
	}
	return check{issued > 0, fmt.Sprintf("metrics for a ServiceAccount that may read them (%.0f rotations), 401 for anybody else", issued)}, nil
}

// checkRenewal asks for new tokens by annotation: ones that live so long that all is quiet afterwards.
func (d *demo) checkRenewal(ctx context.Context) (check, error) {
	d.resting.Store(true)
	if err := d.sim.SetLifetime(ctx, "", restful); err != nil {
		return check{}, fmt.Errorf("making tokens live longer: %w", err)
	}
	request := strconv.FormatInt(time.Now().Unix(), 10)
	patch := client.RawPatch("application/merge-patch+json",
		[]byte(`{"metadata":{"annotations":{"`+egainv1alpha1.RenewRequestedAtAnnotation+`":"`+request+`"}}}`))
	for _, s := range d.samples {
		ec := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name}}
		if err := d.cluster.Patch(ctx, ec, patch); err != nil {
			return check{}, fmt.Errorf("annotating EgainClient %s: %w", s, err)
		}
	}
	began := time.Now()
	waiting := 0
	err := stage.Await(ctx, 2*repairLimit, "renewing", func(ctx context.Context) (bool, error) {
		var all egainv1alpha1.EgainClientList
		if err := d.cluster.List(ctx, &all); err != nil {
			return false, err
		}
		waiting = 0
		for i := range all.Items {
			if !renewedFor(&all.Items[i], request) {
				waiting++
			}
		}
		return waiting == 0, nil
	})
	return check{err == nil, fmt.Sprintf("renewed by annotation: %d of %d within %s", len(d.samples)-waiting, len(d.samples), since(began))}, ctx.Err()
}

// renewedFor reports whether a request for renewal was answered with a token that lives long.
func renewedFor(ec *egainv1alpha1.EgainClient, request string) bool {
	tok := ec.Status.Token
	return ec.Status.LastHandledRenewal == request && tok != nil && time.Until(tok.ExpirationTime.Time) > restful/2
}

// checkRepair deletes a target and waits until its workload has the new token. A token that was just issued would be written
// again.
func (d *demo) checkRepair(ctx context.Context) (check, error) {
	s, w := d.samples[0], d.workloads[0]
	select {
	case <-ctx.Done():
		return check{}, ctx.Err()
	case <-time.After(rotation.Floor):
	}
	before := w.snapshot().tokens
	began := time.Now()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.target.Namespace, Name: s.target.Name}}
	if err := d.cluster.Delete(ctx, secret); err != nil {
		return check{}, fmt.Errorf("deleting Secret %s: %w", s.target, err)
	}
	err := stage.Await(ctx, repairLimit, "repairing", func(context.Context) (bool, error) { return w.snapshot().tokens > before, nil })
	return check{err == nil, fmt.Sprintf("deleted target %s: back with a new token within %s", s.target, since(began))}, ctx.Err()
}

func since(t time.Time) time.Duration { return time.Since(t).Round(10 * time.Millisecond) }

// checkRequests compares what the simulator was asked with what the workloads got. A login takes a request too, of the
// plugin, whose token no one gets.
func (d *demo) checkRequests(ctx context.Context) (check, error) {
	stats, err := d.sim.Stats(ctx)
	if err != nil {
		return check{}, fmt.Errorf("counting token requests: %w", err)
	}
	requests, tokens, logins := 0, 0, 0
	var differing []string
	for i, s := range d.samples {
		asked, got := tokenRequests(stats, s.tenantID, s.countedID()), d.workloads[i].snapshot().tokens
		if s.session.Name != "" {
			asked--
			logins++
		}
		requests, tokens = requests+asked, tokens+got
		if asked != got {
			differing = append(differing, fmt.Sprintf("%s %d for %d", s, asked, got))
		}
	}
	text := fmt.Sprintf("one token request per token, for every client: %d requests, %d tokens, plus %d logins", requests, tokens, logins)
	if len(differing) > 0 {
		text += "; not for " + strings.Join(differing, ", ")
	}
	return check{len(differing) == 0 && requests+logins == tokenRequests(stats, "", ""), text}, nil
}

// checkRestart kills the operator and looks at what the next one does, once it leads and has looked at every client and every
// EgainTenant.
func (d *demo) checkRestart(ctx context.Context) (check, error) {
	before, err := d.settled(ctx)
	if err != nil {
		return check{}, err
	}
	began := time.Now()
	if err := d.operator.Kill(); err != nil {
		return check{}, err
	}
	err = stage.Await(ctx, stage.OperatorStart, "restarting the operator", func(ctx context.Context) (bool, error) {
		metrics, err := d.scraper.scrape(ctx, d.scraper.authorized)
		return err == nil && leads(metrics, map[string]int{"egainclient": len(d.samples), "egaintenant": d.tenants}), nil
	})
	if err != nil {
		return check{false, fmt.Sprintf("kill -9 of the operator: %v", err)}, ctx.Err()
	}
	leading := since(began)
	select {
	case <-ctx.Done():
		return check{}, context.Cause(ctx)
	case <-time.After(quiet):
	}
	after, err := d.observe(ctx)
	if err != nil {
		return check{}, err
	}
	return restartCheck(before, after, leading), nil
}

func restartCheck(before, after observation, leading time.Duration) check {
	requests, writes := after.requests-before.requests, changes(before.versions, after.versions)
	text := fmt.Sprintf("kill -9 and restart: %d token requests, %d writes to %d objects (leading again after %s, watched for %s more)",
		requests, len(writes), len(before.versions), leading, quiet)
	if len(writes) > 0 {
		text += ": " + strings.Join(writes, ", ")
	}
	return check{requests == 0 && len(writes) == 0, text}
}

// observation is what a restart must not change.
type observation struct {
	requests int
	// versions are the resourceVersions of the EgainTenants, the samples, and Secrets and events beside them, by kind and name.
	versions map[string]string
}

// settled observes until nothing changes any more: a status is written, and an event sent, just after a token.
func (d *demo) settled(ctx context.Context) (observation, error) {
	before, err := d.observe(ctx)
	if err != nil {
		return before, err
	}
	last := time.Now()
	err = stage.Await(ctx, repairLimit, "coming to rest", func(ctx context.Context) (bool, error) {
		now, err := d.observe(ctx)
		if err != nil {
			return false, err
		}
		if len(changes(before.versions, now.versions)) > 0 || before.requests != now.requests {
			before, last = now, time.Now()
		}
		return time.Since(last) > time.Second, nil
	})
	return before, err
}

func (d *demo) observe(ctx context.Context) (observation, error) {
	stats, err := d.sim.Stats(ctx)
	if err != nil {
		return observation{}, fmt.Errorf("counting token requests: %w", err)
	}
	o := observation{requests: tokenRequests(stats, "", ""), versions: map[string]string{}}
	if err := d.observeKind(ctx, o, "EgainTenant", &egainv1alpha1.EgainTenantList{}, ""); err != nil {
		return o, err
	}
	for _, namespace := range namespacesOf(d.samples) {
		for kind, list := range map[string]client.ObjectList{
			"EgainClient": &egainv1alpha1.EgainClientList{}, "Secret": &corev1.SecretList{}, "Event": &eventsv1.EventList{},
		} {
			if err := d.observeKind(ctx, o, kind, list, namespace); err != nil {
				return o, err
			}
		}
	}
	return o, nil
}

// observeKind adds the objects of a kind to an observation: those of a namespace, or for "" those of the whole cluster.
func (d *demo) observeKind(ctx context.Context, o observation, kind string, list client.ObjectList, namespace string) error {
	if err := d.cluster.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("listing every %s in namespace %q: %w", kind, namespace, err)
	}
	return note(o.versions, kind, list)
}

// note adds the objects of a list to versions.
func note(versions map[string]string, kind string, list client.ObjectList) error {
	err := meta.EachListItem(list, func(o runtime.Object) error {
		object, err := meta.Accessor(o)
		if err == nil {
			versions[kind+" "+path.Join(object.GetNamespace(), object.GetName())] = object.GetResourceVersion()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading every %s: %w", kind, err)
	}
	return nil
}

// changes names what is new, changed or gone.
func changes(before, after map[string]string) []string {
	var changed []string
	for name, version := range after {
		if before[name] != version {
			changed = append(changed, name)
		}
	}
	for name := range before {
		if _, there := after[name]; !there {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

// checkCalls looks at the calls again, now that more happened to the tokens.
func (d *demo) checkCalls(ctx context.Context) (check, error) {
	rows, err := d.rows(ctx)
	if err != nil {
		return check{}, err
	}
	calls, failed := 0, map[string]int{}
	for _, r := range rows {
		calls += r.usage.ok + r.usage.failed
		if r.usage.failed > 0 {
			failed[r.client] = r.usage.failed
		}
	}
	text := fmt.Sprintf("every API call with a mounted token was accepted: %d calls", calls)
	if len(failed) > 0 {
		text += ", failed: " + strings.Join(slices.Sorted(maps.Keys(failed)), ", ")
	}
	return check{len(failed) == 0, text}, nil
}
