package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// respelledFlows are those whose request is repeated with the other spelling of the scope prefix. The requests of the others name
// a user or a customer, whose account a second refusal could lock.
var respelledFlows = []oauth.Flow{oauth.ClientCredentials, oauth.AnonymousCustomer}

// otherSpelling sends a request whose scopes were refused again, once and with the other spelling of their prefix. It adds to the
// finding whether that one works.
func (e *examination) otherSpelling(ctx context.Context, client *oauth.Client, refusal error, f Finding) Finding {
	scopes, respelled := oauth.OtherSpelling(e.addressed.Scopes)
	if !respelled || !refusesScopes(refusal) || !slices.Contains(respelledFlows, e.draft.Flow) {
		return f
	}
	prefix := oauth.OtherPrefix(e.addressed.Scopes)
	respelt := e.addressed
	respelt.Scopes = scopes
	f.Details = append(f.Details, "retry with the other spelling of the prefix", "  scope="+strings.Join(scopes, " "))
	tok, err := client.Token(ctx, e.http, respelt.Complete(e.secrets))
	switch {
	case err == nil:
		f.Advice = "with " + prefix + " eGain issues a token: " + e.prefixAdvice()
		f.Details = append(f.Details, "eGain issued a token; "+e.discard(ctx, client, tok))
	case refusesScopes(err):
		f.Advice = "the other spelling is refused too: " + f.Advice
		f.Details = append(f.Details, e.tenant.NameFields(err).Error())
	default:
		f.Advice = "the other spelling, " + prefix + ", could not be tried: " + f.Advice
		f.Details = append(f.Details, e.tenant.NameFields(err).Error())
	}
	return f
}

func refusesScopes(err error) bool {
	f := fault.Of(err)
	return f != nil && f.Reason == fault.ReasonScopeRejected
}

// prefixAdvice says where the prefix is to be corrected: a scope of the spec may have it already.
func (e *examination) prefixAdvice() string {
	for _, scope := range e.client.Spec.Scopes {
		if _, has := oauth.OtherSpelling([]string{string(scope)}); has {
			return "correct the prefix in spec.scopes"
		}
	}
	return "set spec.tenant.scopePrefix to it"
}
