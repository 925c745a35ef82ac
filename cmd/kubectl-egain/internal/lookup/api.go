package lookup

import (
	"fmt"
	"net/url"

	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// APIDoubt is why a token may not belong to the API that its target names, as a phrase for people; "" if it does. The author of an
// EgainClient chooses the API URL of a tenant in its spec, and with it where the token of another tenant would go.
//
// The API URL of an EgainTenant is right, as its spec or its status has it. Any other is right on a host of the site that the
// token is from, if the token was issued for the spec as it is now: one that was edited since says nothing about it.
func APIDoubt(ec *egainv1alpha1.EgainClient, tenant request.Tenant, secret *corev1.Secret) string {
	api := string(secret.Data[target.KeyAPIURL])
	if ofTenant(api, tenant) {
		return ""
	}
	if tenant.Name == "" && secret.Annotations[target.AnnotationIssuedForSpec] != request.SpecID(ec, tenant) {
		return fmt.Sprintf("the token would be sent to %s, but the spec was changed since the token was issued", hostOf(api))
	}
	t := tenant.OAuth()
	from := t.IssuesFrom(request.For(ec).Actor())
	if oauth.SameSite(api, from) || t.Trusts(api) {
		return ""
	}
	return fmt.Sprintf("the token would be sent to %s, which is not on the site of %s, where tokens are issued", hostOf(api), hostOf(from))
}

// ofTenant reports whether an EgainTenant has the host of a URL as that of its API.
func ofTenant(api string, tenant request.Tenant) bool {
	if tenant.Name == "" {
		return false
	}
	var known []string
	if e := tenant.Location.Endpoints; e != nil {
		known = append(known, string(e.APIURL))
	}
	for _, actor := range tenant.Known {
		known = append(known, actor.APIURL)
	}
	for _, raw := range known {
		if raw != "" && origin(raw) == origin(api) {
			return true
		}
	}
	return false
}

// UnderAPI is the URL of a path of an API, of which only the path and the query count.
func UnderAPI(base, path *url.URL) *url.URL {
	u := base.JoinPath(path.EscapedPath())
	u.RawQuery = path.RawQuery
	return u
}

func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return transport.HostPort(u)
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}
