package target

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// planned is the plan to write a token over what is observed.
func planned(t *testing.T, s *fakeSecrets, ec *egainv1alpha1.EgainClient, tok *Token) Plan {
	t.Helper()
	seen, err := observed(t, s, ec)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := PlanWrite(ec, seen, tok)
	if err != nil {
		t.Fatal(err)
	}
	s.calls = nil
	return plan
}

func renewed() *Token {
	tok := token()
	tok.AccessToken = "another-token"
	return tok
}

func TestTarget_ApplyWritesTheTargetAndKnowsIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		s     *fakeSecrets
		calls []string
	}{
		"that does not exist": {secretsWith(t), []string{callGet, callApply}},
		"that exists":         {secretsWith(t, rendered(t, client(nil), token())), []string{callForce}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec := client(nil)
			plan := planned(t, tc.s, ec, renewed())
			if plan.Replaces() {
				t.Error("nothing is to be deleted")
			}
			known, err := plan.Apply(t.Context(), tc.s)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.calls, tc.s.calls); diff != "" {
				t.Error(diff)
			}
			seen, err := observed(t, tc.s, ec)
			if err != nil || seen.Content.AccessToken != "another-token" {
				t.Fatalf("%+v, %v", seen, err)
			}
			if diff := cmp.Diff(seen.Known, known, cmpopts.EquateComparable(Version{})); diff != "" {
				t.Errorf("what Apply knows is not what Observe finds: %s", diff)
			}
		})
	}
}

func TestTarget_ApplyDoesNotOverwriteASecretThatWasCreatedMeanwhile(t *testing.T) {
	t.Parallel()
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "sync"}, Data: map[string][]byte{"access_token": []byte("theirs")}}
	for name, tc := range map[string]struct {
		s    *fakeSecrets
		want func(error) bool
	}{
		"where none was":            {secretsWith(t), apierrors.IsAlreadyExists},
		"in the place of the token": {secretsWith(t, rendered(t, client(nil), token())), apierrors.IsConflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := planned(t, tc.s, client(nil), renewed())
			tc.s.put(theirs)
			before := encoded(t, tc.s.stored["sync"])
			if known, err := plan.Apply(t.Context(), tc.s); !tc.want(err) || known != (Known{}) {
				t.Errorf("%+v, %v", known, err)
			}
			if after := encoded(t, tc.s.stored["sync"]); after != before {
				t.Errorf("it became %s", after)
			}
		})
	}
}

func TestTarget_APlanIsNotMadeOfATemplateThatFails(t *testing.T) {
	t.Parallel()
	_, err := PlanWrite(client(map[string]egainv1alpha1.Template{"a": "{{ .No }}"}), Observation{}, token())
	wantFault(t, err, `["a"] names .No`)
}

func TestTarget_APlanLeavesTheObservationAsItIs(t *testing.T) {
	t.Parallel()
	s := secretsWith(t, rendered(t, client(nil), token()))
	seen, err := observed(t, s, client(nil))
	if err != nil {
		t.Fatal(err)
	}
	before := encoded(t, &corev1.Secret{ObjectMeta: *seen.Meta})
	copied := seen
	plan, err := PlanWrite(client(nil), seen, renewed())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if after := encoded(t, &corev1.Secret{ObjectMeta: *seen.Meta}); after != before || seen != copied || seen.Content.AccessToken != accessToken {
		t.Errorf("it became %s", after)
	}
}

func TestTarget_RefusedTellsWhatAPersonMustFix(t *testing.T) {
	t.Parallel()
	secrets := schema.GroupResource{Resource: "secrets"}
	another := apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "sync", nil)
	another.ErrStatus.Details.Causes = []metav1.StatusCause{{Field: "metadata.uid"}}
	for name, tc := range map[string]struct {
		err   error
		class fault.Class
		want  string
	}{
		"invalid":            {apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "sync", nil), fault.Terminal, `does not accept Secret "sync": Secret "sync" is invalid; correct spec.target`},
		"a bad request":      {apierrors.NewBadRequest("too odd"), fault.Terminal, `does not accept Secret "sync": too odd; check the API server, and the admission webhooks`},
		"too large":          {apierrors.NewRequestEntityTooLargeError("too much"), fault.Terminal, `too much; correct spec.target`},
		"a quota":            {apierrors.NewForbidden(secrets, "sync", errors.New("exceeded quota")), fault.Retryable, "exceeded quota; raise the quota"},
		"quoting the token":  {apierrors.NewBadRequest("bad token " + accessToken), fault.Terminal, "(the message quotes the Secret and is not shown)"},
		"another object":     {another, -1, `applying Secret "sync": `},
		"a conflict":         {apierrors.NewConflict(secrets, "sync", errors.New("changed")), -1, `applying Secret "sync": `},
		"no answer":          {errors.New("no answer"), -1, `applying Secret "sync": no answer`},
		"no answer, quoting": {errors.New("no answer to " + accessToken), -1, `applying Secret "sync": (the message quotes the Secret and is not shown)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := planned(t, secretsWith(t), client(nil), token()).Refused(tc.err)
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), accessToken) {
				t.Errorf("got %v", err)
			}
			switch f := fault.Of(err); {
			case (f == nil) != (tc.class == -1):
				t.Errorf("got class %v", f)
			case f != nil && (f.Class != tc.class || f.Reason != egainv1alpha1.ReasonTargetRejected):
				t.Errorf("got class %d, reason %s", f.Class, f.Reason)
			}
		})
	}
}
