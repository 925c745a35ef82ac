package manifest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// Flows are the flows of the API, the most common first.
var Flows = []egainv1alpha1.Flow{
	egainv1alpha1.FlowClientCredentials, egainv1alpha1.FlowAnonymousCustomer, egainv1alpha1.FlowOnBehalfOf,
	egainv1alpha1.FlowTokenExchange, egainv1alpha1.FlowAuthorizationCode,
}

// Fields are the fields of a token that a template may name, by themselves.
var Fields = []string{"AccessToken", "APIURL", "Authorization", "ExpiresAt", "Scope", "TokenType"}

// Client is an EgainClient in the words of a command line. What is empty is left out.
type Client struct {
	Name string
	// Namespace that the manifest names.
	Namespace string
	// Flow in any spelling; if it is empty, the flow that the other words belong to.
	Flow string
	// TenantRef names an EgainTenant, and Application one that it lends; Location describes a tenant instead.
	TenantRef, Application string
	Location
	// Credentials is SECRET or SECRET:ID_KEY:SECRET_KEY.
	Credentials string
	OnBehalfOf  egainv1alpha1.OnBehalfOf
	Exchange    Exchange
	Session     Session
	Scopes      []string
	Parameters  map[string]string
	// LoginParameters go with the login only (flow AuthorizationCode).
	LoginParameters map[string]string
	Target          Target
	// RenewPercent and RenewBefore say when a token is replaced.
	RenewPercent int32
	RenewBefore  time.Duration
	// RevokeOnDelete and Suspend are the fields of those names.
	RevokeOnDelete, Suspend bool
}

// Exchange is the part of flow TokenExchange.
type Exchange struct {
	RegistrationID, SubjectTokenType string
	// Secret is SECRET:KEY, of the subject token.
	Secret string
	// ServiceAccount and Audience say for whom and for what a subject token is minted, and Life for how long.
	ServiceAccount, Audience string
	Life                     time.Duration
	// Client is the EgainClient whose token is the subject token.
	Client string
}

// Session is the part of flow AuthorizationCode.
type Session struct{ Actor, Secret, RedirectURL string }

// Target is the Secret of the token.
type Target struct {
	Secret, CreationPolicy, DeletionPolicy, Type string
	// EnvVars are NAME or NAME=FIELD, extra keys of the Secret that are named as environment variables.
	EnvVars []string
}

// Build returns the EgainClient. It fails with words that it cannot read; whether the API accepts it is for Check to say.
func (c Client) Build() (*egainv1alpha1.EgainClient, error) {
	ec := &egainv1alpha1.EgainClient{
		TypeMeta:   metav1.TypeMeta{APIVersion: egainv1alpha1.SchemeGroupVersion.String(), Kind: "EgainClient"},
		ObjectMeta: metav1.ObjectMeta{Name: c.Name, Namespace: c.Namespace},
		Spec: egainv1alpha1.EgainClientSpec{
			Scopes:         typed[egainv1alpha1.Scope](Words(c.Scopes)),
			RevokeOnDelete: ifTrue(c.RevokeOnDelete),
			Suspend:        ifTrue(c.Suspend),
			Renewal:        c.renewal(),
		},
	}
	for _, part := range []func(*egainv1alpha1.EgainClientSpec) error{c.flow, c.tenant, c.credentials, c.exchange, c.target} {
		if err := part(&ec.Spec); err != nil {
			return nil, err
		}
	}
	c.session(&ec.Spec)
	if c.OnBehalfOf != (egainv1alpha1.OnBehalfOf{}) {
		ec.Spec.OnBehalfOf = &c.OnBehalfOf
	}
	ec.Spec.Parameters = parameters(c.Parameters)
	return ec, nil
}

// parameters are nil if there are none, since the API accepts no empty map.
func parameters(given map[string]string) map[string]egainv1alpha1.ParameterValue {
	if len(given) == 0 {
		return nil
	}
	values := make(map[string]egainv1alpha1.ParameterValue, len(given))
	for name, value := range given {
		values[name] = egainv1alpha1.ParameterValue(value)
	}
	return values
}

// ParseFlow finds a flow by its name in any spelling, such as on-behalf-of.
func ParseFlow(name string) (egainv1alpha1.Flow, error) {
	plain := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
	for _, flow := range Flows {
		if strings.ToLower(string(flow)) == plain {
			return flow, nil
		}
	}
	return "", fmt.Errorf("unknown flow %q: use one of %s", name, join(Flows))
}

func join[T ~string](words []T) string {
	plain := make([]string, len(words))
	for i, word := range words {
		plain[i] = string(word)
	}
	return strings.Join(plain, ", ")
}

// flow sets the flow that is named or, if none is, the one that the other words belong to.
func (c Client) flow(spec *egainv1alpha1.EgainClientSpec) error {
	switch {
	case c.Flow != "":
		flow, err := ParseFlow(c.Flow)
		spec.Flow = flow
		return err
	case c.OnBehalfOf != (egainv1alpha1.OnBehalfOf{}):
		spec.Flow = egainv1alpha1.FlowOnBehalfOf
	case c.Exchange != (Exchange{}):
		spec.Flow = egainv1alpha1.FlowTokenExchange
	case c.logsIn():
		spec.Flow = egainv1alpha1.FlowAuthorizationCode
	default:
		spec.Flow = egainv1alpha1.FlowClientCredentials
	}
	return nil
}

