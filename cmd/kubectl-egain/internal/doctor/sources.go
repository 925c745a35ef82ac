package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/internal/text"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// unreadable is a finding for what could not be read: that the user may not is no fault of the chain.
func unreadable(err error) Finding {
	next := "check with kubectl cluster-info that the cluster answers"
	if p, is := errors.AsType[*lookup.Error](err); is {
		next = p.Next
	}
	f := broken(err.Error(), next)
	if apierrors.IsForbidden(err) {
		f.Status, f.unseen = Warning, true
	}
	return f
}

func (e *examination) object(ctx context.Context) Finding {
	ec := &egainv1alpha1.EgainClient{}
	err := e.Cluster.Get(ctx, client.ObjectKey{Namespace: e.Namespace, Name: e.Name}, ec)
	switch {
	case apierrors.IsNotFound(err):
		return broken(fmt.Sprintf("EgainClient %q not found in namespace %q", e.Name, e.Namespace), "list EgainClients with kubectl egain status -n "+e.Namespace)
	case err != nil:
		return Finding{Status: Broken, Message: "reading the EgainClient: " + err.Error(), Advice: "check with kubectl cluster-info that the cluster answers, and with kubectl auth can-i --list what you may read"}
	}
	e.client, e.draft = ec, request.For(ec)
	switch {
	case ec.DeletionTimestamp != nil:
		return warning("it is being deleted", "its token is not renewed any more; create it again if it was deleted by mistake")
	case ec.Suspended():
		return warning("it is suspended: its token is not renewed", "run kubectl egain resume "+ec.Name)
	default:
		return ok(fmt.Sprintf("flow %s, accepted by the API server", ec.Spec.Flow))
	}
}

func (e *examination) tenancy(ctx context.Context) Finding {
	tenant, err := lookup.Tenant(ctx, e.Cluster, e.client)
	e.tenant = tenant
	switch {
	case err != nil:
		return unreadable(err)
	case tenant.Name == "":
		return ok("defined in spec.tenant")
	case !e.scopesJudged():
		return ok(fmt.Sprintf("EgainTenant %q allows the namespace", tenant.Name))
	default:
		return ok(fmt.Sprintf("EgainTenant %q allows the namespace and the scopes", tenant.Name))
	}
}

// scopesJudged reports whether scopes were compared with those that the EgainTenant allows. That takes the scope prefix, which
// only a document may say: then the check of the endpoints compares them.
func (e *examination) scopesJudged() bool {
	t := e.tenant.OAuth()
	_, known := e.tenant.KnownFor(e.actor())
	return len(e.tenant.AllowedScopes) == 0 || known || !t.Discovers() || t.For(e.actor()).ScopePrefix != ""
}

func hasCredentials(e *examination) bool { return e.client.Spec.CredentialsSecretRef != nil }

func (e *examination) credentials(ctx context.Context) Finding {
	creds, err := lookup.Credentials(ctx, e.Cluster, e.client, e.labelled())
	if err != nil {
		return e.withheld(err)
	}
	e.secrets.Credentials = creds
	ref := e.client.Spec.CredentialsSecretRef
	for key, value := range map[egainv1alpha1.SecretKey]string{ref.ClientIDKey: creds.ClientID, ref.ClientSecretKey: string(creds.ClientSecret)} {
		if text.Quoted(value) || strings.TrimSpace(value) != value {
			return warning(fmt.Sprintf("the value of %s in Secret %q starts or ends with a quotation mark or space, which is sent too", key, ref.Name),
				"store the value without it, unless eGain shows it")
		}
	}
	if creds.ClientSecret == "" {
		return ok(fmt.Sprintf("Secret %q contains %s (%s) and no client secret", ref.Name, ref.ClientIDKey, creds.ClientID))
	}
	return ok(fmt.Sprintf("Secret %q contains %s (%s) and %s", ref.Name, ref.ClientIDKey, creds.ClientID, ref.ClientSecretKey))
}

func hasSession(e *examination) bool { return e.client.Spec.AuthorizationCode != nil }

func (e *examination) session(ctx context.Context) Finding {
	login := fmt.Sprintf("log in with kubectl egain login %s --namespace %s", e.Name, e.Namespace)
	name := string(e.client.Spec.AuthorizationCode.SessionSecretRef.Name)
	secret, err := lookup.Secret(ctx, e.Cluster, e.Namespace, name, login)
	if err != nil {
		return unreadable(err)
	}
	if _, err := session.RefreshToken(secret, client.ObjectKeyFromObject(e.client)); err != nil {
		return broken(err.Error(), login)
	}
	expires := session.Expiration(secret, e.Clock.Now())
	switch {
	case expires.IsZero():
		return ok(fmt.Sprintf("Secret %q contains a refresh token", name))
	case !expires.After(e.Clock.Now()):
		return broken(fmt.Sprintf("the refresh token in Secret %q expired at %s", name, expires.UTC().Format(time.RFC3339)), login)
	default:
		return ok(fmt.Sprintf("Secret %q contains a refresh token, valid until %s", name, expires.UTC().Format(time.RFC3339)))
	}
}

