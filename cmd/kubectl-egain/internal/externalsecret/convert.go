package externalsecret

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// Options change what an ExternalSecret says.
type Options struct {
	// Scopes to ask for instead of those of the webhook.
	Scopes []string
	// Target is the Secret to keep the token in instead of the ExternalSecret's.
	Target string
}

// Conversion is what replaces an ExternalSecret.
type Conversion struct {
	Client *egainv1alpha1.EgainClient
	// CABundle holds the certificates that the webhook trusts, if they stand in it; nil otherwise.
	CABundle *corev1.ConfigMap
	// Notes say what could not be carried over, or is different, and what to do about it.
	Notes []string
	// Steps hand the Secret over, in order.
	Steps []string
}

// converter holds a conversion that is being made.
type converter struct {
	object  *unstructured.Unstructured
	spec    spec
	webhook *webhook
	request *request
	entries []entry
	options Options
	out     *Conversion
}

// Convert says an ExternalSecret as an EgainClient. It fails if what it fetches is no token that an EgainClient can keep.
// Whether the API accepts the EgainClient is for the API to say.
func Convert(object *unstructured.Unstructured, find Find, options Options) (*Conversion, error) {
	c := &converter{object: object, options: options, out: &Conversion{Client: &egainv1alpha1.EgainClient{
		TypeMeta:   metav1.TypeMeta{APIVersion: egainv1alpha1.SchemeGroupVersion.String(), Kind: "EgainClient"},
		ObjectMeta: metav1.ObjectMeta{Name: object.GetName(), Namespace: object.GetNamespace()},
	}}}
	if err := c.read(find); err != nil {
		return nil, err
	}
	for _, part := range []func() error{c.flow, c.tenant, c.target} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	c.credentials()
	c.scopes()
	c.parameters()
	c.leftBehind()
	c.handOver()
	return c.out, nil
}

func (c *converter) notef(format string, args ...any) {
	c.out.Notes = append(c.out.Notes, fmt.Sprintf(format, args...))
}

func (c *converter) read(find Find) error {
	err := decode(c.object, &c.spec, "spec")
	if err != nil {
		return err
	}
	if c.entries, err = c.spec.entries(); err != nil {
		return err
	}
	source := c.entries[0].source
	if c.webhook, err = webhookOf(source, c.object.GetNamespace(), find); err != nil {
		return err
	}
	for _, e := range c.entries {
		r, err := c.webhook.render(e, c.object.GetNamespace())
		if err != nil {
			return err
		}
		if c.request != nil && !c.request.same(r) {
			return fmt.Errorf("it sends different requests for its keys, but an EgainClient has one token: split it into one ExternalSecret for each")
		}
		c.request = r
	}
	if c.request.form.Get("grant_type") == "" {
		return fmt.Errorf("%s fetches no token: its request has no grant_type (RFC 6749 section 4)", source)
	}
	return nil
}

// grants are the grant types that eGain's flows use.
const (
	grantClientCredentials = "client_credentials"
	grantPassword          = "password"
	grantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"
	grantRefreshToken      = "refresh_token"
	grantAuthorizationCode = "authorization_code"
)

func (c *converter) flow() error {
	spec := &c.out.Client.Spec
	switch grant := c.request.form.Get("grant_type"); grant {
	case grantClientCredentials:
		spec.Flow = egainv1alpha1.FlowClientCredentials
		if strings.Contains(c.request.url, "/anonymous/token") {
			spec.Flow = egainv1alpha1.FlowAnonymousCustomer
		}
	case grantPassword:
		return c.onBehalfOf(spec)
	case grantTokenExchange:
		return c.exchange(spec)
	case grantRefreshToken, grantAuthorizationCode:
		c.session(spec)
	default:
		if c.request.secretIn(grant) {
			grant = "of a Secret"
		}
		return fmt.Errorf("the webhook uses grant_type %q, which no flow of eGain uses", grant)
	}
	return nil
}

func (c *converter) onBehalfOf(spec *egainv1alpha1.EgainClientSpec) error {
	spec.Flow = egainv1alpha1.FlowOnBehalfOf
	who := egainv1alpha1.OnBehalfOf{
		Username: c.request.form.Get("subject_username"), UserID: c.request.form.Get("subject_userid"), Email: c.request.form.Get("subject_email"),
	}
	if who == (egainv1alpha1.OnBehalfOf{}) {
		return errors.New("the webhook logs a person in with a password, which eGain does not offer: use flow OnBehalfOf or AuthorizationCode, with kubectl egain create client")
	}
	if c.request.secretIn(who.Username + " " + who.UserID + " " + who.Email) {
		return errors.New("the person to act for is in a Secret, and an EgainClient names the person itself: write it with kubectl egain create client --on-behalf-of-username")
	}
	spec.OnBehalfOf = &who
	return nil
}

