package provider

import (
	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// lastEndpoints finds the endpoints without documents, if those cannot be read, as after a restart while only their server is
// down. Those of an EgainTenant are in its status and nowhere else: the status of an EgainClient does not decide where the
// credentials of a tenant go. A client that describes its tenant itself has them in its own status. They serve if with them the
// request is the very one that the token in the target was issued for. A client without a token waits.
func lastEndpoints(ec *egainv1alpha1.EgainClient, t request.Tenant, tok *rotation.Token, err error) (oauth.Endpoints, bool) {
	if !Unread(err) || tok == nil {
		return oauth.Endpoints{}, false
	}
	last, draft := ec.Status.Endpoints, request.For(ec)
	if t.Name != "" {
		return t.KnownFor(draft.Actor())
	}
	if last == nil {
		return oauth.Endpoints{}, false
	}
	e := oauth.Endpoints{
		TokenURL: last.TokenURL, APIURL: last.APIURL, ScopePrefix: last.ScopePrefix, Issuer: last.Issuer, Source: oauth.Source(last.Source),
	}
	return e, draft.Address(e).ID() == tok.Request
}

// Unread reports whether a failure says that documents cannot be read now.
func Unread(err error) bool {
	f := fault.Of(err)
	return f != nil && f.Reason == egainv1alpha1.ReasonMetadataUnavailable
}

// withSkipped adds to a failure of TLS what was skipped: the server's CA may be among that.
func withSkipped(err error, skipped string) error {
	f := fault.Of(err)
	if skipped == "" || f == nil || f.Reason != fault.ReasonTLSFailed {
		return err
	}
	whole := *f
	whole.Message += "; not used of the CA bundle: " + skipped
	return &whole
}
