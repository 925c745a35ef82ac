package controllers

import (
	"context"
	"fmt"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egress"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/issuance"
	"github.com/egain-operator/egain-operator/internal/kubesecret"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
)

// ingredients are what a token request is made of, read for this one request and dropped after it.
type ingredients struct {
	http    *http.Client
	request oauth.Request
	sources sources
	// complete says that nothing is left to be read.
	complete bool
}

// digest covers what was read from Secrets. A token minted for a ServiceAccount differs each time and is left out.
func (in *ingredients) digest() uint64 {
	subject := in.request.Exchange.SubjectToken
	switch {
	case in.sources.session != nil:
		// Not the refresh token, which is another each time.
		subject = oauth.Secret(session.ID(in.sources.session))
	case in.sources.subject == nil:
		subject = ""
	}
	return digest(in.request.Credentials.ClientID, string(in.request.Credentials.ClientSecret), string(subject))
}

// endpoint is where the token request goes.
func (in *ingredients) endpoint() egress.Endpoint {
	return egress.Endpoint{Client: in.http, URL: in.request.TokenURL}
}

// begin makes the part of a token request that holds no secret. The CA bundle is read only if its version is another one, or unknown.
func (r *EgainClientReconciler) begin(ctx context.Context, ec *egainv1alpha1.EgainClient, tenant issuance.Tenant, trust string) (*ingredients, error) {
	hc, err := r.Providers.http(ctx, tenant, trust)
	return &ingredients{request: issuance.Request(ec), http: hc}, err
}

// read reads the rest of it from the API server, live, unless that was done.
func (r *EgainClientReconciler) read(ctx context.Context, ec *egainv1alpha1.EgainClient, in *ingredients) error {
	if in.complete {
		return nil
	}
	for _, read := range []func(context.Context, *egainv1alpha1.EgainClient, *ingredients) error{
		r.readCredentials, r.readSubject, r.readSession,
	} {
		if err := read(ctx, ec, in); err != nil {
			return err
		}
	}
	in.complete = true
	return nil
}

func (r *EgainClientReconciler) readCredentials(ctx context.Context, ec *egainv1alpha1.EgainClient, in *ingredients) error {
	ref := ec.Spec.CredentialsSecretRef
	if ref == nil {
		return nil
	}
	secret, err := r.secret(ctx, ec, string(ref.Name), credentialsMissing)
	if err != nil {
		return err
	}
	in.sources.credentials = &secret.ObjectMeta
	// A public client has no secret (RFC 6749 section 2.1), and eGain's anonymous customers need none.
	optional := ec.Spec.Flow == egainv1alpha1.FlowAnonymousCustomer || ec.Spec.Flow == egainv1alpha1.FlowAuthorizationCode
	in.request.Credentials, err = kubesecret.Credentials(secret, ref, optional)
	return err
}

func (r *EgainClientReconciler) readSubject(ctx context.Context, ec *egainv1alpha1.EgainClient, in *ingredients) error {
	if ec.Spec.TokenExchange == nil {
		return nil
	}
	from := ec.Spec.TokenExchange.SubjectToken
	if from.ServiceAccountToken != nil {
		token, err := r.serviceAccountToken(ctx, ec)
		in.request.Exchange.SubjectToken = token
		return err
	}
	name, err := r.subjectSecret(ctx, ec)
	if err != nil {
		return err
	}
	secret, err := r.secret(ctx, ec, name, subjectMissing)
	if err != nil {
		return err
	}
	in.sources.subject = &secret.ObjectMeta
	if from.EgainClientRef != nil {
		in.request.Exchange.SubjectToken, err = r.subjectToken(secret, string(from.EgainClientRef.Name))
		return err
	}
	in.request.Exchange.SubjectToken, err = kubesecret.SubjectToken(secret, from.SecretKeyRef)
	return err
}

func (r *EgainClientReconciler) secret(ctx context.Context, ec *egainv1alpha1.EgainClient, name string, missing func(string) error) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: ec.Namespace, Name: name}, secret); apierrors.IsNotFound(err) {
		return nil, missing(name)
	} else if err != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", name, err)
	}
	return secret, nil
}

// serviceAccountToken mints the subject token by the TokenRequest API.
func (r *EgainClientReconciler) serviceAccountToken(ctx context.Context, ec *egainv1alpha1.EgainClient) (oauth.Secret, error) {
	spec := ec.Spec.TokenExchange.SubjectToken.ServiceAccountToken
	if err := r.refuseBeforeMinting(ctx, spec.Audience); err != nil {
		return "", err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ec.Namespace, Name: string(spec.Name)}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{spec.Audience}, ExpirationSeconds: &spec.ExpirationSeconds,
	}}
	err := r.Client.SubResource("token").Create(ctx, account, request)
	switch {
	case apierrors.IsNotFound(err):
		return "", fault.New(fault.Retryable, egainv1alpha1.ReasonSubjectTokenNotFound, "ServiceAccount %q does not exist: create it, or name the right one in tokenExchange.subjectToken.serviceAccountToken", spec.Name)
	case apierrors.IsForbidden(err):
		return "", fault.New(fault.Retryable, egainv1alpha1.ReasonSubjectTokenForbidden, "the operator may not mint tokens for ServiceAccount %q: grant it create on serviceaccounts/token, by a Role in this namespace or by the component service-account-tokens of its installation", spec.Name)
	case err != nil:
		return "", fmt.Errorf("minting a token for ServiceAccount %q: %w", spec.Name, err)
	}
	token := oauth.Secret(request.Status.Token)
	return token, r.refuseAfterMinting(ctx, spec.Audience, token)
}