func (c *converter) exchange(spec *egainv1alpha1.EgainClientSpec) error {
	spec.Flow = egainv1alpha1.FlowTokenExchange
	subject, ok := c.request.values[c.request.form.Get("subject_token")]
	if !ok {
		return errors.New("the subject token is not the value of one key of a Secret: keep it in a Secret, or have it minted for a ServiceAccount, and write the EgainClient with kubectl egain create client --subject-secret or --subject-service-account")
	}
	c.sameNamespace(subject.secret, "tokenExchange.subjectToken.secretKeyRef")
	registration := c.request.form.Get("registration_id")
	if registration == "" || c.request.secretIn(registration) {
		return errors.New("the webhook names no registration_id, which eGain needs to exchange a token: write the EgainClient with kubectl egain create client --registration-id")
	}
	spec.TokenExchange = &egainv1alpha1.TokenExchange{
		RegistrationID:   registration,
		SubjectTokenType: c.request.form.Get("subject_token_type"),
		SubjectToken: egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{
			Name: egainv1alpha1.SecretName(subject.secret.Name), Key: egainv1alpha1.SecretKey(subject.key),
		}},
	}
	return nil
}

func (c *converter) session(spec *egainv1alpha1.EgainClientSpec) {
	spec.Flow = egainv1alpha1.FlowAuthorizationCode
	session := c.object.GetName() + "-session"
	spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: egainv1alpha1.SecretName(session)}}
	redirect := c.request.form.Get("redirect_uri")
	if redirect != "" && !c.request.secretIn(redirect) {
		spec.AuthorizationCode.RedirectURL = egainv1alpha1.RedirectURL(redirect)
	}
	c.notef("The webhook's code or refresh token is not carried over, since eGain replaces a refresh token whenever it is used: log in once with kubectl egain login %s, which writes Secret %s.", c.object.GetName(), session)
	c.notef("If a customer logs in rather than a user, set spec.authorizationCode.actor to Customer. If kubectl egain login does not find where to log in, set spec.tenant.endpoints.authorizationURL.")
}

func (c *converter) tenant() error {
	if c.request.secretIn(c.request.url) {
		return errors.New("the webhook's URL holds a value of a Secret, and an EgainClient names its token URL itself: write it with kubectl egain create client --token-url")
	}
	tenant := &c.out.Client.Spec.Tenant
	tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(c.request.url)}
	c.notef("The token URL is kept as the webhook has it. With spec.tenant.metadataURL, spec.tenant.id or spec.tenantRef instead, the operator finds it itself, and the API URL as well, which the key api_url of the target lacks until then.")
	switch ca := c.webhook.CAProvider; {
	case ca != nil:
		tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: ca.Type, Name: egainv1alpha1.SecretName(ca.Name), Key: egainv1alpha1.SecretKey(ca.Key)}
		c.sameNamespace(secretRef{ca.Name, ca.Namespace}, "tenant.caBundleRef")
	case len(c.webhook.CABundle) > 0:
		name := c.object.GetName() + "-ca"
		tenant.CABundleRef = &egainv1alpha1.CABundleReference{Name: egainv1alpha1.SecretName(name)}
		c.out.CABundle = &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.object.GetNamespace()},
			Data:       map[string]string{"ca.crt": string(c.webhook.CABundle)},
		}
	}
	return nil
}

// sameNamespace notes an object that an EgainClient cannot reach.
func (c *converter) sameNamespace(r secretRef, field string) {
	if r.Namespace != "" && r.Namespace != c.object.GetNamespace() {
		c.notef("spec.%s names %s, which is in namespace %s: an EgainClient reads its own namespace only, so copy it there.", field, r.Name, r.Namespace)
	}
}

// credentials finds the Secret with the client id and the client secret.
func (c *converter) credentials() {
	id, secret := c.request.form.Get("client_id"), c.request.form.Get("client_secret")
	if user, password, ok := c.request.basic(); ok && secret == "" {
		id, secret = user, password
		c.notef("The webhook sends the client id and secret as Basic authentication. The operator sends them in the body, which is the way that eGain documents.")
	}
	if id != "" || secret != "" || c.out.Client.Spec.Flow != egainv1alpha1.FlowAnonymousCustomer {
		c.referTo(id, secret)
	}
}

// referTo refers to the Secret that holds a client id and a client secret, or to one that is to be made.
func (c *converter) referTo(id, secret string) {
	idValue, idKept := c.request.values[id]
	secretValue, secretKept := c.request.values[secret]
	switch {
	case idKept && secretKept && idValue.secret == secretValue.secret:
		c.refer(secretValue.secret, idValue.key, secretValue.key)
	case secretKept:
		c.refer(secretValue.secret, "", secretValue.key)
		c.notef("The client id is not in Secret %s: add it there under the key client_id, since an EgainClient reads both from one Secret.", secretValue.secret.Name)
	case idKept && secret == "":
		c.refer(idValue.secret, idValue.key, "")
	default:
		c.credentialsToMake(id, secret)
	}
}

