package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/apierror"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/target"
)

// api calls the API with the token. A call that succeeds is repeated without the token: only if that one is refused does the first
// show that the token is accepted.
func (e *examination) api(ctx context.Context) Finding {
	base, err := url.Parse(string(e.target.Data[target.KeyAPIURL]))
	if err != nil || base.Scheme != "https" || base.Host == "" {
		return warning("the target Secret has no https API URL", "set endpoints.apiURL of the tenant if workloads need it")
	}
	if doubt := lookup.APIDoubt(e.client, e.tenant, e.target); doubt != "" {
		return warning("not called: "+doubt, "set endpoints.apiURL of the EgainTenant, or call the API yourself: kubectl egain call "+e.Name+" /")
	}
	hc, err := e.API(e.tenant.Name, e.bundle, requestTimeout)
	if err != nil {
		return warning("not called: "+err.Error(), "see check Flags")
	}
	call := lookup.UnderAPI(base, e.Path)
	with, err := e.callAPI(ctx, hc, call, string(e.target.Data[target.KeyAuthorization]))
	if err != nil {
		return unreachable(err, call)
	}
	if !succeeds(with) {
		return e.refusal(call, with)
	}
	without, err := e.callAPI(ctx, hc, call, "")
	if err != nil {
		return e.unproven(fmt.Sprintf("%s answered %s for %s with the token, and did not answer without it", call.Host, with, e.path()))
	}
	return e.compared(call, with, without)
}

// callAPI sends a GET request with an Authorization header, or without one if it is empty.
func (e *examination) callAPI(ctx context.Context, hc *http.Client, u *url.URL, authorization string) (apierror.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return apierror.Answer{}, err
	}
	req.Header.Set("Accept", "application/json")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := hc.Do(req)
	if err != nil {
		return apierror.Answer{}, err
	}
	defer resp.Body.Close()                                            //nolint:errcheck // what is wanted of the body has been read
	body, _ := io.ReadAll(io.LimitReader(resp.Body, apierror.MaxBody)) // what came before an error is enough for the code
	return apierror.Read(resp, body, e.Clock.Now()), nil
}

// succeeds reports whether an answer is what an API sends to a call that it serves.
func succeeds(a apierror.Answer) bool {
	return a.Status >= http.StatusOK && a.Status < http.StatusMultipleChoices && !a.Page
}

// refusal judges an answer other than a success. One to a path alone does not break the chain, since workloads call others too.
func (e *examination) refusal(call *url.URL, a apierror.Answer) Finding {
	what, next, known := a.Explain(e.Name)
	switch {
	case known && a.Status == http.StatusUnauthorized:
		return broken(call.Host+" "+what, next)
	case known:
		return warning(call.Host+" "+what, next)
	case a.Status == http.StatusUnauthorized:
		return broken(fmt.Sprintf("%s does not accept the token (%s)", call.Host, a), "run kubectl egain renew "+e.Name+"; if that does not help, check endpoints.apiURL: the API may belong to another tenant")
	case a.Page:
		return e.unproven(fmt.Sprintf("%s answered %s with an HTML page for %s, which does not show whether it accepts the token", call.Host, a, e.path()))
	default:
		return e.unproven(fmt.Sprintf("%s answered %s for %s, which does not show whether it accepts the token", call.Host, a, e.path()))
	}
}

// compared judges a call that succeeded by the answer to the same call without the token.
func (e *examination) compared(call *url.URL, with, without apierror.Answer) Finding {
	if without.Status == http.StatusUnauthorized || without.Status == http.StatusForbidden {
		return ok(fmt.Sprintf("%s accepts the token (%s for %s, %d without it)", call.Host, with, e.path(), without.Status))
	}
	return e.unproven(fmt.Sprintf("%s answered %s for %s without the token too, which does not show whether it accepts the token", call.Host, without, e.path()))
}

// unproven is a finding for an answer that says nothing of the token.
func (e *examination) unproven(message string) Finding {
	return warning(message, "pass a path that requires a token: kubectl egain doctor "+e.Name+" --path /knowledge/portalmgr/v4/portals")
}

// path is that of the call, without its query.
func (e *examination) path() string { return e.Path.EscapedPath() }