func (c Client) tenant(spec *egainv1alpha1.EgainClientSpec) error {
	if c.Application != "" && c.TenantRef == "" {
		return fmt.Errorf("application %q needs an EgainTenant: pass --tenant-ref too", c.Application)
	}
	if c.TenantRef != "" {
		spec.TenantRef = &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(c.TenantRef), Application: egainv1alpha1.ApplicationName(c.Application)}
	}
	if c.empty() {
		return nil
	}
	bundle, err := c.caBundle()
	spec.Tenant = egainv1alpha1.Tenant{TenantLocation: c.location(), CABundleRef: bundle}
	return err
}

func (c Client) credentials(spec *egainv1alpha1.EgainClientSpec) error {
	if c.Credentials == "" {
		return nil
	}
	parts := strings.Split(c.Credentials, ":")
	ref := &egainv1alpha1.CredentialsSecretReference{Name: egainv1alpha1.SecretName(parts[0])}
	switch {
	case len(parts) == 3 && parts[0] != "" && parts[1] != "" && parts[2] != "":
		ref.ClientIDKey, ref.ClientSecretKey = egainv1alpha1.SecretKey(parts[1]), egainv1alpha1.SecretKey(parts[2])
	case len(parts) != 1:
		return fmt.Errorf("the credentials %q are not SECRET or SECRET:ID_KEY:SECRET_KEY, such as egain-app:client_id:client_secret", c.Credentials)
	}
	spec.CredentialsSecretRef = ref
	return nil
}

func (c Client) exchange(spec *egainv1alpha1.EgainClientSpec) error {
	if c.Exchange == (Exchange{}) {
		return nil
	}
	x := c.Exchange
	spec.TokenExchange = &egainv1alpha1.TokenExchange{RegistrationID: x.RegistrationID, SubjectTokenType: x.SubjectTokenType}
	subject := &spec.TokenExchange.SubjectToken
	if x.Secret != "" {
		name, key, found := strings.Cut(x.Secret, ":")
		if !found || name == "" || key == "" {
			return fmt.Errorf("the Secret of the subject token %q is not SECRET:KEY, such as okta-token:token", x.Secret)
		}
		subject.SecretKeyRef = &egainv1alpha1.SecretKeyReference{Name: egainv1alpha1.SecretName(name), Key: egainv1alpha1.SecretKey(key)}
	}
	if x.ServiceAccount != "" || x.Audience != "" || x.Life != 0 {
		subject.ServiceAccountToken = &egainv1alpha1.ServiceAccountToken{
			Name: egainv1alpha1.SecretName(x.ServiceAccount), Audience: x.Audience, ExpirationSeconds: int64(x.Life / time.Second),
		}
	}
	if x.Client != "" {
		subject.EgainClientRef = &egainv1alpha1.EgainClientReference{Name: egainv1alpha1.SecretName(x.Client)}
	}
	return nil
}

// session sets what flow AuthorizationCode needs. Each EgainClient has a session of its own, which is named after it unless
// another name is given.
func (c Client) session(spec *egainv1alpha1.EgainClientSpec) {
	if !c.logsIn() && spec.Flow != egainv1alpha1.FlowAuthorizationCode {
		return
	}
	secret := c.Session.Secret
	if secret == "" {
		secret = c.Name + "-session"
	}
	spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{
		Actor:            egainv1alpha1.Actor(c.Session.Actor),
		SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: egainv1alpha1.SecretName(secret)},
		RedirectURL:      egainv1alpha1.RedirectURL(c.Session.RedirectURL),
		Parameters:       parameters(c.LoginParameters),
	}
}

// logsIn reports whether words are those of flow AuthorizationCode.
func (c Client) logsIn() bool { return c.Session != (Session{}) || len(c.LoginParameters) > 0 }

func (c Client) target(spec *egainv1alpha1.EgainClientSpec) error {
	spec.Target = egainv1alpha1.Target{
		CreationPolicy: egainv1alpha1.CreationPolicy(c.Target.CreationPolicy),
		DeletionPolicy: egainv1alpha1.DeletionPolicy(c.Target.DeletionPolicy),
		Type:           c.Target.Type,
	}
	if c.Target.Secret != c.Name {
		spec.Target.SecretName = egainv1alpha1.SecretName(c.Target.Secret)
	}
	data := map[string]egainv1alpha1.Template{}
	for _, variable := range c.Target.EnvVars {
		name, field, named := strings.Cut(variable, "=")
		if !named {
			field = "AccessToken"
		}
		if !slices.Contains(Fields, field) {
			return fmt.Errorf("unknown field %q of variable %s: use one of %s", field, name, join(Fields))
		}
		data[name] = egainv1alpha1.Template("{{ ." + field + " }}")
	}
	if len(data) > 0 {
		spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: data}
	}
	return nil
}

func (c Client) renewal() *egainv1alpha1.Renewal {
	if c.RenewPercent == 0 && c.RenewBefore == 0 {
		return nil
	}
	renewal := &egainv1alpha1.Renewal{Percent: c.RenewPercent}
	if c.RenewBefore != 0 {
		renewal.Before = &metav1.Duration{Duration: c.RenewBefore}
	}
	return renewal
}

func ifTrue(b bool) *bool {
	if !b {
		return nil
	}
	return &b
}
