package target

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// movedFrom is client with a target that had another name before.
func movedFrom(secret string, change ...func(*egainv1alpha1.EgainClient)) *egainv1alpha1.EgainClient {
	ec := client(nil)
	ec.Status.Target = &egainv1alpha1.TargetStatus{SecretName: secret}
	for _, c := range change {
		c(ec)
	}
	return ec
}

func retains(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Target.DeletionPolicy = egainv1alpha1.DeletionPolicyRetain
}

// secretNamed is a Secret of a person, with what an EgainClient put into it.
func secretNamed(t *testing.T, name string, change ...func(*egainv1alpha1.EgainClient)) *corev1.Secret {
	t.Helper()
	ec := client(nil)
	ec.Spec.Target.SecretName = egainv1alpha1.SecretName(name)
	for _, c := range change {
		c(ec)
	}
	s := rendered(t, ec, token())
	s.Data["password"] = []byte("theirs")
	return s
}

func merges(ec *egainv1alpha1.EgainClient) {
	ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
}

func anothers(ec *egainv1alpha1.EgainClient) { ec.Name, ec.UID = "other", "uid-of-other" }

// What becomes of a Secret.
const (
	stays  = "stays as it is"
	goes   = "is deleted"
	losing = "loses the operator's keys"
)

func became(t *testing.T, before, after *corev1.Secret) string {
	t.Helper()
	switch {
	case after == nil:
		return goes
	case encoded(t, before) == encoded(t, after):
		return stays
	case cmp.Equal(after.Data, map[string][]byte{"password": []byte("theirs")}) && len(after.Annotations) == 0:
		return losing
	default:
		return encoded(t, after)
	}
}

func TestTarget_ReleaseAndReleaseFormer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ec              *egainv1alpha1.EgainClient
		is              *corev1.Secret
		release, former string
	}{
		"the former target that it created":                   {movedFrom("was"), secretNamed(t, "was"), stays, goes},
		"the former target that it merged with":               {movedFrom("was"), secretNamed(t, "was", merges), losing, losing},
		"the former target, retained":                         {movedFrom("was", retains), secretNamed(t, "was"), stays, stays},
		"the former target that it merged with, retained":     {movedFrom("was", retains), secretNamed(t, "was", merges), stays, stays},
		"a former target of another client by now":            {movedFrom("was"), secretNamed(t, "was", anothers), stays, stays},
		"a former target that another client merges with now": {movedFrom("was"), secretNamed(t, "was", merges, anothers), stays, stays},
		"the target that it created":                          {movedFrom("sync"), secretNamed(t, "sync"), stays, stays},
		"the target that it merged with":                      {movedFrom("sync"), secretNamed(t, "sync", merges), losing, stays},
		"the target, not reported yet":                        {client(nil), secretNamed(t, "sync", merges), losing, stays},
		"a Secret that was never a target":                    {movedFrom("was"), secretNamed(t, "neither", merges), stays, stays},
	} {
		for call, do := range map[string]func(*fakeSecrets) error{
			"Release":       func(s *fakeSecrets) error { return Release(t.Context(), s, tc.ec) },
			"ReleaseFormer": func(s *fakeSecrets) error { return ReleaseFormer(t.Context(), s, tc.ec) },
		} {
			t.Run(call+" of "+name, func(t *testing.T) {
				t.Parallel()
				s := secretsWith(t, tc.is)
				before := s.stored[tc.is.Name]
				want := map[string]string{"Release": tc.release, "ReleaseFormer": tc.former}[call]
				if err := do(s); err != nil {
					t.Fatal(err)
				}
				if got := became(t, before, s.stored[tc.is.Name]); got != want {
					t.Errorf("it %s, want: it %s", got, want)
				}
			})
		}
	}
}

func TestTarget_ReleaseTakesBothOfAClientOnTheMove(t *testing.T) {
	t.Parallel()
	s := secretsWith(t, secretNamed(t, "was", merges), secretNamed(t, "sync", merges))
	if err := Release(t.Context(), s, movedFrom("was")); err != nil {
		t.Fatal(err)
	}
	if len(s.stored["was"].Data) != 1 || len(s.stored["sync"].Data) != 1 {
		t.Errorf("stored %v, %v", s.stored["was"].Data, s.stored["sync"].Data)
	}
}

func TestTarget_ReleaseFormerSparesWhatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	s := secretsWith(t, secretNamed(t, "was"))
	s.before[callDelete] = func() {
		s.put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "was"}, Data: map[string][]byte{"password": []byte("theirs")}})
	}
	if err := ReleaseFormer(t.Context(), s, movedFrom("was")); err == nil || s.stored["was"] == nil {
		t.Errorf("got %v, stored %t", err, s.stored["was"] != nil)
	}
	s = secretsWith(t, secretNamed(t, "was", merges))
	s.before[callApply] = func() { delete(s.stored, "was") }
	if err := ReleaseFormer(t.Context(), s, movedFrom("was")); err == nil || s.stored["was"] != nil {
		t.Errorf("got %v, and the Secret came back: %t", err, s.stored["was"] != nil)
	}
}

func TestTarget_ReleaseSaysWhatFailed(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]string{
		callGet:    `reading the former target "was": no answer`,
		callDelete: `cleaning up the former target "was": no answer`,
	} {
		s := secretsWith(t, secretNamed(t, "was"))
		s.fails[call] = errors.New("no answer")
		if err := ReleaseFormer(t.Context(), s, movedFrom("was")); err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	}
}

func TestTarget_ReadOwnReadsTheClientsOwnTokenOnly(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		is   []*corev1.Secret
		want bool
	}{
		"created for it":     {[]*corev1.Secret{secretNamed(t, "sync")}, true},
		"merged by it":       {[]*corev1.Secret{secretNamed(t, "sync", merges)}, true},
		"of another client":  {[]*corev1.Secret{secretNamed(t, "sync", anothers)}, false},
		"merged by another":  {[]*corev1.Secret{secretNamed(t, "sync", merges, anothers)}, false},
		"that doesn't exist": {nil, false},
	} {
		tok, err := ReadOwn(t.Context(), secretsWith(t, tc.is...), client(nil))
		if err != nil || (tok != nil) != tc.want {
			t.Errorf("a Secret %s: token %t, %v", name, tok != nil, err)
		}
	}
	s := secretsWith(t)
	s.fails[callGet] = errors.New("no answer")
	if _, err := ReadOwn(t.Context(), s, client(nil)); err == nil || err.Error() != "reading the target: no answer" {
		t.Errorf("got %v", err)
	}
}
