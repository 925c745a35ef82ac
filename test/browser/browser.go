// Package browser drives a real Chromium through a login, as a person would.
package browser

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// loginTime is far more than a login takes on a busy machine: three pages that load nothing.
const loginTime = time.Minute

// Browser is a headless Chromium with a profile of its own. It reaches the loopback interface only.
type Browser struct {
	context context.Context //nolint:containedctx // A chromedp context is the handle of its browser, not of a call.
	close   []context.CancelFunc
}

// Start starts the Chromium that is installed. It trusts the server at a URL if the CA bundle, in PEM, does, for as long as
// that server keeps its key. The context does not end it; Close does.
func Start(ctx context.Context, server string, caBundle []byte) (*Browser, error) {
	key, err := publicKeyOf(ctx, server, caBundle)
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", key),
	)
	if os.Geteuid() == 0 {
		// Chromium's sandbox does not work for root, as which tests run in containers.
		options = append(options, chromedp.NoSandbox)
	}
	allocator, closeAllocator := chromedp.NewExecAllocator(context.WithoutCancel(ctx), options...)
	tab, closeTab := chromedp.NewContext(allocator)
	b := &Browser{context: tab, close: []context.CancelFunc{closeTab, closeAllocator}}
	if err := chromedp.Do(tab); err != nil {
		b.Close()
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("no Chromium is installed, hack/browser.sh says how to: %w", err)
		}
		return nil, fmt.Errorf("starting Chromium: %w", err)
	}
	return b, nil
}

// publicKeyOf is the SHA-256 of the public key of a server that the CA bundle vouches for, as Chromium wants it.
func publicKeyOf(ctx context.Context, server string, caBundle []byte) (string, error) {
	parsed, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("reading the server's URL: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(caBundle) {
		return "", errors.New("the CA bundle has no certificate")
	}
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	connection, err := dialer.DialContext(ctx, "tcp", parsed.Host)
	if err != nil {
		return "", fmt.Errorf("looking at the server's certificate: %w", err)
	}
	defer func() { _ = connection.Close() }()
	leaf := connection.(*tls.Conn).ConnectionState().PeerCertificates[0] //nolint:forcetypeassert // A tls.Dialer's is one.
	digest := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(digest[:]), nil
}

// Close ends the browser and removes its profile.
func (b *Browser) Close() {
	for _, end := range b.close {
		end()
	}
}

// LogIn opens an authorization URL of the simulator, logs in and then allows or denies what the application asks for. It returns
// the URL at which the browser arrives after that, which should be the application's. What a page shows as an error is one here too.
func (b *Browser) LogIn(authorizationURL string, login egainsim.Login) (*url.URL, error) {
	button := "#deny"
	if login.Allow {
		button = "#allow"
	}
	return b.Visit(authorizationURL,
		Page{Name: "logging in", Fields: map[string]string{"#username": login.Username, "#password": login.Password}, Button: "#login"},
		Page{Name: "answering the consent page", Button: button},
	)
}

// Page is what a person does on a page.
type Page struct {
	// Name says what that is, for errors.
	Name string
	// Fields are the texts that are typed, by CSS selector.
	Fields map[string]string
	// Button is the selector of what is clicked then. It leads to the next page.
	Button string
}

// Visit opens a URL and goes through pages. It returns the URL at which the browser arrives. What an element with the id error
// shows is an error here too.
func (b *Browser) Visit(address string, pages ...Page) (*url.URL, error) {
	limited, cancel := context.WithTimeout(b.context, loginTime)
	defer cancel()
	tab, closeTab := chromedp.NewContext(limited)
	defer closeTab()

	if err := step(tab, chromedp.Navigate(address)); err != nil {
		return nil, fmt.Errorf("opening the login page: %w", err)
	}
	for _, page := range pages {
		if err := step(tab, page.actions()...); err != nil {
			return nil, fmt.Errorf("%s: %w", page.Name, err)
		}
	}
	location, err := chromedp.Run(tab, chromedp.Location())
	if err != nil {
		return nil, fmt.Errorf("asking where the browser is: %w", err)
	}
	return url.Parse(location)
}

func (p Page) actions() []chromedp.Action[chromedp.Void] {
	var actions []chromedp.Action[chromedp.Void]
	for _, field := range slices.Sorted(maps.Keys(p.Fields)) {
		actions = append(actions, chromedp.SendKeys(chromedp.CSS(field), p.Fields[field]))
	}
	return append(actions, chromedp.Click(chromedp.CSS(p.Button)))
}

// step does something that leads to another page, and fails if that page shows an error.
func step(tab context.Context, actions ...chromedp.Action[chromedp.Void]) error {
	if _, err := chromedp.RunResponse(tab, actions...); err != nil {
		return err
	}
	const text = `document.querySelector("#error")?.textContent ?? ""`
	problem, err := chromedp.Run(tab, chromedp.Evaluate[string](text))
	if err != nil {
		return err
	}
	if problem != "" {
		return fmt.Errorf("the page says: %s", problem)
	}
	return nil
}
