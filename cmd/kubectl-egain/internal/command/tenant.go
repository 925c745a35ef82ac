package command

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// caBundle reads the PEM certificates that an EgainClient's tenant is trusted by; nil stands for the system's.
func (e *environment) caBundle(ctx context.Context, ec *egainv1alpha1.EgainClient) ([]byte, error) {
	if ec.Spec.TenantRef != nil {
		return e.sharedCABundle(ctx, string(ec.Spec.TenantRef.Name))
	}
	if ref := ec.Spec.Tenant.CABundleRef; ref != nil {
		return e.readCABundle(ctx, ec.Namespace, ref)
	}
	return nil, nil
}

// sharedCABundle reads that of an EgainTenant.
func (e *environment) sharedCABundle(ctx context.Context, name string) ([]byte, error) {
	c, err := e.cluster()
	if err != nil {
		return nil, err
	}
	tenant := &egainv1alpha1.EgainTenant{}
	switch err := c.Get(ctx, client.ObjectKey{Name: name}, tenant); {
	case apierrors.IsNotFound(err):
		return nil, advise(fmt.Errorf("there is no EgainTenant %q", name), "list those that there are with kubectl get egaintenants, and correct spec.tenantRef")
	case err != nil:
		return nil, fmt.Errorf("reading EgainTenant %q, which may name a CA bundle: %w", name, err)
	}
	if ref := tenant.Spec.CABundleRef; ref != nil {
		return e.readCABundle(ctx, string(ref.Namespace), &ref.CABundleReference)
	}
	return nil, nil
}

func (e *environment) readCABundle(ctx context.Context, namespace string, ref *egainv1alpha1.CABundleReference) ([]byte, error) {
	c, err := e.cluster()
	if err != nil {
		return nil, err
	}
	name, key := client.ObjectKey{Namespace: namespace, Name: string(ref.Name)}, string(ref.Key)
	var bundle []byte
	if ref.Kind == "Secret" {
		secret := &corev1.Secret{}
		err = c.Get(ctx, name, secret)
		bundle = secret.Data[key]
	} else {
		configMap := &corev1.ConfigMap{}
		err = c.Get(ctx, name, configMap)
		bundle = []byte(configMap.Data[key])
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, advise(fmt.Errorf("there is no %s %q with the CA bundle of the tenant", ref.Kind, name), "create it, or correct caBundleRef")
	case err != nil:
		return nil, fmt.Errorf("reading the CA bundle from %s %q: %w", ref.Kind, name, err)
	case len(bundle) == 0:
		return nil, advise(fmt.Errorf("%s %q has nothing under the key %q", ref.Kind, name, key), "put PEM certificates there, or correct caBundleRef")
	}
	return bundle, nil
}
