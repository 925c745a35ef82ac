package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/apierror"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/target"
)

// api requests the root of the API with the token. Without an error code of eGain's, only a 401 says something about the token:
// nothing need exist at the root.
func (e *examination) api(ctx context.Context) Finding {
	raw := string(e.target.Data[target.KeyAPIURL])
	u, err := url.Parse(raw)
	if raw == "" || err != nil || u.Scheme != "https" || u.Host == "" {
		return warning("the target does not say where the API is", "set endpoints.apiURL of the tenant, if workloads need it")
	}
	if doubt := lookup.APIDoubt(e.client, e.tenant, e.target); doubt != "" {
		return warning("not asked: "+doubt, "set endpoints.apiURL of the EgainTenant, or ask the API yourself: kubectl egain call "+e.Name+" /")
	}
	hc, err := e.API(e.tenant.Name, e.bundle, requestTimeout)
	if err != nil {
		return warning("not asked: "+err.Error(), "see the check of the flags")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(raw, "/")+"/", nil)
	if err != nil {
		return warning("the API URL in the target is no URL", "correct endpoints.apiURL of the tenant")
	}
	req.Header.Set("Authorization", string(e.target.Data[target.KeyAuthorization]))
	resp, err := hc.Do(req)
	if err != nil {
		return unreachable(err, u)
	}
	defer resp.Body.Close()                                            //nolint:errcheck // what is wanted of the body has been read
	body, _ := io.ReadAll(io.LimitReader(resp.Body, apierror.MaxBody)) // what came before an error is enough for the code
	return e.answered(u.Host, apierror.Read(resp, body, e.Clock.Now()))
}

// answered judges the answer of an API. A refusal of the root alone does not break the chain, since workloads call other paths.
func (e *examination) answered(host string, a apierror.Answer) Finding {
	what, next, known := a.Explain(e.Name)
	switch {
	case known && a.Status == http.StatusUnauthorized:
		return broken(host+" "+what, next)
	case known:
		return warning(host+" "+what, next)
	case a.Status == http.StatusUnauthorized:
		return broken(fmt.Sprintf("%s does not accept the token (%s)", host, a), "have it replaced with kubectl egain renew "+e.Name+"; if that does not help, the API is another tenant's: check endpoints.apiURL")
	case a.Status == http.StatusNotFound || a.Status >= http.StatusInternalServerError:
		return ok(fmt.Sprintf("%s answers (%s at its root, which does not tell whether it accepts the token)", host, a))
	default:
		return ok(fmt.Sprintf("%s answers (%s at its root)", host, a))
	}
}
