package request

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// Draft is the token request that an EgainClient stands for. It says neither where the request goes nor what is in Secrets.
type Draft struct {
	Flow oauth.Flow
	// Subject of OnBehalfOf, and who logs in for AuthorizationCode.
	Subject oauth.Subject
	// RedirectURL of the login of AuthorizationCode; empty unless the spec says one.
	RedirectURL string

	scopes                           []string
	registrationID, subjectTokenType string
	parameters                       map[string]string
	// places are where the Secrets are read.
	places egainv1alpha1.EgainClientSpec
}

// For drafts the token request of an EgainClient.
func For(ec *egainv1alpha1.EgainClient) Draft {
	d := Draft{Flow: oauth.Flow(ec.Spec.Flow), parameters: map[string]string{}, places: egainv1alpha1.EgainClientSpec{
		CredentialsSecretRef: ec.Spec.CredentialsSecretRef, TokenExchange: ec.Spec.TokenExchange,
		AuthorizationCode: withoutParameters(ec.Spec.AuthorizationCode),
	}}
	for name, value := range ec.Spec.Parameters {
		d.parameters[name] = string(value)
	}
	for _, scope := range ec.Spec.Scopes {
		d.scopes = append(d.scopes, string(scope))
	}
	if who := ec.Spec.OnBehalfOf; who != nil {
		d.Subject = oauth.Subject{Username: who.Username, UserID: who.UserID, Email: who.Email}
	}
	if exchange := ec.Spec.TokenExchange; exchange != nil {
		d.registrationID, d.subjectTokenType = exchange.RegistrationID, exchange.SubjectTokenType
	}
	if code := ec.Spec.AuthorizationCode; code != nil {
		d.RedirectURL = string(code.RedirectURL)
		d.Subject.Actor = oauth.ActorUser
		if code.Actor == egainv1alpha1.ActorCustomer {
			d.Subject.Actor = oauth.ActorCustomer
		}
	}
	return d
}

// Actor is the actor whose endpoints the request goes to.
func (d Draft) Actor() oauth.Actor { return oauth.ActorOf(d.Flow, d.Subject) }

// Resolve finds the endpoints that the request goes to, in the spec and the documents of a tenant.
func (d Draft) Resolve(t oauth.Tenant, found oauth.Discovery) (oauth.Endpoints, error) {
	return oauth.Resolve(t, found, d.Flow, d.Subject)
}

// Address says where the request goes. The scopes get the prefix of the endpoints.
func (d Draft) Address(e oauth.Endpoints) Addressed {
	return Addressed{Draft: d, Endpoints: e, Scopes: e.WithPrefix(d.scopes)}
}

// Addressed is a token request without its secrets: it may be hashed, compared and logged.
type Addressed struct {
	Draft
	Endpoints oauth.Endpoints
	// Scopes are as they are sent, with their prefix.
	Scopes []string
}

// Secrets are what a request proves itself with.
type Secrets struct {
	Credentials oauth.Credentials
	// SubjectToken is the foreign token of TokenExchange.
	SubjectToken oauth.Secret
	// Session is used by AuthorizationCode.
	Session oauth.Session
}

// Complete adds the secrets: the request can be sent.
func (a Addressed) Complete(s Secrets) oauth.Request {
	r := oauth.Request{
		Flow: a.Flow, TokenURL: a.Endpoints.TokenURL, Credentials: s.Credentials, Scopes: a.Scopes, Subject: a.Subject,
		Exchange: oauth.Exchange{RegistrationID: a.registrationID, SubjectTokenType: a.subjectTokenType, SubjectToken: s.SubjectToken},
		Session:  s.Session, Parameters: a.parameters,
	}
	r.Session.RedirectURL = a.RedirectURL
	return r
}

// SpecID identifies the part of a spec that a token is issued for, in 32 characters. What only shapes the target or the
// schedule is left out, since it asks nothing of the provider. It is the same whether the tenant stands in the spec or in
// an EgainTenant. Of an application, only where its credentials are kept counts.
func SpecID(ec *egainv1alpha1.EgainClient, t Tenant) string {
	relevant := ec.Spec
	relevant.Target, relevant.Renewal, relevant.Suspend, relevant.RevokeOnDelete = egainv1alpha1.Target{}, nil, nil, nil
	relevant.Tenant, relevant.TenantRef = egainv1alpha1.Tenant{TenantLocation: t.Location}, nil
	relevant.AuthorizationCode = withoutParameters(ec.Spec.AuthorizationCode)
	var lent *egainv1alpha1.ApplicationCredentialsReference
	if app := t.Application(ec); app != nil {
		lent = new(app.CredentialsSecretRef.WithDefaults())
	}
	// Fields that are empty do not count, so that the id is the one that earlier versions wrote.
	return identify(struct {
		egainv1alpha1.EgainClientSpec
		Discovery
		Lent *egainv1alpha1.ApplicationCredentialsReference `json:"lent,omitempty"`
	}{relevant, t.Discovery, lent})
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

// apiParameters say which API a token is for (RFC 8707 section 2, RFC 8693 section 2.1).
var apiParameters = []string{"resource", "audience"}

// LoginParameters are those that go with the login of an EgainClient: its own, and of the token request's those that say
// which API the token is for (RFC 8707 section 2).
func LoginParameters(ec *egainv1alpha1.EgainClient) map[string]string {
	parameters := map[string]string{}
	for _, name := range apiParameters {
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

// ID identifies a token request, in 32 characters: two specs with one ID ask the same server for the same token, if the Secrets
// that they name are the same. The places of those count: another key of a Secret is another person's token. A target keeps the
// ID, so that what is hashed stays as it is.
func (a Addressed) ID() string {
	return identify(struct {
		Request oauth.Request
		Places  egainv1alpha1.EgainClientSpec
	}{a.Complete(Secrets{}), a.places})
}

// ClientID identifies a token request as ID does, with the client id in place of where the credentials are kept: one that moved, to
// another Secret or to an application, is still for the same token. A target keeps it.
func (a Addressed) ClientID(id string) string {
	places := a.places
	places.CredentialsSecretRef = nil
	return identify(struct {
		Request oauth.Request
		Places  egainv1alpha1.EgainClientSpec
	}{a.Complete(Secrets{Credentials: oauth.Credentials{ClientID: id}}), places})
}

func identify(what any) string {
	encoded, err := json.Marshal(what)
	if err != nil {
		panic(fmt.Sprintf("encoding what has only strings in it: %v", err))
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16])
}
