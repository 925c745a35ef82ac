// Package loopback receives the answer to a login on this machine (RFC 8252 section 7.3), and reads an answer that a user
// pastes. It knows neither Kubernetes nor the token endpoint.
//
// It is small and its own, over net/http, because github.com/int128/oauth2cli, which kubelogin uses, cannot hand out the code:
// it redeems it itself, by x/oauth2, whose errors hold the body of the answer. It also listens on one of several addresses
// rather than on both that localhost stands for.
package loopback

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

const (
	// grace is how long the last page may take to get to the browser, which is on the same machine.
	grace = 2 * time.Second
	// readTimeout bounds a request of a browser, likewise.
	readTimeout = 10 * time.Second
)

// hosts are what a redirect URL of this machine may name, and the addresses that each stands for.
var hosts = map[string][]string{
	"127.0.0.1": {"127.0.0.1"},
	"::1":       {"::1"},
	"localhost": {"127.0.0.1", "::1"},
}

// Serves reports whether answers to a redirect URL can be received here: those of http on the loopback interface. A browser
// accepts no certificate that could be made for https there.
func Serves(redirectURL string) bool {
	u, err := url.Parse(redirectURL)
	return err == nil && u.Scheme == "http" && hosts[u.Hostname()] != nil
}

// Receiver receives the answer to one login.
type Receiver struct {
	url      *url.URL
	expected Expected
	server   *http.Server
	answers  chan received
}

type received struct {
	answer Answer
	err    error
}

// Listen listens at a redirect URL that Serves accepts, and nowhere else, for the answer to a login. Close ends it.
func Listen(ctx context.Context, redirectURL string, expected Expected) (*Receiver, error) {
	u, err := url.Parse(redirectURL)
	if err != nil || !Serves(redirectURL) {
		return nil, errors.New("the redirect URL is not on this machine")
	}
	r := &Receiver{url: u, expected: expected, answers: make(chan received, 1)}
	r.server = &http.Server{
		Handler:           http.HandlerFunc(r.serve),
		ReadHeaderTimeout: readTimeout,
		ErrorLog:          log.New(io.Discard, "", 0), // it would name addresses, and no user could act on it
	}
	listeners, err := listen(ctx, u)
	if err != nil {
		return nil, err
	}
	for _, l := range listeners {
		go func() { _ = r.server.Serve(l) }() // it ends by Close
	}
	return r, nil
}

// listen listens on every address of the URL's host. One that this machine does not have, as ::1 without IPv6, is left out;
// one that is in use is an error, since the program that listens there would get the code.
func listen(ctx context.Context, u *url.URL) ([]net.Listener, error) {
	_, port, err := net.SplitHostPort(hostPort(u))
	if err != nil {
		return nil, fmt.Errorf("reading the redirect URL: %w", err)
	}
	var listeners []net.Listener
	var unavailable error
	for _, address := range hosts[u.Hostname()] {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(address, port))
		switch {
		case err == nil:
			listeners = append(listeners, l)
		case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
			unavailable = err
		default:
			for _, l := range listeners {
				_ = l.Close()
			}
			return nil, fmt.Errorf("listening at the redirect URL: %w", err)
		}
	}
	if len(listeners) == 0 {
		return nil, fmt.Errorf("listening at the redirect URL: %w", unavailable)
	}
	return listeners, nil
}

// Answer waits for the answer.
func (r *Receiver) Answer(ctx context.Context) (Answer, error) {
	select {
	case a := <-r.answers:
		return a.answer, a.err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// Close stops listening, after the last page has got to the browser.
func (r *Receiver) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if r.server.Shutdown(ctx) != nil {
		_ = r.server.Close()
	}
}

// serve takes the first answer with the right state. What comes without it is from another user, who must not be able to end
// the login either.
func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	switch {
	// Another name that leads here is that of a web page which tries to talk to this machine (DNS rebinding).
	case place(&url.URL{Scheme: "http", Host: req.Host, Path: req.URL.Path}) != place(r.url):
		show(w, http.StatusNotFound, page{Title: "Nothing here", Text: "This address is only for the answer to a login."})
		return
	case req.Method != http.MethodGet:
		show(w, http.StatusMethodNotAllowed, page{Title: "Not accepted", Text: "The answer to a login comes with GET."})
		return
	}
	a, err := Read(req.URL.Query(), r.expected)
	if errors.Is(err, ErrState) {
		show(w, http.StatusBadRequest, page{Title: "Not the answer to this login", Text: "Open the address that the terminal shows again."})
		return
	}
	select {
	case r.answers <- received{a, err}:
	default:
		show(w, http.StatusConflict, page{Title: "Already answered", Text: "This login is already answered. Return to the terminal."})
		return
	}
	if err != nil {
		show(w, http.StatusOK, page{Title: "Login failed", Text: err.Error(), Return: true})
		return
	}
	show(w, http.StatusOK, page{Title: "Logged in", Good: true, Return: true})
}

// page is what the browser shows.
type page struct {
	Title, Text string
	Good        bool
	// Return says that the terminal goes on from here.
	Return bool
}

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// show writes a page that loads nothing, and that is kept nowhere: its address holds the code.
func show(w http.ResponseWriter, status int, p page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	_ = pageTemplate.Execute(w, p) // the browser may be gone
}
