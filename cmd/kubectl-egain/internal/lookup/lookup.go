// Package lookup reads from the cluster what a token request of an EgainClient is made of: its tenant, its credentials and
// the certificates to trust. It reads live and as the user who runs the plugin, who may not see all that the operator sees.
package lookup

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// Error says what is wrong in the cluster, and what to do about it.
type Error struct {
	// What is wrong and Next, the thing to do, are sentences without a full stop.
	What, Next string
	cause      error
}

// Error returns what is wrong.
func (p *Error) Error() string { return p.What }

// Unwrap returns the error of the API server, or the failure, behind it.
func (p *Error) Unwrap() error { return p.cause }

// Tenant finds the tenant of an EgainClient, and refuses one that it may not use. The tenant is returned with a refusal too.
func Tenant(ctx context.Context, c client.Reader, ec *egainv1alpha1.EgainClient) (request.Tenant, error) {
	if ec.Spec.TenantRef == nil {
		return request.Inline(ec), nil
	}
	et := &egainv1alpha1.EgainTenant{}
	name := string(ec.Spec.TenantRef.Name)
	if err := c.Get(ctx, client.ObjectKey{Name: name}, et); err != nil {
		return request.Tenant{Name: name}, problem(err, fmt.Sprintf("EgainTenant %q", name),
			"create it, or name another in spec.tenantRef; list them with kubectl get egaintenants")
	}
	var labels map[string]string
	if request.SelectsNamespaces(et, ec) {
		namespace := &corev1.Namespace{}
		if err := c.Get(ctx, client.ObjectKey{Name: ec.Namespace}, namespace); err != nil {
			return request.Shared(et), problem(err, fmt.Sprintf("Namespace %q", ec.Namespace), "create it")
		}
		labels = namespace.Labels
	}
	if err := request.Admit(et, ec, labels); err != nil {
		return request.Shared(et), &Error{What: err.Error(), Next: "see what it allows with kubectl get egaintenant " + name + " -o yaml", cause: err}
	}
	return request.Shared(et), nil
}

// Credentials reads the credentials of an EgainClient; none if it names no Secret for them. Under --require-application the Secret must
// be labelled.
func Credentials(ctx context.Context, c client.Reader, ec *egainv1alpha1.EgainClient, labelled bool) (oauth.Credentials, error) {
	ref := ec.Spec.CredentialsSecretRef
	if ec.Application() != "" {
		return oauth.Credentials{}, &Error{
			What: fmt.Sprintf("only the operator uses the credentials of application %q of EgainTenant %q", ec.Application(), ec.Spec.TenantRef.Name),
			Next: "see the operator's requests with kubectl -n " + ec.Namespace + " describe egainclient " + ec.Name,
		}
	}
	if ref == nil {
		return oauth.Credentials{}, nil
	}
	create := fmt.Sprintf("kubectl -n %s create secret generic %s --from-literal=%s=ID --from-literal=%s=SECRET",
		ec.Namespace, ref.Name, ref.ClientIDKey, ref.ClientSecretKey)
	secret, err := Secret(ctx, c, ec.Namespace, string(ref.Name), create)
	if err != nil {
		return oauth.Credentials{}, err
	}
	if labelled {
		if err := Labelled(secret); err != nil {
			return oauth.Credentials{}, err
		}
	}
	creds, err := request.CredentialsFrom(secret, ref, request.SecretOptional(&ec.Spec))
	if err != nil {
		return creds, &Error{What: err.Error(), Next: "see its keys, without values, with kubectl -n " + ec.Namespace + " describe secret " + secret.Name, cause: err}
	}
	return creds, nil
}

// ApplicationCredentials reads the credentials of an application of an EgainTenant, as a user who may.
func ApplicationCredentials(ctx context.Context, c client.Reader, et *egainv1alpha1.EgainTenant, name string) (oauth.Credentials, error) {
	at := slices.IndexFunc(et.Spec.Applications, func(a egainv1alpha1.Application) bool { return string(a.Name) == name })
	if at < 0 {
		return oauth.Credentials{}, &Error{
			What: fmt.Sprintf("EgainTenant %q has no application %q", et.Name, name),
			Next: "list its applications with kubectl get egaintenant " + et.Name + " -o yaml",
		}
	}
	ref := &et.Spec.Applications[at].CredentialsSecretRef
	secret, err := Secret(ctx, c, string(ref.Namespace), string(ref.Name), "correct credentialsSecretRef of the application, or create it")
	if err != nil {
		return oauth.Credentials{}, err
	}
	creds, err := request.CredentialsFrom(secret, ref.Keys(), false)
	if err != nil {
		return creds, &Error{What: err.Error(), Next: "see its keys, without values, with kubectl -n " + secret.Namespace + " describe secret " + secret.Name, cause: err}
	}
	return creds, nil
}

// Labelled refuses a Secret that --require-application of the operator refuses.
func Labelled(secret *corev1.Secret) error {
	err := request.CheckLabel(secret)
	if err == nil {
		return nil
	}
	return &Error{
		What: err.Error(), cause: err,
		Next: fmt.Sprintf("label it with kubectl -n %s label secret %s %s=true, or pass --insecure-skip-operator-rules",
			secret.Namespace, secret.Name, egainv1alpha1.SubjectTokenLabel),
	}
}

// CABundle reads the PEM certificates to trust; nil, for the system's, if a tenant names none.
func CABundle(ctx context.Context, c client.Reader, ref *egainv1alpha1.NamespacedCABundleReference) ([]byte, error) {
	if ref == nil {
		return nil, nil
	}
	name, key := client.ObjectKey{Namespace: string(ref.Namespace), Name: string(ref.Name)}, string(ref.Key)
	var bundle []byte
	var err error
	if ref.Kind == "Secret" {
		secret := &corev1.Secret{}
		err = c.Get(ctx, name, secret)
		bundle = secret.Data[key]
	} else {
		configMap := &corev1.ConfigMap{}
		err = c.Get(ctx, name, configMap)
		bundle = append(configMap.BinaryData[key], configMap.Data[key]...) // a key is in one of them
	}
	what := fmt.Sprintf("%s %q in namespace %q", ref.Kind, ref.Name, ref.Namespace)
	switch {
	case err != nil:
		return nil, problem(err, what, "create it with the certificates of the CA, or correct caBundleRef")
	case len(bundle) == 0:
		return nil, &Error{What: fmt.Sprintf("%s has no key %q, or an empty one", what, key), Next: "store PEM certificates there, or correct caBundleRef.key"}
	}
	return bundle, nil
}

// Secret reads a Secret; create is what to do if it does not exist.
func Secret(ctx context.Context, c client.Reader, namespace, name, create string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret); err != nil {
		return nil, problem(err, fmt.Sprintf("Secret %q in namespace %q", name, namespace), create)
	}
	return secret, nil
}

// problem is that an object could not be read.
func problem(err error, object, create string) *Error {
	switch {
	case apierrors.IsNotFound(err):
		return &Error{What: object + " does not exist", Next: create, cause: err}
	case apierrors.IsForbidden(err):
		return &Error{What: "you may not read " + object, Next: "ask an administrator of the cluster for this permission", cause: err}
	default:
		return &Error{What: fmt.Sprintf("reading %s: %s", object, err), Next: "check with kubectl cluster-info that the cluster answers", cause: err}
	}
}
