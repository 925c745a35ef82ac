package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

const shelfLife = time.Hour

// answer is what a site says.
type answer struct {
	status     int
	retryAfter string
	body       io.Reader
	err        error // instead of all that
}

// site serves metadata documents without a network.
type site struct {
	mu    sync.Mutex
	calls int
	says  func(context.Context) answer
}

func (s *site) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.calls++
	says := s.says
	s.mu.Unlock()
	a := says(req.Context())
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{StatusCode: a.status, Header: http.Header{"Retry-After": {a.retryAfter}}, Body: io.NopCloser(a.body)}, nil
}

func (s *site) client() *http.Client { return &http.Client{Transport: s} }

func (s *site) serve(says func(context.Context) answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says = says
}

func (s *site) wantCalls(t *testing.T, want int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls != want {
		t.Errorf("the server was asked %d times, want %d", s.calls, want)
	}
}

// document answers with a document whose token URL has a path that tells it from others.
func document(path string) func(context.Context) answer {
	return text(http.StatusOK, documentText(path))
}

func documentText(path string) string {
	return fmt.Sprintf(`{"token_endpoint":"https://ai.egain.cloud/%s"}`, path)
}

func text(status int, body string) func(context.Context) answer {
	return func(context.Context) answer { return answer{status: status, body: strings.NewReader(body)} }
}

func body(r io.Reader) func(context.Context) answer {
	return func(context.Context) answer { return answer{status: http.StatusOK, body: r} }
}

func fails(err error) func(context.Context) answer {
	return func(context.Context) answer { return answer{err: err} }
}

// hanging answers once it is released, with whatever the next function says.
func hanging(next func(context.Context) answer) (says func(context.Context) answer, release func()) {
	released := make(chan struct{})
	return func(ctx context.Context) answer {
		<-released
		return next(ctx)
	}, func() { close(released) }
}

func newSite(says func(context.Context) answer) *site { return &site{says: says} }

// newDirectory goes by the clock of the bubble that it is made in.
func newDirectory() *Directory { return &Directory{Now: time.Now, Lifetime: shelfLife} }

// read reads a metadata document.
func read(ctx context.Context, d *Directory, hc *http.Client, address string) (*Metadata, error) {
	document, err := d.Read(ctx, hc, Place{URL: address})
	if document == nil {
		return nil, err
	}
	return document.Metadata, err
}

func wantDocument(t *testing.T, m *Metadata, err error, path string) {
	t.Helper()
	if err != nil {
		t.Errorf("got error %v, want the document %q", err, path)
		return
	}
	if want := "https://ai.egain.cloud/" + path; m.Any.TokenURL != want {
		t.Errorf("got the document of %s, want that of %s", m.Any.TokenURL, want)
	}
}

func TestDirectorySharesDocuments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(document("one"))
		hc, d := s.client(), newDirectory()
		for range 3 {
			m, err := read(t.Context(), d, hc, selfServiceURL)
			wantDocument(t, m, err, "one")
		}
		s.wantCalls(t, 1)
		s.serve(document("two"))
		m, err := read(t.Context(), d, hc, selfServiceURL+"?other")
		wantDocument(t, m, err, "two")
		s.wantCalls(t, 2)
	})
}

// A document fetched with the CA of one client must not reach a client that does not trust it.
func TestDirectoryKeepsCAsApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := newSite(document("one")), newSite(document("two"))
		hcOne, hcTwo, d := one.client(), two.client(), newDirectory()
		for range 2 {
			m, err := read(t.Context(), d, hcOne, selfServiceURL)
			wantDocument(t, m, err, "one")
			m, err = read(t.Context(), d, hcTwo, selfServiceURL)
			wantDocument(t, m, err, "two")
		}
		one.wantCalls(t, 1)
		two.wantCalls(t, 1)
	})
}

func TestDirectoryAsksOnceForManyWhoAskTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		says, release := hanging(document("one"))
		s := newSite(says)
		hc, d := s.client(), newDirectory()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				m, err := read(t.Context(), d, hc, selfServiceURL)
				wantDocument(t, m, err, "one")
			})
		}
		synctest.Wait()
		s.wantCalls(t, 1)
		release()
		wg.Wait()
		s.wantCalls(t, 1)
	})
}

// Known must not mark a copy as being refreshed: the caller may be queued before it reads.
func TestDirectoryKnowsADocumentUntilARequestIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(document("one"))
		hc, d := s.client(), newDirectory()
		at := Place{Kind: MetadataAtURL, URL: selfServiceURL}
		known := func() bool {
			document, err, ok := d.Known(hc, at)
			if ok && (err != nil || document == nil) {
				t.Errorf("a document is known that is %v, with error %v", document, err)
			}
			return ok
		}
		if known() {
			t.Error("a document is known that was never read")
		}
		m, err := read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "one")
		if !known() {
			t.Error("a document is not known that was just read")
		}
		time.Sleep(shelfLife)
		for range 2 {
			if known() {
				t.Error("a document is known whose lifetime is over")
			}
		}
		s.wantCalls(t, 1)
	})
}

func TestDirectoryAsksAgainAfterTheLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(document("one"))
		hc, d := s.client(), newDirectory()
		m, err := read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "one")
		s.serve(document("two"))
		time.Sleep(shelfLife - time.Second)
		m, err = read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "one")
		time.Sleep(time.Second)
		m, err = read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "two")
		time.Sleep(shelfLife - time.Second)
		m, err = read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "two")
		s.wantCalls(t, 2)
	})
}

func TestDirectoryServesAStaleCopyWhileTheServerIsDown(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]func(context.Context) answer{
		"no connection":              fails(io.EOF),
		"a gateway error":            text(http.StatusBadGateway, canary),
		"junk":                       text(http.StatusOK, canary),
		"a document that is refused": text(http.StatusOK, `{"issuer":"https://canary.example","token_endpoint":"https://ai.egain.cloud/two"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(document("one"))
				hc, d := s.client(), newDirectory()
				m, err := read(t.Context(), d, hc, selfServiceURL)
				wantDocument(t, m, err, "one")
				s.serve(down)
				time.Sleep(shelfLife)
				for range 3 {
					m, err := read(t.Context(), d, hc, selfServiceURL)
					wantDocument(t, m, err, "one")
				}
				s.wantCalls(t, 2)
				time.Sleep(refetchFloor - time.Second)
				m, err = read(t.Context(), d, hc, selfServiceURL)
				wantDocument(t, m, err, "one")
				s.wantCalls(t, 2)
				time.Sleep(time.Second)
				m, err = read(t.Context(), d, hc, selfServiceURL)
				wantDocument(t, m, err, "one")
				s.wantCalls(t, 3)
				s.serve(document("two"))
				time.Sleep(refetchFloor)
				m, err = read(t.Context(), d, hc, selfServiceURL)
				wantDocument(t, m, err, "two")
				s.wantCalls(t, 4)
				time.Sleep(shelfLife - time.Second)
				m, err = read(t.Context(), d, hc, selfServiceURL)
				wantDocument(t, m, err, "two")
				s.wantCalls(t, 4)
			})
		})
	}
}

// With a copy at hand, one caller waits for a server that hangs, not all of them.
func TestDirectoryServesAStaleCopyWhileTheServerIsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(document("one"))
		hc, d := s.client(), newDirectory()
		m, err := read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "one")
		says, release := hanging(document("two"))
		s.serve(says)
		time.Sleep(shelfLife)
		var wg sync.WaitGroup
		wg.Go(func() {
			m, err := read(t.Context(), d, hc, selfServiceURL)
			wantDocument(t, m, err, "two")
		})
		synctest.Wait()
		for range 8 {
			m, err := read(t.Context(), d, hc, selfServiceURL)
			wantDocument(t, m, err, "one")
		}
		release()
		wg.Wait()
		m, err = read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "two")
		s.wantCalls(t, 2)
	})
}

func TestDirectoryReturnsWhenADocumentWasRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(document("one"))
		hc, d := s.client(), newDirectory()
		wantRead := func(want time.Time) {
			t.Helper()
			document, err := d.Read(t.Context(), hc, Place{URL: selfServiceURL})
			if err != nil || !document.ReadTime.Equal(want) {
				t.Errorf("a document read at %s was read at %s (%v)", want, document.ReadTime, err)
			}
		}
		first := time.Now()
		wantRead(first)
		time.Sleep(shelfLife - time.Second)
		wantRead(first)
		s.serve(fails(io.EOF))
		time.Sleep(time.Second)
		wantRead(first)
		s.serve(document("one"))
		time.Sleep(refetchFloor)
		wantRead(time.Now())
	})
}

// The client that was to refresh a copy may be gone before the answer comes. Then the next one must be able to.
func TestDirectoryRefreshesAfterTheRefresherLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(document("one"))
		hc, d := s.client(), newDirectory()
		m, err := read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "one")
		says, release := hanging(fails(io.EOF))
		s.serve(says)
		time.Sleep(shelfLife)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := read(ctx, d, hc, selfServiceURL)
			wantFault(t, err, fault.Retryable, fault.ReasonMetadataUnavailable)
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		release()
		synctest.Wait()
		s.serve(document("two"))
		time.Sleep(refetchFloor)
		m, err = read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "two")
		s.wantCalls(t, 3)
	})
}

func TestDirectorySharesFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(fails(io.EOF))
		hc, d := s.client(), newDirectory()
		for range 3 {
			_, err := read(t.Context(), d, hc, selfServiceURL)
			wantFault(t, err, fault.Retryable, fault.ReasonMetadataUnavailable)
		}
		s.wantCalls(t, 1)
		s.serve(document("one"))
		time.Sleep(failureFloor)
		m, err := read(t.Context(), d, hc, selfServiceURL)
		wantDocument(t, m, err, "one")
		s.wantCalls(t, 2)
	})
}

func TestDirectoryOutlivesACallerThatLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		says, release := hanging(func(ctx context.Context) answer {
			if err := ctx.Err(); err != nil {
				return answer{err: err} // as a transport does
			}
			return document("one")(ctx)
		})
		s := newSite(says)
		hc, d := s.client(), newDirectory()
		first, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := read(first, d, hc, selfServiceURL)
			wantFault(t, err, fault.Retryable, fault.ReasonMetadataUnavailable)
		})
		synctest.Wait() // the first caller has started the request
		wg.Go(func() {
			m, err := read(t.Context(), d, hc, selfServiceURL)
			wantDocument(t, m, err, "one")
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		release()
		wg.Wait()
		s.wantCalls(t, 1)
	})
}

func TestDirectoryReturnsADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		says, release := hanging(document("one"))
		defer release()
		hc, d := newSite(says).client(), newDirectory()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := read(ctx, d, hc, selfServiceURL)
		wantFault(t, err, fault.Retryable, fault.ReasonMetadataUnavailable)
		wantMessage(t, err, "ai.egain.cloud did not answer in time")
	})
}

func TestDirectoryForgetsTheOldestDocuments(t *testing.T) {
	t.Parallel()
	clock := now
	d := &Directory{Now: func() time.Time { return clock }, Lifetime: shelfLife}
	s := newSite(document("one"))
	hc := s.client()
	address := func(i int) string { return fmt.Sprintf("%s?%d", selfServiceURL, i) }
	const more = 10
	for i := range maxDocuments + more {
		clock = clock.Add(time.Millisecond)
		d.store(directoryKey{place: Place{URL: address(i)}, client: hc}, &Document{Metadata: &Metadata{Any: ActorMetadata{TokenURL: "https://ai.egain.cloud/one"}}}, nil)
	}
	if n := len(d.entries); n != maxDocuments {
		t.Errorf("%d documents are kept, want %d", n, maxDocuments)
	}
	ask := func(i int) {
		t.Helper()
		m, err := read(t.Context(), d, hc, address(i))
		wantDocument(t, m, err, "one")
	}
	for i := more; i < 2*more; i++ {
		ask(i) // kept
	}
	s.wantCalls(t, 0)
	ask(0) // forgotten
	s.wantCalls(t, 1)
}

// A caller that looks before a flight ends, and asks after it has ended, is to find what that flight brought.
func TestDirectoryFindsWhatAFlightBrought(t *testing.T) {
	t.Parallel()
	d := &Directory{Now: fixed, Lifetime: shelfLife}
	key := directoryKey{place: Place{URL: selfServiceURL}}
	before, _ := d.lookup(key)
	if _, ok := d.after(key, before); ok {
		t.Error("something was found although nothing happened since")
	}
	for range 2 { // the first document, and another one
		d.store(key, &Document{}, nil)
		if e, ok := d.after(key, before); !ok || e.document == nil {
			t.Errorf("what was stored since was not found: %+v", e)
		}
		before, _ = d.lookup(key)
		if _, ok := d.after(key, before); ok {
			t.Error("something was found although nothing happened since")
		}
	}
}

// Copies that live no time at all make every call refresh one: no call may hang, and none may go without a document.
func TestDirectoryUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSite(document("one"))
	hc := s.client()
	d := &Directory{Now: time.Now, Lifetime: 0}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				m, err := read(t.Context(), d, hc, fmt.Sprintf("%s?%d", selfServiceURL, i%3))
				wantDocument(t, m, err, "one")
			}
		})
	}
	wg.Wait()
	for i := range 3 {
		s.serve(document("two"))
		m, err := read(t.Context(), d, hc, fmt.Sprintf("%s?%d", selfServiceURL, i))
		wantDocument(t, m, err, "two")
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		says   func(context.Context) answer
		class  fault.Class
		reason string
		words  string
		after  time.Duration
	}{
		"not found": {
			text(http.StatusNotFound, canary),
			fault.Retryable, fault.ReasonMetadataUnavailable, "ai.egain.cloud answered HTTP 404 for the metadata document", 0,
		},
		"down for a while": {
			func(context.Context) answer {
				return answer{status: http.StatusServiceUnavailable, retryAfter: "90", body: strings.NewReader(canary)}
			},
			fault.Retryable, fault.ReasonMetadataUnavailable, "answered HTTP 503", 90 * time.Second,
		},
		"elsewhere": {
			text(http.StatusTemporaryRedirect, canary),
			fault.Retryable, fault.ReasonMetadataUnavailable, "answered HTTP 307", 0,
		},
		"an answer that breaks off": {
			body(io.MultiReader(strings.NewReader(`{"canary":`), iotest.ErrReader(io.ErrUnexpectedEOF))),
			fault.Retryable, fault.ReasonMetadataUnavailable, "reading the metadata document: ai.egain.cloud closed the connection before its answer was complete", 0,
		},
		"an answer that is too large": {
			body(iotest.ErrReader(fault.New(fault.Retryable, fault.ReasonResponseInvalid, "too large"))),
			fault.Retryable, fault.ReasonResponseInvalid, "too large", 0,
		},
		"no connection": {
			fails(errors.New(canary)), fault.Retryable, fault.ReasonMetadataUnavailable, "reading the metadata document: ai.egain.cloud could not be reached: check the URL, network policies, egress rules and proxies", 0,
		},
		"a refused address": {
			fails(fault.New(fault.Rejected, fault.ReasonEndpointRefused, "refused")), fault.Rejected, fault.ReasonEndpointRefused, "refused", 0,
		},
		"junk": {
			text(http.StatusOK, canary),
			fault.Retryable, fault.ReasonMetadataUnavailable, "is not a JSON object", 0,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(tc.says)
			m, err := read(t.Context(), &Directory{Now: fixed, Lifetime: shelfLife}, s.client(), selfServiceURL+"?"+canary)
			if m != nil {
				t.Errorf("got %+v beside an error", m)
			}
			wantFault(t, err, tc.class, tc.reason)
			wantMessage(t, err, tc.words)
			if f := fault.Of(err); f != nil && f.RetryAfter != tc.after {
				t.Errorf("RetryAfter = %s, want %s", f.RetryAfter, tc.after)
			}
			s.wantCalls(t, 1)
		})
	}
	_, err := read(t.Context(), &Directory{Now: fixed}, newSite(fails(io.EOF)).client(), "https://%zz/"+canary)
	wantFault(t, err, fault.Terminal, fault.ReasonEndpointInvalid)
}

// Over a real connection: what is asked, and that neither a redirect nor a wrong CA gets through.
func TestDirectoryOverTLS(t *testing.T) {
	t.Parallel()
	elsewhere := newProvider(t, replyJSON(documentText("elsewhere")))
	var p *provider
	p = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/302":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case r.URL.Path == "/307":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case r.URL.Path == "/308":
			http.Redirect(w, r, elsewhere.URL, http.StatusPermanentRedirect)
		case r.Header.Get("Accept") != "application/json":
			w.WriteHeader(http.StatusNotAcceptable)
		default:
			replyJSON(`{"issuer":"`+p.URL+`","token_endpoint":"`+p.URL+`/token","api_domain":"`+strings.TrimPrefix(p.URL, "https://")+`"}`)(w, r)
		}
	})
	d := &Directory{Now: time.Now, Lifetime: shelfLife}
	m, err := read(t.Context(), d, p.client(t), p.URL+"/metadata?x=1")
	if err != nil {
		t.Fatalf("Metadata: %v", err)
	}
	if want := (ActorMetadata{TokenURL: p.URL + "/token", APIURL: p.URL}); m.Any != want {
		t.Errorf("the document says %+v, want %+v", m.Any, want)
	}
	if a := p.asked(); len(a) != 1 || a[0].Method != http.MethodGet || a[0].Query != "x=1" || len(a[0].Authorization) != 0 {
		t.Errorf("asked %+v", a)
	}
	for _, status := range []string{"302", "307", "308"} {
		_, err = read(t.Context(), d, p.client(t), p.URL+"/"+status)
		wantFault(t, err, fault.Retryable, fault.ReasonMetadataUnavailable)
		wantMessage(t, err, "answered HTTP "+status)
	}
	if n := len(elsewhere.asked()); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
	_, err = read(t.Context(), d, guarded(t, time.Minute, nil), p.URL+"/metadata?x=1")
	wantFault(t, err, fault.Retryable, fault.ReasonTLSFailed)
	_, err = read(t.Context(), d, guarded(t, 500*time.Millisecond, nil), "http://127.0.0.1/metadata")
	wantFault(t, err, fault.Terminal, fault.ReasonEndpointRefused)
}
