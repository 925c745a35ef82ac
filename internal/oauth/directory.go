package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// refetchFloor is how long a failed fetch keeps others from trying again while a copy, however old, is at hand.
	refetchFloor = 30 * time.Second
	// failureFloor is the same while there is no copy: long enough for the many clients of one URL to share a failure.
	failureFloor = time.Second
	// maxDocuments bounds the cache; the least recently fetched documents go first.
	maxDocuments = 4096
)

// Directory keeps the documents of tenants. Clients of one URL share a document; one request per URL is in flight at a time; a
// copy that has outlived its lifetime serves while the server is down, or is being asked. It is safe for concurrent use.
type Directory struct {
	// Now is the clock.
	Now func() time.Time
	// Lifetime is how long a document is used without asking again.
	Lifetime time.Duration

	flights singleflight.Group
	mu      sync.Mutex
	entries map[directoryKey]*entry
}

// directoryKey includes the HTTP client, that is the CA bundle: a document fetched under one client's CA must not reach
// another's.
type directoryKey struct {
	place  Place
	client *http.Client
}

type entry struct {
	document   *Document // nil if it could never be read
	tried      time.Time // when it was last asked for
	tries      int       // how often it was asked for
	err        error     // of the last try
	refreshing bool      // a caller is asking for a newer copy; the others take this one
}

// Read returns the document at a place, from the cache or from the server; all callers share it and must not change it.
// Errors are *fault.Error.
func (d *Directory) Read(ctx context.Context, hc *http.Client, at Place) (*Document, error) {
	key := directoryKey{place: at, client: hc}
	known, serves := d.lookup(key)
	if serves {
		return known.result()
	}
	// The flight outlives the caller that started it, since others wait for it too; hc bounds its time. Who was told to
	// refresh a copy must not join the flight that fetched that copy, so that the try is part of the key.
	flight := d.flights.DoChan(fmt.Sprintf("%p %d %d %s", hc, known.tries, at.Kind, at.URL), func() (any, error) {
		// A flight may have ended between the lookup and this one.
		if e, ok := d.after(key, known); ok {
			return e, nil
		}
		document, err := d.fetch(context.WithoutCancel(ctx), hc, at)
		return d.store(key, document, err), nil
	})
	select {
	case <-ctx.Done():
		return nil, at.Kind.fault(unreachable(ctx.Err(), host(at.URL), false))
	case r := <-flight:
		return r.Val.(entry).result()
	}
}

// Known returns what is known of a document if that serves without a request; false if a request is due.
func (d *Directory) Known(hc *http.Client, at Place) (*Document, error, bool) { //nolint:revive // the error is part of what is known
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[directoryKey{place: at, client: hc}]
	if e == nil || (!e.refreshing && !e.settled(d.Now(), d.Lifetime)) {
		return nil, nil, false
	}
	document, err := e.result()
	return document, err, true
}

// Reader reads documents by an HTTP client.
func (d *Directory) Reader(hc *http.Client) Reader {
	return func(ctx context.Context, at Place) (*Document, error) { return d.Read(ctx, hc, at) }
}

func (e entry) result() (*Document, error) {
	if e.document != nil {
		return e.document, nil
	}
	return nil, e.err
}

// lookup reports whether what is cached serves without asking the server. If it does not, but there is a copy, it is for
// the caller to refresh it.
func (d *Directory) lookup(key directoryKey) (entry, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[key]
	if e == nil {
		return entry{}, false
	}
	if e.refreshing || e.settled(d.Now(), d.Lifetime) {
		return *e, true
	}
	e.refreshing = e.document != nil
	return *e, false
}

// settled reports whether it is too early to ask again.
func (e *entry) settled(now time.Time, lifetime time.Duration) bool {
	switch {
	case e.err == nil:
		return now.Sub(e.document.ReadTime) < lifetime
	case e.document != nil:
		return now.Sub(e.tried) < refetchFloor
	default:
		return now.Sub(e.tried) < failureFloor
	}
}

// after returns what was stored since an earlier state, if anything was.
func (d *Directory) after(key directoryKey, earlier entry) (entry, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[key]
	if e == nil || e.tries == earlier.tries {
		return entry{}, false
	}
	return *e, true
}

func (d *Directory) store(key directoryKey, document *Document, err error) entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.Now()
	e := entry{tried: now, tries: 1, err: err}
	if old := d.entries[key]; old != nil {
		old.refreshing = false
		e.document, e.tries = old.document, old.tries+1
	}
	if err == nil {
		document.ReadTime = now
		e.document = document
	}
	if d.entries == nil {
		d.entries = map[directoryKey]*entry{}
	}
	d.entries[key] = &e
	d.evict()
	return e
}

func (d *Directory) evict() {
	if len(d.entries) <= maxDocuments {
		return
	}
	var oldest directoryKey
	var when time.Time
	for k, e := range d.entries {
		if when.IsZero() || e.tried.Before(when) {
			oldest, when = k, e.tried
		}
	}
	delete(d.entries, oldest)
}

func (d *Directory) fetch(ctx context.Context, hc *http.Client, at Place) (*Document, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.URL, nil)
	if err != nil || req.URL.Host == "" {
		return nil, endpointFault("the URL of the %s is not a URL: correct spec.tenant.metadataURL or EgainTenant.spec.url", at.Kind)
	}
	req.Header.Set("Accept", accepted)
	resp, err := send(hc, req)
	if err != nil {
		return nil, at.Kind.fault(err)
	}
	defer resp.Body.Close() //nolint:errcheck // the body has been read to its end or to an error by then
	if resp.StatusCode != http.StatusOK {
		f := at.Kind.unavailable(req.URL.Host, resp.StatusCode)
		f.RetryAfter = RequestedWait(resp, d.Now())
		return nil, f
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, at.Kind.fault(unreachable(err, req.URL.Host, true))
	}
	return at.parse(body, req.URL.Host)
}

// unavailable is the failure of a document that was answered with a status other than 200.
func (k Kind) unavailable(host string, status int) *fault.Error {
	f := fault.New(fault.Retryable, fault.ReasonMetadataUnavailable, "%s answered HTTP %d for the %s", host, status, k)
	if isServerFailure(status) || status == http.StatusTooManyRequests {
		f.Message += ": the server, or a gateway in front of it, fails or limits requests" // the URL is not to blame
	} else if what := meaning(status); what != "" {
		f.Message = fmt.Sprintf("%s (%s)", f.Message, what)
	}
	return f
}

// meaning is what a status says of a document that anyone may read.
func meaning(status int) string {
	switch {
	case status >= 300 && status < 400:
		return "a redirect, which is not followed"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "it requires a login, which eGain's documents do not"
	case status == http.StatusNotFound:
		return "there is no such document"
	default:
		return ""
	}
}

func (at Place) parse(body []byte, host string) (*Document, error) {
	if at.Kind == DeploymentInfoDocument {
		info, err := ParseDeploymentInfo(body, host)
		return &Document{Deployment: info}, err
	}
	m, err := ParseMetadata(body, at.URL)
	return &Document{Metadata: m}, err
}

// String is what messages call a document of the kind.
func (k Kind) String() string {
	if k == DeploymentInfoDocument {
		return "document /system/deploymentInfo"
	}
	return "metadata document"
}

// fault says of a network failure which document could not be read for it.
func (k Kind) fault(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Class != fault.Retryable || f.Reason != fault.ReasonServerUnavailable {
		return err
	}
	named := fault.New(f.Class, fault.ReasonMetadataUnavailable, "reading the %s: %s", k, f.Message)
	named.RetryAfter = f.RetryAfter
	return named
}
