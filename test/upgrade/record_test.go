package upgrade_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// record is what an operator has left in a cluster: its part of Secrets, in the order in which it wrote them, and the
// statuses. In it, ${KIND NAME} stands for the UID of an object, with @ after it for UID and resourceVersion, and ${now SECONDS}
// for a time. Tokens are replaced by words.
type record struct {
	Secrets  []written                                  `json:"secrets"`
	Statuses map[string]egainv1alpha1.EgainClientStatus `json:"statuses"`
}

// written is what the operator has applied of a Secret.
type written struct {
	Name string `json:"name"`
	// Manager is the field manager that applied it; that of targets if empty.
	Manager     string            `json:"manager,omitempty"`
	Type        corev1.SecretType `json:"type,omitempty"`
	Owner       string            `json:"owner,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Data        map[string]string `json:"data,omitempty"`
}

var (
	instant     = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	placeholder = regexp.MustCompile(`\$\{([^}]+)\}`)
	// stale is a version of a Secret that is not its latest: the operator was not done with it.
	stale = regexp.MustCompile(`\$\{Secret [^}]+\}/\d+`)
)

// record writes down what the operator has left.
func (w *world) record() []byte {
	w.t.Helper()
	now := time.Now()
	var clients egainv1alpha1.EgainClientList
	w.Expect(w.admin.List(w.t.Context(), &clients)).To(gomega.Succeed())
	r := record{Statuses: map[string]egainv1alpha1.EgainClientStatus{}}
	var words []string
	for _, ec := range clients.Items {
		r.Statuses[ec.Name] = ec.Status
		words = append(words, string(ec.UID), "${EgainClient "+ec.Name+"}")
	}
	for _, secret := range w.secrets() {
		// The longer word first: a UID alone is part of it.
		words = append(words, string(secret.UID)+"/"+secret.ResourceVersion, "${Secret "+secret.Name+"@}", string(secret.UID), "${Secret "+secret.Name+"}")
		for _, key := range []string{target.KeyAccessToken, session.KeyRefreshToken} {
			if token := secret.Data[key]; len(token) > 0 {
				words = append(words, string(token), key+"-of-"+secret.Name)
			}
		}
		if part, ok := w.part(&secret); ok {
			r.Secrets = append(r.Secrets, part)
		}
	}
	text, err := yaml.Marshal(r)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	replaced := strings.NewReplacer(words...).Replace(string(text))
	w.Expect(stale.FindString(replaced)).To(gomega.BeEmpty())
	return []byte(instant.ReplaceAllStringFunc(replaced, func(at string) string {
		parsed, err := time.Parse(time.RFC3339, at)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		return fmt.Sprintf("${now %d}", int(parsed.Sub(now).Round(time.Second).Seconds()))
	}))
}

// secrets are those of the namespace in the order in which they were last written.
func (w *world) secrets() []corev1.Secret {
	w.t.Helper()
	var list corev1.SecretList
	w.Expect(w.admin.List(w.t.Context(), &list, client.InNamespace(metav1.NamespaceDefault))).To(gomega.Succeed())
	slices.SortFunc(list.Items, func(a, b corev1.Secret) int {
		return cmp.Or(cmp.Compare(len(a.ResourceVersion), len(b.ResourceVersion)), cmp.Compare(a.ResourceVersion, b.ResourceVersion))
	})
	return list.Items
}

// secret reads one of them.
func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name}}
	w.Expect(w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(secret), secret)).To(gomega.Succeed())
	return secret
}

// part is what the operator owns of a Secret, by the API server's book.
func (w *world) part(secret *corev1.Secret) (written, bool) {
	w.t.Helper()
	part := written{Name: secret.Name, Data: map[string]string{}}
	owned, err := corev1ac.ExtractSecret(secret, target.Manager)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	if len(owned.Data) == 0 {
		part.Manager = session.Manager
		owned, err = corev1ac.ExtractSecret(secret, part.Manager)
		w.Expect(err).NotTo(gomega.HaveOccurred())
	}
	for key, value := range owned.Data {
		part.Data[key] = string(value)
	}
	if owned.ObjectMetaApplyConfiguration != nil {
		part.Labels, part.Annotations = owned.Labels, owned.Annotations
		if len(owned.OwnerReferences) > 0 {
			part.Owner = *owned.OwnerReferences[0].Name
		}
	}
	if owned.Type != nil {
		part.Type = *owned.Type
	}
	return part, len(part.Data) > 0
}

// replay puts what a record holds into the cluster, as the operator that left it had done.
func (w *world) replay(text []byte) {
	w.t.Helper()
	var r record
	w.Expect(yaml.UnmarshalStrict([]byte(w.fill(string(text), false)), &r)).To(gomega.Succeed())
	for _, part := range r.Secrets {
		secret := corev1ac.Secret(part.Name, metav1.NamespaceDefault).WithLabels(part.Labels)
		for key, value := range part.Data {
			if key == session.KeyRefreshToken { // that of the login, so that the session goes on
				value = string(w.secret(part.Name).Data[key])
			}
			secret.WithData(map[string][]byte{key: []byte(w.fill(value, true))})
		}
		for key, value := range part.Annotations {
			secret.WithAnnotations(map[string]string{key: w.fill(value, true)})
		}
		if part.Type != "" {
			secret.WithType(part.Type)
		}
		if part.Owner != "" {
			owner := w.client(part.Owner)
			secret.WithOwnerReferences(metav1ac.OwnerReference().WithAPIVersion(egainv1alpha1.SchemeGroupVersion.String()).WithKind("EgainClient").
				WithName(owner.Name).WithUID(owner.UID).WithController(true))
		}
		w.Expect(w.admin.Apply(w.t.Context(), secret, client.FieldOwner(cmp.Or(part.Manager, target.Manager)), client.ForceOwnership)).To(gomega.Succeed())
	}
	for name, status := range r.Statuses {
		ec := w.client(name)
		ec.Status = status
		w.Expect(w.admin.Status().Update(w.t.Context(), ec)).To(gomega.Succeed())
	}
}

// fill replaces the placeholders for times or, once what they stand for is there, for objects.
func (w *world) fill(text string, objects bool) string {
	w.t.Helper()
	now := time.Now()
	return placeholder.ReplaceAllStringFunc(text, func(word string) string {
		kind, name, _ := strings.Cut(strings.Trim(word, "${}"), " ")
		if kind == "now" {
			seconds, err := strconv.Atoi(name)
			w.Expect(err).NotTo(gomega.HaveOccurred())
			return now.Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339)
		}
		if !objects {
			return word
		}
		name, versioned := strings.CutSuffix(name, "@")
		if kind == "EgainClient" {
			return string(w.client(name).UID)
		}
		w.Expect(kind).To(gomega.Equal("Secret"))
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name}}
		w.Expect(w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(secret), secret)).To(gomega.Succeed())
		if versioned {
			return string(secret.UID) + "/" + secret.ResourceVersion
		}
		return string(secret.UID)
	})
}
