package externalsecret

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Find finds an object that an ExternalSecret refers to. The namespace is empty for kinds of the whole cluster.
type Find func(group, kind, namespace, name string) (*unstructured.Unstructured, error)

// source is where values come from.
type source struct {
	group string
	ref
}

func (s source) String() string { return fmt.Sprintf("%s %q", s.Kind, s.Name) }

// entry is one use of a source: a key of the Secret with the value of one request, or all keys of an answer.
type entry struct {
	source source
	// key is empty for all keys of an answer.
	key      string
	ref      *remoteRef
	rewrites []rewrite
}

// entries are the uses that an ExternalSecret makes of its sources.
func (s *spec) entries() ([]entry, error) {
	var entries []entry
	for _, d := range s.Data {
		entries = append(entries, entry{source: s.sourceOf(d.SourceRef), key: d.SecretKey, ref: &d.RemoteRef})
	}
	for _, d := range s.DataFrom {
		if len(d.Find) > 0 {
			return nil, errors.New("spec.dataFrom.find looks for secrets, which a webhook that fetches a token cannot do")
		}
		entries = append(entries, entry{source: s.sourceOf(d.SourceRef), ref: d.Extract, rewrites: d.Rewrite})
	}
	if len(entries) == 0 {
		return nil, errors.New("it has neither spec.data nor spec.dataFrom, so that it fetches nothing")
	}
	for _, e := range entries[1:] {
		if e.source != entries[0].source {
			return nil, fmt.Errorf("it takes its values from %s and from %s, and an EgainClient has one source: split it into one ExternalSecret for each, then import the one that fetches the token",
				entries[0].source, e.source)
		}
	}
	return entries, nil
}

func (s *spec) sourceOf(r sourceRef) source {
	switch {
	case r.GeneratorRef != nil:
		return source{GeneratorGroup, *r.GeneratorRef}
	case r.StoreRef != nil && r.StoreRef.Name != "":
		return source{Group, withKind(*r.StoreRef)}
	default:
		return source{Group, withKind(s.SecretStoreRef)}
	}
}

func withKind(r ref) ref {
	if r.Kind == "" {
		r.Kind = kindSecretStore
	}
	return r
}

// webhookOf reads the webhook of a source.
func webhookOf(s source, namespace string, find Find) (*webhook, error) {
	path, ok := map[string][]string{
		kindSecretStore: {"spec", "provider", "webhook"}, kindClusterSecretStore: {"spec", "provider", "webhook"},
		kindWebhook: {"spec"}, kindClusterGenerator: {"spec", "generator", "webhookSpec"},
	}[s.Kind]
	if !ok {
		return nil, fmt.Errorf("%s is no webhook, so that it fetches no token of eGain", s)
	}
	if s.Kind == kindClusterSecretStore || s.Kind == kindClusterGenerator {
		namespace = ""
	}
	object, err := find(s.group, s.Kind, namespace, s.Name)
	if err != nil {
		return nil, err
	}
	if _, found, _ := unstructured.NestedMap(object.Object, path...); !found {
		return nil, fmt.Errorf("%s is no webhook but %s, so that it fetches no token of eGain", s, providerOf(object))
	}
	w := &webhook{}
	return w, decode(object, w, path...)
}

// providerOf names what a store or generator is instead.
func providerOf(object *unstructured.Unstructured) string {
	if kind, found, _ := unstructured.NestedString(object.Object, "spec", "kind"); found {
		return "of kind " + kind
	}
	providers, _, _ := unstructured.NestedMap(object.Object, "spec", "provider")
	var names []string
	for name := range providers {
		names = append(names, name)
	}
	if slices.Sort(names); len(names) > 0 {
		return "of provider " + names[0]
	}
	return "empty"
}
