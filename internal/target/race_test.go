package target

import (
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/session"
)

// TestTarget_ApplyOverwritesNothingThatAppearedMeanwhile changes a Secret between Observe and Apply, as during a token request.
func TestTarget_ApplyOverwritesNothingThatAppearedMeanwhile(t *testing.T) {
	t.Parallel()
	merge := client(map[string]egainv1alpha1.Template{"TOKEN": "{{ .AccessToken }}"})
	merge.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
	merge.Spec.Target.Template.Metadata = &egainv1alpha1.TargetMetadata{
		Labels: map[string]egainv1alpha1.LabelValue{"team": "a"}, Annotations: map[string]egainv1alpha1.AnnotationValue{"note": "ours"},
	}
	without := client(nil)
	without.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "sync", Namespace: "team-a"}, Data: map[string][]byte{"password": []byte("theirs")}}
	for name, tc := range map[string]struct {
		is        *corev1.Secret
		meanwhile func(*corev1.Secret)
		// reason of the next Observe; empty if it finds that the token can be written.
		reason string
	}{
		"a key of the operator":      {theirs, func(s *corev1.Secret) { s.Data["access_token"] = []byte("theirs") }, egainv1alpha1.ReasonTargetConflict},
		"a key of equal value":       {theirs, func(s *corev1.Secret) { s.Data["token_type"] = []byte("Bearer") }, egainv1alpha1.ReasonTargetConflict},
		"a key of the template":      {theirs, func(s *corev1.Secret) { s.Data["TOKEN"] = []byte("theirs") }, egainv1alpha1.ReasonTargetConflict},
		"a key, the template is new": {rendered(t, without, token()), func(s *corev1.Secret) { s.Data["TOKEN"] = []byte("theirs") }, egainv1alpha1.ReasonTargetConflict},
		"a label":                    {theirs, func(s *corev1.Secret) { s.Labels = map[string]string{"team": "b"} }, egainv1alpha1.ReasonTargetConflict},
		"an annotation":              {theirs, func(s *corev1.Secret) { s.Annotations = map[string]string{"note": "theirs"} }, egainv1alpha1.ReasonTargetConflict},
		"immutability":               {theirs, func(s *corev1.Secret) { s.Immutable = new(true) }, egainv1alpha1.ReasonTargetImmutable},
		"another client's claim":     {theirs, func(s *corev1.Secret) { s.Annotations = map[string]string{AnnotationMergedBy: "other"} }, egainv1alpha1.ReasonTargetClaimed},
		"a session":                  {theirs, func(s *corev1.Secret) { s.Annotations = map[string]string{session.AnnotationID: "x"} }, egainv1alpha1.ReasonTargetConflict},
		"another key":                {theirs, func(s *corev1.Secret) { s.Data["password"] = []byte("changed") }, ""},
		"another label":              {theirs, func(s *corev1.Secret) { s.Labels = map[string]string{"example.com/stamped": "yes"} }, ""},
		"a key of ours":              {rendered(t, merge, token()), func(s *corev1.Secret) { s.Data["TOKEN"] = []byte("changed"); loses(s, "TOKEN") }, ""},
		"a label of ours":            {rendered(t, merge, token()), func(s *corev1.Secret) { s.Labels["team"] = "changed"; loses(s, "team") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := secretsWith(t, tc.is)
			plan := planned(t, s, merge, renewed())
			changed := s.stored["sync"].DeepCopy()
			tc.meanwhile(changed)
			s.put(changed)
			before := encoded(t, s.stored["sync"])
			if known, err := plan.Apply(t.Context(), s); !apierrors.IsConflict(err) || known != (Known{}) || fault.Of(plan.Refused(err)) != nil {
				t.Errorf("%+v, %v", known, err)
			}
			if is := encoded(t, s.stored["sync"]); is != before {
				t.Errorf("it became %s", is)
			}
			seen, err := observed(t, s, merge, named("other", "sync", 1))
			if tc.reason != "" {
				if f := fault.Of(err); f == nil || f.Reason != tc.reason {
					t.Errorf("got %v, want %s", err, tc.reason)
				}
				return
			}
			again, errPlan := PlanWrite(merge, seen, renewed())
			if err := errors.Join(err, errPlan); err != nil {
				t.Fatal(err)
			}
			if _, err := again.Apply(t.Context(), s); err != nil || string(s.stored["sync"].Data["access_token"]) != "another-token" {
				t.Errorf("the same token is not written: %v", err)
			}
		})
	}
}

func TestTarget_ForeignMetadata(t *testing.T) {
	t.Parallel()
	wanting := func(labels map[string]egainv1alpha1.LabelValue) *egainv1alpha1.EgainClient {
		ec := client(map[string]egainv1alpha1.Template{"a": "x"})
		ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
		ec.Spec.Target.Template.Metadata = &egainv1alpha1.TargetMetadata{Labels: labels, Annotations: map[string]egainv1alpha1.AnnotationValue{"note": "x"}}
		return ec
	}
	ec := wanting(map[string]egainv1alpha1.LabelValue{"team": "a"})
	for name, tc := range map[string]struct {
		is   func() *corev1.Secret
		want []string
	}{
		"nothing is there": {func() *corev1.Secret { return &corev1.Secret{} }, nil},
		"others of a name": {func() *corev1.Secret {
			return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"note": "x"}, Annotations: map[string]string{"team": "a"}}}
		}, nil},
		"both are there": {func() *corev1.Secret {
			return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"team": "b"}, Annotations: map[string]string{"note": "y"}}}
		}, []string{"annotation note", "label team"}},
		"equal values": {func() *corev1.Secret {
			return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"team": "a"}}}
		}, []string{"label team"}},
		"ours": {func() *corev1.Secret { return rendered(t, ec, token()) }, nil},
		"ours, changed": {func() *corev1.Secret {
			s := rendered(t, ec, token())
			s.Labels["team"] = "b"
			loses(s, "team")
			return s
		}, nil},
		"ours, not listed yet": {func() *corev1.Secret {
			s := rendered(t, ec, token())
			delete(s.Annotations, AnnotationMergedMetadata)
			return s
		}, nil},
		"one that the template has come to want": {func() *corev1.Secret {
			s := rendered(t, wanting(nil), token())
			s.Labels = map[string]string{"team": "theirs"}
			return s
		}, []string{"label team"}},
		"another client's": {func() *corev1.Secret {
			s := rendered(t, ec, token())
			s.Annotations[AnnotationMergedBy] = "other"
			loses(s, "team", "note")
			return s
		}, []string{"annotation note", "label team"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := foreignMetadata(tc.is(), ec)
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}
