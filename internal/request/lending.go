package request

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// Application is the application whose credentials an EgainClient uses; nil if it names none, or one that the tenant does not have.
func (t Tenant) Application(ec *egainv1alpha1.EgainClient) *egainv1alpha1.Application {
	name := ec.Application()
	for i := range t.Applications {
		if name != "" && string(t.Applications[i].Name) == name {
			return &t.Applications[i]
		}
	}
	return nil
}

// Lent is how messages name the application that an EgainClient uses.
func (t Tenant) Lent(ec *egainv1alpha1.EgainClient) string {
	return fmt.Sprintf("application %q of EgainTenant %q", ec.Application(), t.Name)
}

func (t Tenant) applicationMissing(ec *egainv1alpha1.EgainClient) error {
	return fault.New(fault.Waiting, egainv1alpha1.ReasonApplicationNotFound,
		"waiting for %s: correct spec.tenantRef.application, or ask the owner of the EgainTenant to add it", t.Lent(ec))
}

// applicationUnusable is all that a namespace is told of credentials that are kept elsewhere.
func (t Tenant) applicationUnusable(ec *egainv1alpha1.EgainClient, class fault.Class) error {
	return fault.New(class, egainv1alpha1.ReasonApplicationInvalid,
		"%s has no credentials that can be used: ask its owner to correct its credentialsSecretRef, or the Secret", t.Lent(ec))
}

// AdviseOwner adds to a refusal of an application's credentials who can correct them: the author of the EgainClient cannot.
func (t Tenant) AdviseOwner(err error, ec *egainv1alpha1.EgainClient) error {
	f := fault.Of(err)
	if f == nil || f.Reason != fault.ReasonClientRejected || ec.Application() == "" {
		return err
	}
	advised := *f
	advised.Message += fmt.Sprintf("; its credentials belong to %s: ask its owner", t.Lent(ec))
	return &advised
}

// admitApplication refuses an EgainClient that the application it names does not allow. A refusal names no other entry of a list.
func (t Tenant) admitApplication(ec *egainv1alpha1.EgainClient, namespace map[string]string) error {
	if ec.Application() == "" {
		return nil
	}
	app := t.Application(ec)
	if app == nil {
		return t.applicationMissing(ec)
	}
	admitted, err := admitsNamespace(someNamespaces(app.AllowedNamespaces), ec.Namespace, namespace)
	if err != nil {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonApplicationInvalid, "%s: ask its owner to correct it, since %s", t.Lent(ec), err)
	}
	if !admitted {
		return t.notLent(ec, "allowedNamespaces", "namespace %q", ec.Namespace)
	}
	if !slices.Contains(app.AllowedFlows, ec.Spec.Flow) {
		return t.notLent(ec, "allowedFlows", "flow %q", ec.Spec.Flow)
	}
	if x := ec.Spec.TokenExchange; x != nil && !slices.Contains(app.AllowedRegistrations, egainv1alpha1.RegistrationID(x.RegistrationID)) {
		return t.notLent(ec, "allowedRegistrations", "registration %q", x.RegistrationID)
	}
	return t.admitSubject(ec, app)
}

// notLent refuses a value that a list of an application does not allow.
func (t Tenant) notLent(ec *egainv1alpha1.EgainClient, list, format string, value ...any) error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonApplicationNotAllowed,
		"%s does not allow %s: change the spec, or ask its owner to add it to %s", t.Lent(ec), fmt.Sprintf(format, value...), list)
}

// someNamespaces are those that an application allows: an empty selector, which stands for all elsewhere, selects none.
func someNamespaces(allowed egainv1alpha1.AllowedNamespaces) *egainv1alpha1.AllowedNamespaces {
	if s := allowed.Selector; s != nil && len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0 {
		allowed.Selector = nil
	}
	return &allowed
}

// admitSubject refuses a user or customer that an application may not act for. Each kind has a list of its own.
func (t Tenant) admitSubject(ec *egainv1alpha1.EgainClient, app *egainv1alpha1.Application) error {
	if ec.Spec.OnBehalfOf == nil {
		return nil
	}
	var allowed egainv1alpha1.AllowedSubjects
	if app.AllowedSubjects != nil {
		allowed = *app.AllowedSubjects
	}
	for _, kind := range []struct {
		field, list, subject string
		patterns             []egainv1alpha1.SubjectPattern
	}{
		{"username", "allowedSubjects.usernames", ec.Spec.OnBehalfOf.Username, allowed.Usernames},
		{"userID", "allowedSubjects.userIDs", ec.Spec.OnBehalfOf.UserID, allowed.UserIDs},
		{"email", "allowedSubjects.emails", ec.Spec.OnBehalfOf.Email, allowed.Emails},
	} {
		if kind.subject != "" && !allowsSubject(kind.patterns, kind.subject) {
			return t.notLent(ec, kind.list, "%s %q", kind.field, kind.subject)
		}
	}
	return nil
}

