package target

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// foreignMetadata are the labels and annotations that Render would write and that the Secret has from others, sorted. Those that
// are applied now, or that an earlier write listed, are the operator's: others may have changed them since.
func foreignMetadata(secret *corev1.Secret, ec *egainv1alpha1.EgainClient) ([]string, error) {
	wanted := metadataOf(ec)
	if CreatedFor(secret, ec) || len(wanted) == 0 {
		return nil, nil
	}
	applied, err := extract(secret)
	if err != nil {
		return nil, fmt.Errorf("reading the managed fields of Secret %q: %w", secret.Name, err)
	}
	ours := names(applied.Labels, applied.Annotations)
	if MergedBy(secret, ec) {
		ours = append(ours, strings.Split(secret.Annotations[AnnotationMergedMetadata], ",")...)
	}
	present := names(secret.Labels, secret.Annotations)
	return slices.DeleteFunc(wanted, func(name string) bool {
		return slices.Contains(ours, name) || !slices.Contains(present, name)
	}), nil
}

// metadataOf are the labels and annotations of the template, sorted.
func metadataOf(ec *egainv1alpha1.EgainClient) []string {
	if ec.Spec.Target.Template == nil || ec.Spec.Target.Template.Metadata == nil {
		return nil
	}
	m := ec.Spec.Target.Template.Metadata
	return names(plain(m.Labels), plain(m.Annotations))
}

// names tell labels from annotations of the same key.
func names(labels, annotations map[string]string) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		all = append(all, "annotation "+key)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, "label "+key)
	}
	return all
}
