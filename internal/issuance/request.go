package issuance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// Request is the token request that an EgainClient stands for, without what is read from Secrets and without the
// endpoints.
func Request(ec *egainv1alpha1.EgainClient) oauth.Request {
	request := oauth.Request{Flow: oauth.Flow(ec.Spec.Flow), Parameters: map[string]string{}}
	for name, value := range ec.Spec.Parameters {
		request.Parameters[name] = string(value)
	}
	for _, scope := range ec.Spec.Scopes {
		request.Scopes = append(request.Scopes, string(scope))
	}
	if who := ec.Spec.OnBehalfOf; who != nil {
		request.Subject = oauth.Subject{Username: who.Username, UserID: who.UserID, Email: who.Email}
	}
	if exchange := ec.Spec.TokenExchange; exchange != nil {
		request.Exchange = oauth.Exchange{RegistrationID: exchange.RegistrationID, SubjectTokenType: exchange.SubjectTokenType}
	}
	if code := ec.Spec.AuthorizationCode; code != nil {
		request.Session.RedirectURL = string(code.RedirectURL)
		request.Subject.Actor = oauth.ActorUser
		if code.Actor == egainv1alpha1.ActorCustomer {
			request.Subject.Actor = oauth.ActorCustomer
		}
	}
	return request
}

// SpecID identifies the part of a spec that a token is issued for, in 32 characters. What only shapes the target or the
// schedule is left out, since it asks nothing of the provider. It is the same whether the tenant stands in the spec or in
// an EgainTenant.
func SpecID(ec *egainv1alpha1.EgainClient, t Tenant) string {
	relevant := ec.Spec
	relevant.Target, relevant.Renewal, relevant.Suspend, relevant.RevokeOnDelete = egainv1alpha1.Target{}, nil, nil, nil
	relevant.Tenant, relevant.TenantRef = egainv1alpha1.Tenant{TenantLocation: t.Location}, nil
	relevant.AuthorizationCode = withoutParameters(ec.Spec.AuthorizationCode)
	// Fields that are empty do not count, so that the id is the one that earlier versions wrote.
	return identify(struct {
		egainv1alpha1.EgainClientSpec
		Discovery
	}{relevant, t.Discovery})
}

// withoutParameters leaves out what goes with the login only: a token that was issued before is the same.
func withoutParameters(code *egainv1alpha1.AuthorizationCode) *egainv1alpha1.AuthorizationCode {
	if code == nil {
		return nil
	}
	relevant := *code
	relevant.Parameters = nil
	return &relevant
}

// LoginParameters are those that go with the login of an EgainClient: its own, and of the token request's those that say
// which API the token is for (RFC 8707 section 2).
func LoginParameters(ec *egainv1alpha1.EgainClient) map[string]string {
	parameters := map[string]string{}
	for _, name := range []string{"resource", "audience"} {
		if value, ok := ec.Spec.Parameters[name]; ok {
			parameters[name] = string(value)
		}
	}
	if code := ec.Spec.AuthorizationCode; code != nil {
		for name, value := range code.Parameters {
			parameters[name] = string(value)
		}
	}
	return parameters
}

// RequestID identifies a token request without its secrets, in 32 characters: two specs with one id ask the same server
// for the same token, if the Secrets that they name are the same. Of what is read from Secrets the request holds the
// values, which do not count, and the spec the places, which do: another key of a Secret is another person's token.
func RequestID(ec *egainv1alpha1.EgainClient, r oauth.Request) string {
	r.Credentials, r.Exchange.SubjectToken, r.Session = oauth.Credentials{}, "", oauth.Session{RedirectURL: r.Session.RedirectURL}
	places := egainv1alpha1.EgainClientSpec{
		CredentialsSecretRef: ec.Spec.CredentialsSecretRef, TokenExchange: ec.Spec.TokenExchange,
		AuthorizationCode: withoutParameters(ec.Spec.AuthorizationCode),
	}
	return identify(struct {
		Request oauth.Request
		Places  egainv1alpha1.EgainClientSpec
	}{r, places})
}

func identify(what any) string {
	encoded, err := json.Marshal(what)
	if err != nil {
		panic(fmt.Sprintf("encoding what has only strings in it: %v", err))
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16])
}