// allowsSubject compares a subject with the patterns of its kind.
func allowsSubject(patterns []egainv1alpha1.SubjectPattern, subject string) bool {
	if len(patterns) == 1 && patterns[0] == "*" {
		return visible(subject)
	}
	return slices.ContainsFunc(patterns, func(p egainv1alpha1.SubjectPattern) bool { return matchesSubject(string(p), subject) })
}

// matchesSubject compares byte for byte. The asterisk of a pattern stands for characters that names and the local parts of addresses
// commonly have, so that it spans no "@", no quotation and nothing that looks like another character.
func matchesSubject(pattern, subject string) bool {
	before, after, open := strings.Cut(pattern, "*")
	if !open {
		return subject == pattern
	}
	rest, begins := strings.CutPrefix(subject, before)
	middle, ends := strings.CutSuffix(rest, after)
	return begins && ends && middle != "" && strings.Trim(middle, wildcardCharacters) == "" && visible(subject)
}

// wildcardCharacters are those that an asterisk stands for.
const wildcardCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-"

// visible reports whether a text has characters from %x21-7E only: no space, and nothing beyond ASCII.
func visible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' })
}

// origin is where the credentials of an EgainClient are read.
type origin struct {
	secret types.NamespacedName
	keys   *egainv1alpha1.CredentialsSecretReference
	// lent says that they are those of an application.
	lent bool
}

// origin finds where the credentials are read; nil if the EgainClient has none. Those of an application are in the namespaces that
// the operator's flags name and nowhere else, whatever an EgainTenant says.
func (r *Reader) origin(ec *egainv1alpha1.EgainClient, t Tenant) (*origin, error) {
	if ref := ec.Spec.CredentialsSecretRef; ref != nil {
		return &origin{secret: types.NamespacedName{Namespace: ec.Namespace, Name: string(ref.Name)}, keys: ref}, nil
	}
	if ec.Application() == "" {
		return nil, nil
	}
	app := t.Application(ec)
	if app == nil {
		return nil, t.applicationMissing(ec)
	}
	ref := &app.CredentialsSecretRef
	if !slices.Contains(r.ApplicationNamespaces, string(ref.Namespace)) {
		return nil, fault.New(fault.Terminal, egainv1alpha1.ReasonApplicationInvalid,
			"%s has its credentials where the operator may not read them: ask its owner to move them to a namespace of --application-namespaces", t.Lent(ec))
	}
	name := types.NamespacedName{Namespace: string(ref.Namespace), Name: string(ref.Name)}
	return &origin{secret: name, keys: ref.Keys(), lent: true}, nil
}

// CheckApplication says why the credentials of an application cannot be read; nil if they can be. It is for the status of the
// EgainTenant, whose spec names the Secret.
func (r *Reader) CheckApplication(ctx context.Context, app *egainv1alpha1.Application) error {
	ref := &app.CredentialsSecretRef
	if !slices.Contains(r.ApplicationNamespaces, string(ref.Namespace)) {
		return fault.New(fault.Terminal, egainv1alpha1.ReasonApplicationInvalid,
			"namespace %q is none of --application-namespaces: move the Secret of application %q, or have the flag changed", ref.Namespace, app.Name)
	}
	meta, err := r.Cache.SecretMetadata(ctx, types.NamespacedName{Namespace: string(ref.Namespace), Name: string(ref.Name)})
	if meta == nil && err == nil {
		return fault.New(fault.Waiting, egainv1alpha1.ReasonApplicationInvalid,
			"Secret %q of application %q does not exist in namespace %q: create it, or correct credentialsSecretRef", ref.Name, app.Name, ref.Namespace)
	}
	return err
}

// parse reads the credentials from the Secret at the origin.
func (o *origin) parse(ec *egainv1alpha1.EgainClient, t Tenant, secret *corev1.Secret) (oauth.Credentials, error) {
	credentials, err := CredentialsFrom(secret, o.keys, SecretOptional(&ec.Spec))
	if err != nil && o.lent {
		err = t.applicationUnusable(ec, fault.Terminal)
	}
	return credentials, err
}

// missing is that the Secret at the origin does not exist.
func (o *origin) missing(ec *egainv1alpha1.EgainClient, t Tenant) error {
	if o.lent {
		return t.applicationUnusable(ec, fault.Waiting)
	}
	return credentialsMissing(o.secret.Name)
}

// checkLabelIf is CheckLabel where labels are required.
func checkLabelIf(required bool, secret *corev1.Secret) error {
	if !required {
		return nil
	}
	return CheckLabel(secret)
}

// CheckLabel refuses a Secret without the label that allows it to be sent. The author of an EgainClient cannot set it without the
// right to write the Secret.
func CheckLabel(secret *corev1.Secret) error {
	if secret.Labels[egainv1alpha1.SubjectTokenLabel] == "true" {
		return nil
	}
	return fault.New(fault.Terminal, egainv1alpha1.ReasonSecretNotLabelled,
		"Secret %q is not labelled %s: \"true\", as --require-application demands: label it, or use spec.tenantRef.application for credentials",
		secret.Name, egainv1alpha1.SubjectTokenLabel)
}
