package target

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// loses takes fields from the applier, as the API server does when another user changes them.
func loses(s *corev1.Secret, fields ...string) {
	raw := s.ManagedFields[0].FieldsV1.GetRawString()
	for _, field := range fields {
		for _, form := range []string{`"f:` + field + `":{},`, `,"f:` + field + `":{}`, `"f:` + field + `":{}`} {
			raw = strings.Replace(raw, form, "", 1)
		}
	}
	s.ManagedFields[0].FieldsV1.SetRawString(raw)
}

func TestTarget_ReadGivesBackWhatRenderWrote(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*egainv1alpha1.EgainClient, *Token){
		"of its own": func(*egainv1alpha1.EgainClient, *Token) {},
		"merged":     func(ec *egainv1alpha1.EgainClient, _ *Token) { ec.Spec.Target.CreationPolicy = "Merge" },
		"retained":   func(ec *egainv1alpha1.EgainClient, _ *Token) { ec.Spec.Target.DeletionPolicy = "Retain" },
		"with little to say": func(_ *egainv1alpha1.EgainClient, tok *Token) {
			tok.Scopes, tok.APIURL, tok.Renewal = []string{}, "", ""
		},
		// A target that an earlier version wrote is in order: an upgrade neither renews nor rewrites it.
		"without what identifies the request": func(_ *egainv1alpha1.EgainClient, tok *Token) { tok.Request = "" },
		"without any template":                func(ec *egainv1alpha1.EgainClient, _ *Token) { ec.Spec.Target.Template = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec, tok := client(map[string]egainv1alpha1.Template{"TOKEN": "{{ .AccessToken }}"}), token()
			change(ec, tok)
			s := rendered(t, ec, tok)
			s.Data["theirs"], s.Labels = []byte("x"), map[string]string{"theirs": "x", LabelManagedBy: s.Labels[LabelManagedBy]}

			r, err := Read(s)
			if err != nil || r.Damaged {
				t.Fatalf("damaged %t, %v", r.Damaged, err)
			}
			if diff := cmp.Diff(tok, r.Token); diff != "" {
				t.Error(diff)
			}
			want, err := Render(ec, r.Token)
			if err != nil {
				t.Fatal(err)
			}
			if drifted, err := r.Drifted(want); drifted || err != nil {
				t.Errorf("drifted %t, %v", drifted, err)
			}
		})
	}
}

func TestTarget_ReadNoticesDamage(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*corev1.Secret){
		"a key is gone":                       func(s *corev1.Secret) { loses(s, "access_token") },
		"a key became another manager's":      func(s *corev1.Secret) { s.Data["scope"] = []byte("x"); loses(s, "scope") },
		"the header is not the token's":       func(s *corev1.Secret) { s.Data["authorization"] = []byte("Bearer x") },
		"the expiry is not the memory's":      func(s *corev1.Secret) { s.Data["expires_at"] = []byte("2099-01-01T00:00:00Z") },
		"the token is empty":                  func(s *corev1.Secret) { s.Data["access_token"], s.Data["authorization"] = nil, []byte("Bearer ") },
		"the memory is gone":                  func(s *corev1.Secret) { s.Annotations = nil },
		"the memory became another manager's": func(s *corev1.Secret) { loses(s, AnnotationIssueTime) },
		"the memory does not say it whole":    func(s *corev1.Secret) { s.Annotations[AnnotationExpirationTime] = "never" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rendered(t, client(nil), token())
			change(s)
			r, err := Read(s)
			if err != nil || !r.Damaged || r.Token != nil {
				t.Errorf("damaged %t, token %v, %v", r.Damaged, r.Token != nil, err)
			}
		})
	}
}

func TestTarget_ReadFindsNothingInAnothersSecret(t *testing.T) {
	t.Parallel()
	theirs := rendered(t, client(nil), token())
	theirs.ManagedFields[0].Manager = "kubectl"
	updated := rendered(t, client(nil), token())
	updated.ManagedFields[0].Operation = metav1.ManagedFieldsOperationUpdate
	restored := rendered(t, client(nil), token())
	restored.ManagedFields = nil
	for name, s := range map[string]*corev1.Secret{"empty": {}, "theirs": theirs, "not applied": updated, "restored": restored} {
		r, err := Read(s)
		if err != nil || r.Damaged || r.Token != nil {
			t.Errorf("%s: damaged %t, token %v, %v", name, r.Damaged, r.Token != nil, err)
		}
	}
}

func TestTarget_ReadTellsOfManagedFieldsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := rendered(t, client(nil), token())
	s.ManagedFields[0].FieldsV1.SetRawString(`{"k:x":{}}`)
	_, err := Read(s)
	if err == nil || !strings.Contains(err.Error(), `managed fields of Secret "sync"`) {
		t.Errorf("got %v", err)
	}
}