func hasSubject(e *examination) bool { return e.client.Spec.TokenExchange != nil }

func (e *examination) subject(ctx context.Context) Finding {
	from := e.client.Spec.TokenExchange.SubjectToken
	switch {
	case from.ServiceAccountToken != nil:
		return e.subjectAccount(ctx, string(from.ServiceAccountToken.Name))
	case from.EgainClientRef != nil:
		return e.subjectClient(ctx, string(from.EgainClientRef.Name))
	}
	ref := from.SecretKeyRef
	secret, err := lookup.Secret(ctx, e.Cluster, e.Namespace, string(ref.Name), "create it, or name another in spec.tokenExchange.subjectToken.secretKeyRef")
	if err != nil {
		return unreadable(err)
	}
	if err := e.admitSecret(secret); err != nil {
		return e.withheld(err)
	}
	if e.secrets.SubjectToken, err = request.SubjectTokenFrom(secret, ref); err != nil {
		return broken(err.Error(), "store the token there, or correct spec.tokenExchange.subjectToken.secretKeyRef")
	}
	return ok(fmt.Sprintf("Secret %q contains %s", ref.Name, ref.Key))
}

// withheld is unreadable for a Secret that may not be sent. While the operator's flags are not known, that is no break: it may send it.
func (e *examination) withheld(err error) Finding {
	found := unreadable(err)
	flags, _ := e.Installation.Flags()
	if f := fault.Of(err); flags == nil && f != nil && f.Reason == egainv1alpha1.ReasonSecretNotLabelled {
		found.Status, found.unseen = Warning, true
	}
	return found
}

// admitSecret refuses a Secret that the operator would not send.
func (e *examination) admitSecret(secret *corev1.Secret) error {
	if !e.labelled() {
		return nil
	}
	return lookup.Labelled(secret)
}

func (e *examination) subjectAccount(ctx context.Context, name string) Finding {
	account := &corev1.ServiceAccount{}
	err := e.Cluster.Get(ctx, client.ObjectKey{Namespace: e.Namespace, Name: name}, account)
	switch {
	case apierrors.IsNotFound(err):
		return broken(fmt.Sprintf("ServiceAccount %q not found", name), "create it, or name another in spec.tokenExchange.subjectToken.serviceAccountToken")
	case err != nil:
		return Finding{Status: Warning, Message: fmt.Sprintf("reading ServiceAccount %q: %s", name, err)}
	default:
		return ok(fmt.Sprintf("ServiceAccount %q exists; the operator mints its token", name))
	}
}

func (e *examination) subjectClient(ctx context.Context, name string) Finding {
	next := "check it with kubectl egain doctor " + name
	other := &egainv1alpha1.EgainClient{}
	err := e.Cluster.Get(ctx, client.ObjectKey{Namespace: e.Namespace, Name: name}, other)
	switch {
	case apierrors.IsNotFound(err):
		return broken(fmt.Sprintf("EgainClient %q not found in namespace %q", name, e.Namespace), "create it, or name another in spec.tokenExchange.subjectToken.egainClientRef")
	case err != nil:
		return unreadable(fmt.Errorf("reading EgainClient %q: %w", name, err))
	}
	secret, err := lookup.Secret(ctx, e.Cluster, e.Namespace, other.TargetName(), next)
	if err != nil {
		return unreadable(err)
	}
	reading, err := target.Read(secret)
	if err != nil || reading.Token == nil || !reading.Token.Valid(e.Clock.Now()) {
		return broken(fmt.Sprintf("EgainClient %q has no valid token to exchange", name), next)
	}
	if err := e.admitSecret(secret); err != nil {
		return e.withheld(err)
	}
	e.secrets.SubjectToken = reading.Token.AccessToken
	return ok(fmt.Sprintf("EgainClient %q has a valid token", name))
}

func (e *examination) caBundle(ctx context.Context) Finding {
	bundle, err := lookup.CABundle(ctx, e.Cluster, e.tenant.CABundleRef)
	if err != nil {
		return unreadable(err)
	}
	e.bundle = bundle
	e.http, err = e.HTTP(e.tenant.Name, bundle, requestTimeout)
	if f := fault.Of(err); f != nil && f.Reason == egainv1alpha1.ReasonCABundleInvalid { // a rule's refusal is for the check of the flags
		return broken(err.Error(), "store the complete certificate of the CA there, as PEM")
	}
	parsed, err := transport.ParseBundle(bundle)
	switch {
	case err != nil: // e.HTTP would have failed
	case len(parsed.Skipped) > 0:
		return warning(fmt.Sprintf("%s %q contains certificates, but %s", e.tenant.CABundleRef.Kind, e.tenant.CABundleRef.Name, strings.Join(parsed.Skipped, ", ")),
			"replace the invalid certificate; the rest of the CA bundle is trusted")
	}
	if e.tenant.CABundleRef == nil {
		return ok("none: the system's certificates are trusted, in these checks those of this machine")
	}
	return ok(fmt.Sprintf("%s %q contains certificates", e.tenant.CABundleRef.Kind, e.tenant.CABundleRef.Name))
}
