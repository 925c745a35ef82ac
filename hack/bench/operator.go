package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

const mebibyte = 1 << 20

// operator is the operator's binary as a process, with its default flags except for what this machine makes necessary.
type operator struct {
	*stage.Operator
	world   *world
	pid     int
	log     string
	profile string
	began   time.Time
}

// operate starts an operator, with more variables in its environment if given. It trusts the providers as it would trust a
// public CA, without a CA bundle to read.
func (w *world) operate(ctx context.Context, environment ...string) (*operator, error) {
	w.started++
	o := &operator{world: w, log: stage.LogFile(w.logs, fmt.Sprintf("%s-operator-%d", w.current, w.started))}
	var err error
	if o.profile, err = controlplane.FreeAddress(ctx); err != nil {
		return nil, err
	}
	command := slices.Concat([]string{"env", "SSL_CERT_FILE=" + w.trusted}, environment, []string{filepath.Join(w.binaries, "egain-operator")})
	o.Operator, err = stage.NewOperator(ctx, command, o.log, w.kubeconfig, w.account.Namespace,
		"--metrics-secure=false", "--pprof-bind-address="+o.profile)
	if err != nil {
		return nil, err
	}
	w.operators = append(w.operators, o)
	o.began = time.Now()
	if err := o.Start(ctx); err != nil {
		return nil, err
	}
	o.pid, _ = o.State()
	return o, nil
}

// working reports whether the operator has said that its caches are in sync and its workers start.
func (o *operator) working() (bool, error) {
	content, err := os.ReadFile(o.log)
	if err != nil {
		return false, fmt.Errorf("reading the operator's log: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		var entry struct{ Msg, Controller string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "Starting workers" && entry.Controller == "egainclient" {
			return true, nil
		}
	}
	return false, nil
}

// awaitWorking waits until the operator's workers have started. It looks ten times a second.
func (o *operator) awaitWorking(ctx context.Context) error {
	return stage.Await(ctx, patience, "having the caches in sync", func(context.Context) (bool, error) { return o.working() })
}

// get asks the operator for a page.
func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := (&http.Client{Timeout: 2 * time.Minute}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// metrics are the operator's, in Prometheus' text format.
func (o *operator) metrics(ctx context.Context) (string, error) {
	return get(ctx, "http://"+o.Metrics+"/metrics")
}

// heap is how many bytes are live on the operator's heap, after a collection.
func (o *operator) heap(ctx context.Context) (float64, error) {
	page, err := get(ctx, "http://"+o.profile+"/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, fmt.Errorf("asking for the heap: %w", err)
	}
	for line := range strings.Lines(page) {
		if value, found := strings.CutPrefix(line, "# HeapAlloc = "); found {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the heap profile does not tell its size")
}

// save writes a profile to the directory of profiles, if there is one.
func (o *operator) save(ctx context.Context, kind, name string) error {
	if o.world.profiles == "" {
		return nil
	}
	page, err := get(ctx, "http://"+o.profile+"/debug/pprof/"+kind)
	if err != nil {
		return fmt.Errorf("asking for the profile %s: %w", kind, err)
	}
	return os.WriteFile(filepath.Join(o.world.profiles, name+".pprof"), []byte(page), 0o600)
}

// usage is what a process has used so far.
type usage struct {
	// cpu in seconds; resident, peak and anonymous in bytes. Anonymous is what is not a page of the binary's file, which the
	// kernel may take back at any time.
	cpu, resident, peak, anonymous float64
}

func used(pid int) (usage, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return usage{}, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	stat, err := process.Stat()
	if err != nil {
		return usage{}, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	status, err := process.NewStatus()
	if err != nil {
		return usage{}, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	return usage{cpu: stat.CPUTime(), resident: float64(status.VmRSS), peak: float64(status.VmHWM), anonymous: float64(status.RssAnon)}, nil
}

func (o *operator) used() (usage, error) { return used(o.pid) }

// quiet waits until the operator has nothing to do: it uses less than 3 % of a processor for two seconds.
func (o *operator) quiet(ctx context.Context) error {
	return atRest(ctx, "the operator", 0.03, func() (float64, error) {
		u, err := o.used()
		return u.cpu, err
	})
}

// atRest waits until something takes less than a share of a core for two seconds.
func atRest(ctx context.Context, what string, share float64, cpu func() (float64, error)) error {
	const spell = 2 * time.Second
	until := time.Now().Add(patience)
	before, err := cpu()
	for err == nil {
		if err := pause(ctx, spell); err != nil {
			return err
		}
		var now float64
		if now, err = cpu(); err == nil && now-before < share*spell.Seconds() {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("%s did not come to rest in %s", what, patience)
		}
		before = now
	}
	return err
}
