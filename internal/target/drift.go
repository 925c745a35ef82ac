package target

import (
	"bytes"
	"encoding/json"
	"fmt"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// Drifted reports whether the target, which holds a whole token, else differs from what the spec asks for.
func (r Reading) Drifted(want *corev1ac.SecretApplyConfiguration) (bool, error) {
	is, err := json.Marshal(r.applied)
	if err != nil {
		return false, fmt.Errorf("encoding the target as it is: %w", err)
	}
	should, err := json.Marshal(want)
	if err != nil {
		return false, fmt.Errorf("encoding the target as it should be: %w", err)
	}
	return !bytes.Equal(is, should), nil
}

// driftedFrom reports whether a target with a whole token in it differs in the rest from what an EgainClient asks for.
func driftedFrom(ec *egainv1alpha1.EgainClient, reading Reading) (bool, error) {
	want, err := Render(ec, reading.Token)
	if err != nil {
		return false, err
	}
	return reading.Drifted(want)
}
