package request

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/session"
)

func TestCheckGrant(t *testing.T) {
	t.Parallel()
	ec := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "portal"}}
	a := Addressed{Scopes: []string{"a", "b"}}
	for name, tc := range map[string]struct {
		annotations map[string]string
		sent        []string
		refused     bool
	}{
		"a session of an earlier version":          {nil, []string{"a", "b"}, false},
		"all was granted":                          {map[string]string{session.AnnotationScopes: "a b"}, []string{"a", "b"}, false},
		"one was not, which another login repeats": {map[string]string{session.AnnotationScopes: "a", session.AnnotationScopesNotGranted: "b"}, []string{"a"}, false},
		"one was added since":                      {map[string]string{session.AnnotationScopes: "a", session.AnnotationScopesNotGranted: ""}, []string{"a"}, true},
	} {
		m := Material{Sources: Sources{Session: &metav1.ObjectMeta{Annotations: tc.annotations}}}
		if got := a.Granted(m).Complete(m.Secrets).Scopes; !slices.Equal(got, tc.sent) {
			t.Errorf("%s: a refresh asks for %q", name, got)
		}
		err := a.CheckGrant(ec, m)
		if !tc.refused {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantFault(t, err, fault.Terminal, fault.ReasonReauthorizationRequired, `did not request the scopes ["b"], and a refresh cannot add them: log in again: run kubectl egain login portal --namespace team-a`)
	}
}
