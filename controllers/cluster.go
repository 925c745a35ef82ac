package controllers

import (
	"context"
	"fmt"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// secrets gives the packages that own a kind of Secret what they need of the API server. It returns the API server's errors
// as they are.
type secrets struct{ client client.Client }

// Get reads a Secret live.
func (s secrets) Get(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := s.client.Get(ctx, name, secret); err != nil {
		return nil, err
	}
	return secret, nil
}

// ConfigMap reads a ConfigMap live.
func (s secrets) ConfigMap(ctx context.Context, name types.NamespacedName) (*corev1.ConfigMap, error) {
	configMap := &corev1.ConfigMap{}
	if err := s.client.Get(ctx, name, configMap); err != nil {
		return nil, err
	}
	return configMap, nil
}

// Apply applies a Secret and returns its metadata as stored. A Secret with a generateName instead of a name is created. The
// answer is read into the argument.
func (s secrets) Apply(ctx context.Context, secret *corev1ac.SecretApplyConfiguration, options metav1.ApplyOptions) (*metav1.ObjectMeta, error) {
	dryRun := len(options.DryRun) > 0
	if secret.Name == nil {
		return s.create(ctx, secret, dryRun)
	}
	with := []client.ApplyOption{client.FieldOwner(options.FieldManager)}
	if options.Force {
		with = append(with, client.ForceOwnership)
	}
	if dryRun {
		with = append(with, client.DryRunAll)
	}
	if err := s.client.Apply(ctx, secret, with...); err != nil {
		return nil, err
	}
	return &metav1.ObjectMeta{
		Namespace: ptr.Deref(secret.Namespace, ""), Name: ptr.Deref(secret.Name, ""), UID: ptr.Deref(secret.UID, ""),
		ResourceVersion: ptr.Deref(secret.ResourceVersion, ""), Annotations: secret.Annotations,
	}, nil
}

// create creates a Secret under a generated name.
func (s secrets) create(ctx context.Context, from *corev1ac.SecretApplyConfiguration, dryRun bool) (*metav1.ObjectMeta, error) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ptr.Deref(from.Namespace, ""), GenerateName: ptr.Deref(from.GenerateName, "")},
		Type:       ptr.Deref(from.Type, ""), Data: from.Data,
	}
	var with []client.CreateOption
	if dryRun {
		with = append(with, client.DryRunAll)
	}
	if err := s.client.Create(ctx, secret, with...); err != nil {
		return nil, err
	}
	return &secret.ObjectMeta, nil
}

// Delete deletes a Secret if it still has the given UID and resourceVersion.
func (s secrets) Delete(ctx context.Context, meta *metav1.ObjectMeta) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: meta.Namespace, Name: meta.Name}}
	return s.client.Delete(ctx, secret, client.Preconditions{UID: &meta.UID, ResourceVersion: &meta.ResourceVersion})
}

// MintToken mints a token of a ServiceAccount by the TokenRequest API.
func (s secrets) MintToken(ctx context.Context, name types.NamespacedName, audience string, expirationSeconds int64) (oauth.Secret, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	minted := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{audience}, ExpirationSeconds: &expirationSeconds,
	}}
	if err := s.client.SubResource("token").Create(ctx, account, minted); err != nil {
		return "", err
	}
	return oauth.Secret(minted.Status.Token), nil
}

// ReviewToken asks what the API server makes of a token.
func (s secrets) ReviewToken(ctx context.Context, token oauth.Secret) (*authenticationv1.TokenReviewStatus, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: string(token)}}
	if err := s.client.Create(ctx, review); err != nil {
		return nil, err
	}
	return &review.Status, nil
}

// clients looks up EgainClients, and what they name, in the cache.
type clients struct{ cache client.Reader }

// Client looks up an EgainClient.
func (c clients) Client(ctx context.Context, name types.NamespacedName) (*egainv1alpha1.EgainClient, error) {
	ec := &egainv1alpha1.EgainClient{}
	if err := c.cache.Get(ctx, name, ec); err != nil {
		return nil, err
	}
	return ec, nil
}

// SecretMetadata looks up the metadata of a Secret; nil if it does not exist.
func (c clients) SecretMetadata(ctx context.Context, name types.NamespacedName) (*metav1.ObjectMeta, error) {
	return metadata(ctx, c.cache, "Secret", name)
}

// Naming lists the EgainClients that name a Secret.
func (c clients) Naming(ctx context.Context, secret types.NamespacedName) ([]egainv1alpha1.EgainClient, error) {
	var all egainv1alpha1.EgainClientList
	err := c.cache.List(ctx, &all, client.InNamespace(secret.Namespace), client.MatchingFields{indexObjects: "Secret/" + secret.Name})
	return all.Items, err
}

// Tenants lists the EgainTenants, not to be changed.
func (c clients) Tenants(ctx context.Context) ([]egainv1alpha1.EgainTenant, error) {
	var all egainv1alpha1.EgainTenantList
	err := c.cache.List(ctx, &all, client.UnsafeDisableDeepCopy)
	return all.Items, err
}

// Exists reports whether an EgainClient exists.
func (c clients) Exists(ctx context.Context, name types.NamespacedName) (bool, error) {
	err := c.cache.Get(ctx, name, &egainv1alpha1.EgainClient{})
	return err == nil, client.IgnoreNotFound(err)
}

// metadata reads an object's metadata from the cache; nil if it does not exist.
func metadata(ctx context.Context, cache client.Reader, kind string, name types.NamespacedName) (*metav1.ObjectMeta, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	if err := cache.Get(ctx, name, object); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("looking up %s %q: %w", kind, name.Name, err)
	}
	return &object.ObjectMeta, nil
}

var namespaceKind = corev1.SchemeGroupVersion.WithKind("Namespace")

// findTenant finds the tenant of an EgainClient and refuses one that it may not use. The tenant is returned with a refusal
// too, so that a token that was issued before is still known for what it is.
func findTenant(ctx context.Context, cache client.Reader, rules *transport.Transport, ec *egainv1alpha1.EgainClient) (request.Tenant, error) {
	if ec.Spec.TenantRef == nil {
		t := request.Inline(ec)
		return t, rules.PermitTenant(t.Name)
	}
	et := &egainv1alpha1.EgainTenant{}
	name := string(ec.Spec.TenantRef.Name)
	if err := cache.Get(ctx, client.ObjectKey{Name: name}, et); apierrors.IsNotFound(err) {
		return request.Tenant{Name: name}, fault.New(fault.Waiting, egainv1alpha1.ReasonTenantNotFound, "waiting for EgainTenant %q: create it, or name another in spec.tenantRef", name)
	} else if err != nil {
		return request.Tenant{}, fmt.Errorf("looking up EgainTenant %q: %w", name, err)
	}
	var labels map[string]string
	if request.SelectsNamespaces(et, ec) {
		namespace := &metav1.PartialObjectMetadata{}
		namespace.SetGroupVersionKind(namespaceKind)
		if err := cache.Get(ctx, types.NamespacedName{Name: ec.Namespace}, namespace); err != nil {
			return request.Tenant{}, fmt.Errorf("looking up the namespace: %w", err)
		}
		labels = namespace.Labels
	}
	return request.Shared(et), request.Admit(et, ec, labels)
}

// watched reports whether the operator may look into a namespace.
func watched(namespaces []string, namespace string) bool {
	return len(namespaces) == 0 || slices.Contains(namespaces, namespace)
}