func (c *converter) refer(secret secretRef, idKey, secretKey string) {
	c.out.Client.Spec.CredentialsSecretRef = &egainv1alpha1.CredentialsSecretReference{
		Name: egainv1alpha1.SecretName(secret.Name), ClientIDKey: egainv1alpha1.SecretKey(idKey), ClientSecretKey: egainv1alpha1.SecretKey(secretKey),
	}
	c.sameNamespace(secret, "credentialsSecretRef")
}

// credentialsToMake is for credentials that no Secret holds as they are.
func (c *converter) credentialsToMake(id, secret string) {
	name := c.object.GetName() + "-credentials"
	c.refer(secretRef{Name: name}, "", "")
	switch {
	case secret != "" && !c.request.secretIn(secret):
		c.notef("The client secret is in %s in clear text, where every reader sees it. Create a new one in the eGain console, then create Secret %s with the keys client_id and client_secret.", c.entries[0].source, name)
	case secret == "" && id == "":
		c.notef("The webhook sends no client id: create Secret %s with the keys client_id and client_secret.", name)
	default:
		c.notef("The client id and secret are not single keys of a Secret: create Secret %s with the keys client_id and client_secret.", name)
	}
}

func (c *converter) scopes() {
	scopes := c.options.Scopes
	if len(scopes) == 0 {
		scopes = strings.Fields(c.request.form.Get("scope"))
	}
	if len(scopes) == 0 && c.out.Client.Spec.Flow != egainv1alpha1.FlowTokenExchange {
		c.notef("The webhook requests no scope, which eGain needs: pass the scopes with --scope.")
	}
	for _, scope := range scopes {
		if !slices.Contains(c.out.Client.Spec.Scopes, egainv1alpha1.Scope(scope)) {
			c.out.Client.Spec.Scopes = append(c.out.Client.Spec.Scopes, egainv1alpha1.Scope(scope))
		}
	}
}

// carried are the parameters that have fields of their own, or that a flow sets itself.
var carried = []string{
	"grant_type", "scope", "client_id", "client_secret", "subject_username", "subject_userid", "subject_email",
	"subject_token", "subject_token_type", "registration_id", "redirect_uri", "refresh_token", "code", "code_verifier",
}

// refused are the parameters that an EgainClient may not have, since they are credentials.
var refused = []string{"username", "password", "client_assertion", "client_assertion_type", "assertion", "actor_token", "device_code"}

func (c *converter) parameters() {
	for _, name := range slices.Sorted(maps.Keys(c.request.form)) {
		switch {
		case slices.Contains(carried, name):
		case slices.Contains(refused, name), c.request.secretIn(c.request.form.Get(name)):
			c.notef("The parameter %s is not carried over, since it is a credential or made from a Secret: an EgainClient authenticates by its client id and secret.", name)
		default:
			if c.out.Client.Spec.Parameters == nil {
				c.out.Client.Spec.Parameters = map[string]egainv1alpha1.ParameterValue{}
			}
			c.out.Client.Spec.Parameters[name] = egainv1alpha1.ParameterValue(c.request.form.Get(name))
		}
	}
}

// ownHeaders are those that the operator sends itself.
var ownHeaders = []string{"Accept", "Content-Type", "Authorization"}

// leftBehind notes what has no place in an EgainClient.
func (c *converter) leftBehind() {
	for _, name := range slices.Sorted(maps.Keys(c.request.headers)) {
		if !slices.Contains(ownHeaders, name) {
			c.notef("The header %s is not carried over: a token request of eGain needs none.", name)
		}
	}
	if _, _, basic := c.request.basic(); c.request.headers["Authorization"] != "" && !basic {
		c.notef("The header Authorization is not carried over: the operator authenticates by the client id and secret in the body.")
	}
	if c.request.method != http.MethodPost {
		c.notef("The webhook sends %s; the operator sends POST (RFC 6749 section 3.2).", c.request.method)
	}
	if len(c.webhook.Auth) > 0 {
		c.notef("The webhook's auth (NTLM) is not carried over: eGain does not use it.")
	}
	if c.webhook.Timeout != "" {
		c.notef("The webhook's timeout is not carried over: the operator's is --request-timeout.")
	}
	if c.spec.RefreshInterval != "" || c.spec.RefreshPolicy != "" {
		c.notef("refreshInterval and refreshPolicy are not needed: the operator renews after two thirds of the token's lifetime, unless spec.renewal sets another time.")
	}
	if c.spec.Target.Immutable {
		c.notef("target.immutable is not carried over: a token is replaced in place.")
	}
}
