package target

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func TestTarget_Drifted(t *testing.T) {
	t.Parallel()
	templates := map[string]egainv1alpha1.Template{"TOKEN": "{{ .AccessToken }}"}
	tests := map[string]struct {
		is   func(*corev1.Secret)
		want func(*egainv1alpha1.EgainClient)
	}{
		"a template's key is gone":    {is: func(s *corev1.Secret) { loses(s, "TOKEN") }},
		"a template's key differs":    {is: func(s *corev1.Secret) { s.Data["TOKEN"] = []byte("x") }},
		"a label is gone":             {is: func(s *corev1.Secret) { loses(s, LabelManagedBy) }},
		"the owner is gone":           {is: func(s *corev1.Secret) { s.OwnerReferences = nil }},
		"a template's key is new":     {want: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.Template.Data["new"] = "x" }},
		"a template's key is dropped": {want: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.Template = nil }},
		"it is to be retained":        {want: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.DeletionPolicy = "Retain" }},
		"it is to be merged":          {want: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.CreationPolicy = "Merge" }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rendered(t, client(templates), token())
			if tc.is != nil {
				tc.is(s)
			}
			r, err := Read(s)
			if err != nil || r.Token == nil {
				t.Fatalf("token %v, %v", r.Token != nil, err)
			}
			ec := client(map[string]egainv1alpha1.Template{"TOKEN": "{{ .AccessToken }}"})
			if tc.want != nil {
				tc.want(ec)
			}
			want, err := Render(ec, r.Token)
			if err != nil {
				t.Fatal(err)
			}
			if drifted, err := r.Drifted(want); !drifted || err != nil {
				t.Errorf("drifted %t, %v", drifted, err)
			}
		})
	}
}
