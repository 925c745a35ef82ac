package egainsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Login is what a person does at the login page, and at the consent page after it.
type Login struct {
	// Username is the email address of a customer.
	Username string
	Password string
	// Allow lets the application have what it asks for.
	Allow bool
}

// LogIn does with an authorization URL what a person does at a browser: it opens the login page, fills it in and sends it,
// and then the consent page. It returns where the browser is sent to in the end, which is the application's redirect URI
// with a code, or with an error, and does not go there. What a page shows as an error is one here too.
func LogIn(ctx context.Context, transport http.RoundTripper, authorizationURL string, login Login) (*url.URL, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("opening the login page: %w", err)
	}
	decision := "deny"
	if login.Allow {
		decision = "allow"
	}
	inputs := []url.Values{
		{"username": {login.Username}, "password": {login.Password}},
		{"decision": {decision}},
	}
	for _, input := range inputs {
		shown, err := visit(transport, request)
		if err != nil || shown.redirect != nil {
			return shown.redirect, err
		}
		if request, err = shown.submit(ctx, input); err != nil {
			return nil, err
		}
	}
	shown, err := visit(transport, request)
	if err == nil && shown.redirect == nil {
		err = errors.New("the last page does not lead back to the application")
	}
	return shown.redirect, err
}

// shownPage is a page as a browser understands it.
type shownPage struct {
	url *url.URL
	// redirect is where the browser is sent to instead.
	redirect *url.URL
	// action and hidden are of its form, problem is its error message.
	action  string
	hidden  url.Values
	problem string
}

// visit reads the page that answers a request.
func visit(transport http.RoundTripper, request *http.Request) (shownPage, error) {
	shown := shownPage{url: request.URL, hidden: url.Values{}}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return shown, fmt.Errorf("reading the page: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.Header.Get("Location") != "" {
		shown.redirect, err = response.Location()
		return shown, err
	}
	document, err := html.Parse(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return shown, fmt.Errorf("reading the page: %w", err)
	}
	for node := range document.Descendants() {
		shown.see(node)
	}
	if shown.problem != "" || shown.action == "" {
		return shown, fmt.Errorf("the page has status %d and says: %s", response.StatusCode, shown.problem)
	}
	return shown, nil
}

// see takes note of an element that matters.
func (p *shownPage) see(node *html.Node) {
	attributes := map[string]string{}
	for _, attribute := range node.Attr {
		attributes[attribute.Key] = attribute.Val
	}
	switch {
	case node.Data == "form":
		p.action = attributes["action"]
	case node.Data == "input" && attributes["type"] == "hidden":
		p.hidden.Set(attributes["name"], attributes["value"])
	case attributes["id"] == "error" && node.FirstChild != nil:
		p.problem = node.FirstChild.Data
	}
}

// submit sends the page's form with what a person has put in.
func (p shownPage) submit(ctx context.Context, input url.Values) (*http.Request, error) {
	target, err := p.url.Parse(p.action)
	if err != nil {
		return nil, fmt.Errorf("sending the page's form: %w", err)
	}
	maps.Copy(p.hidden, input)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(p.hidden.Encode()))
	if err != nil {
		return nil, fmt.Errorf("sending the page's form: %w", err)
	}
	request.Header.Set("Content-Type", formType)
	return request, nil
}
