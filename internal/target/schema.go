package target

import (
	_ "embed"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/managedfields"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

//go:embed schema.yaml
var secretSchema typed.YAMLObject

// secretType is what managed fields of Secrets are read by.
var secretType = sync.OnceValue(parseSchema)

func parseSchema() typed.ParseableType {
	parser, err := typed.NewParser(secretSchema)
	if err != nil {
		panic(fmt.Sprintf("parsing what is compiled in: %v", err))
	}
	return parser.Type("io.k8s.api.core.v1.Secret")
}

// extract is corev1ac.ExtractSecret, without the schema of all other types.
func extract(s *corev1.Secret) (*corev1ac.SecretApplyConfiguration, error) {
	applied := &corev1ac.SecretApplyConfiguration{}
	if err := managedfields.ExtractInto(s, secretType(), Manager, applied, ""); err != nil {
		return nil, err
	}
	return applied.WithName(s.Name).WithNamespace(s.Namespace).WithKind("Secret").WithAPIVersion("v1"), nil
}
