// Package externalsecret knows how an ExternalSecret of external-secrets.io that fetches a token by a webhook is said as an
// EgainClient. It is pure: objects are found for it, and it never returns a secret that stands in one of them.
package externalsecret

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The groups of the External Secrets Operator.
const (
	Group          = "external-secrets.io"
	GeneratorGroup = "generators.external-secrets.io"
)

// The kinds that are read.
const (
	KindExternalSecret     = "ExternalSecret"
	kindSecretStore        = "SecretStore"
	kindClusterSecretStore = "ClusterSecretStore"
	kindWebhook            = "Webhook"
	kindClusterGenerator   = "ClusterGenerator"
)

// What is read of an ExternalSecret, by the fields of external-secrets.io/v1 and v1beta1, which are alike in these.
type (
	spec struct {
		SecretStoreRef  ref        `json:"secretStoreRef"`
		Target          targetSpec `json:"target"`
		RefreshPolicy   string     `json:"refreshPolicy"`
		RefreshInterval string     `json:"refreshInterval"`
		Data            []datum    `json:"data"`
		DataFrom        []dataFrom `json:"dataFrom"`
	}
	ref struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}
	targetSpec struct {
		Name           string          `json:"name"`
		CreationPolicy string          `json:"creationPolicy"`
		DeletionPolicy string          `json:"deletionPolicy"`
		Immutable      bool            `json:"immutable"`
		Template       targetTemplate  `json:"template"`
		Manifest       json.RawMessage `json:"manifest"`
	}
	targetTemplate struct {
		Type         string            `json:"type"`
		MergePolicy  string            `json:"mergePolicy"`
		Data         map[string]string `json:"data"`
		TemplateFrom []json.RawMessage `json:"templateFrom"`
		Metadata     struct {
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	datum struct {
		SecretKey string    `json:"secretKey"`
		RemoteRef remoteRef `json:"remoteRef"`
		SourceRef sourceRef `json:"sourceRef"`
	}
	dataFrom struct {
		Extract   *remoteRef      `json:"extract"`
		Find      json.RawMessage `json:"find"`
		Rewrite   []rewrite       `json:"rewrite"`
		SourceRef sourceRef       `json:"sourceRef"`
	}
	remoteRef struct {
		Key      string `json:"key"`
		Version  string `json:"version"`
		Property string `json:"property"`
	}
	rewrite struct {
		Regexp *struct {
			Source string `json:"source"`
			Target string `json:"target"`
		} `json:"regexp"`
	}
	sourceRef struct {
		StoreRef     *ref `json:"storeRef"`
		GeneratorRef *ref `json:"generatorRef"`
	}
)

// webhook is what a store's spec.provider.webhook and the spec of a generator have in common.
type webhook struct {
	Method   string            `json:"method"`
	URL      string            `json:"url"`
	Headers  map[string]string `json:"headers"`
	Body     string            `json:"body"`
	Timeout  string            `json:"timeout"`
	Auth     json.RawMessage   `json:"auth"`
	CABundle []byte            `json:"caBundle"`
	Result   struct {
		JSONPath string `json:"jsonPath"`
	} `json:"result"`
	Secrets []struct {
		Name      string    `json:"name"`
		SecretRef secretRef `json:"secretRef"`
	} `json:"secrets"`
	CAProvider *struct {
		Type      string `json:"type"`
		Name      string `json:"name"`
		Key       string `json:"key"`
		Namespace string `json:"namespace"`
	} `json:"caProvider"`
}

type secretRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// decode reads a part of an object. Errors do not quote it.
func decode(object *unstructured.Unstructured, into any, path ...string) error {
	part, found, err := unstructured.NestedMap(object.Object, path...)
	if err == nil && found {
		var encoded []byte
		if encoded, err = json.Marshal(part); err == nil {
			err = json.Unmarshal(encoded, into)
		}
	}
	if err != nil {
		return fmt.Errorf("%s %q has a form that the External Secrets Operator does not know: look at its spec", object.GetKind(), object.GetName())
	}
	return nil
}
