package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

const (
	// callInterval is how often a workload calls the API.
	callInterval = time.Second
	callTimeout  = 5 * time.Second
)

// workload plays a pod that mounts a target and calls eGain's API with what is in the files.
type workload struct {
	client, target types.NamespacedName
	dir            string
	http           *http.Client

	mu    sync.Mutex
	token [sha256.Size]byte
	usage usage
}

// usage is what became of a workload's tokens and calls.
type usage struct {
	// tokens counts the different tokens that were mounted; firstAt and lastAt are when the first and the last one was.
	tokens          int
	firstAt, lastAt time.Time
	// status is that of the last call; 0 if there was no answer or no call yet.
	status, ok, failed int
	// problem is what went wrong with the last call that failed.
	problem string
}

// rotations counts how often a token was replaced.
func (u usage) rotations() int { return max(0, u.tokens-1) }

func newWorkload(s sample, volumes string, client *http.Client) (*workload, error) {
	w := &workload{client: s.NamespacedName, target: s.target, dir: filepath.Join(volumes, s.Namespace, s.Name), http: client}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making a volume: %w", err)
	}
	return w, nil
}

// trusting makes an HTTP client that trusts the simulator's CA.
func trusting(caBundle string) (*http.Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(caBundle)) {
		return nil, errors.New("the simulator's CA bundle holds no certificate")
	}
	return &http.Client{Timeout: callTimeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 32,
	}}, nil
}

// mount replaces the files of the volume.
func (w *workload) mount(data map[string][]byte) error {
	if err := writeVolume(w.dir, data); err != nil {
		return err
	}
	token := data["access_token"]
	if len(token) == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if sum := sha256.Sum256(token); sum != w.token {
		w.token = sum
		w.usage.tokens++
		w.usage.lastAt = time.Now()
		if w.usage.tokens == 1 {
			w.usage.firstAt = w.usage.lastAt
		}
	}
	return nil
}

// snapshot returns the usage up to now.
func (w *workload) snapshot() usage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.usage
}

// work calls the API until the context ends.
func (w *workload) work(ctx context.Context) {
	stage.Repeat(ctx, callInterval, func() {
		status, err := w.call(ctx)
		// Before there is a token there is no call, and a call that the end of the demo cut off is none.
		if ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
			w.count(status, err)
		}
	})
}

// call makes one call with what is mounted, read again as a workload should.
func (w *workload) call(ctx context.Context) (int, error) {
	url, err := w.read("request_url")
	if err != nil {
		return 0, err
	}
	authorization, err := w.read("authorization")
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Authorization", authorization)
	response, err := w.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return response.StatusCode, fmt.Errorf("reading the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return response.StatusCode, errors.New(strings.TrimSpace(string(body)))
	}
	return response.StatusCode, nil
}

func (w *workload) read(key string) (string, error) {
	content, err := os.ReadFile(filepath.Join(w.dir, key)) //nolint:gosec // The keys are constants.
	return string(content), err
}

func (w *workload) count(status int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.usage.status = status
	if err == nil {
		w.usage.ok++
		return
	}
	w.usage.failed++
	w.usage.problem = err.Error()
}
