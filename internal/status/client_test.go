package status

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// living is a token for a spec that was issued at a time and lasts an hour.
func living(spec string, issued time.Time) *rotation.Token {
	return &rotation.Token{IssueTime: issued, ExpirationTime: issued.Add(time.Hour), Spec: spec}
}

// stateOf is the status that tools compute which know nothing of the operator's kinds, and the reasons of the conditions.
func stateOf(t *testing.T, ec *egainv1alpha1.EgainClient) string {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ec)
	if err != nil {
		t.Fatal(err)
	}
	computed, err := status.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		t.Fatal(err)
	}
	reason := func(kind string) string { return meta.FindStatusCondition(ec.Status.Conditions, kind).Reason }
	return fmt.Sprintf("%s: %s, %s", computed.Status, reason(egainv1alpha1.ConditionReady), reason(egainv1alpha1.ConditionTokenIssued))
}

// Every combination of what is in the target and what came of the attempt must make a status that users and tools read the
// same way.
func TestEveryOutcomeMakesOneStatus(t *testing.T) {
	t.Parallel()
	tokens := map[string]*rotation.Token{
		"NoToken": nil, "TokenValid": living("now", noon.Add(-time.Minute)),
		"TokenOutdated": living("before", noon.Add(-time.Minute)), "TokenExpired": living("now", noon.Add(-2*time.Hour)),
	}
	outcomes := map[string]struct {
		err    error
		failed *egainv1alpha1.FailureStatus
		action rotation.Action
		// stalls says whether a user must act, and reason is that of TokenIssued.
		stalls bool
		reason string
	}{
		"nothing to do":        {reason: egainv1alpha1.ReasonIssued},
		"waiting":              {err: fault.New(fault.Waiting, "CredentialsNotFound", "waiting"), reason: "CredentialsNotFound"},
		"a mistake":            {err: fault.New(fault.Terminal, "CredentialsInvalid", "mend it"), stalls: true, reason: "CredentialsInvalid"},
		"a rejection":          {err: fault.New(fault.Rejected, "ClientRejected", "ask them"), stalls: true, reason: "ClientRejected"},
		"a breakdown":          {err: fault.New(fault.Retryable, "ServerUnavailable", "it is down"), reason: "ServerUnavailable"},
		"after a rejection":    {action: rotation.Wait, failed: &egainv1alpha1.FailureStatus{Reason: "ScopeRejected", RetryTime: second(noon.Add(time.Minute))}, stalls: true, reason: "ScopeRejected"},
		"after a bad endpoint": {action: rotation.Wait, failed: &egainv1alpha1.FailureStatus{Reason: "EndpointRefused", RetryTime: second(noon.Add(time.Minute))}, stalls: true, reason: "EndpointRefused"},
		"after a breakdown":    {action: rotation.Wait, failed: &egainv1alpha1.FailureStatus{Reason: "TLSFailed", RetryTime: second(noon.Add(time.Minute))}, reason: "TLSFailed"},
		"a mend":               {failed: &egainv1alpha1.FailureStatus{Reason: "TLSFailed"}, reason: egainv1alpha1.ReasonIssued},
	}
	for tokenName, tok := range tokens {
		for outcomeName, tc := range outcomes {
			for _, suspended := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, suspended %t", tokenName, outcomeName, suspended), func(t *testing.T) {
					t.Parallel()
					ec := &egainv1alpha1.EgainClient{}
					ec.Name, ec.Generation, ec.Spec.Suspend = "sync", 3, &suspended
					if tc.failed != nil {
						ec.Status.LastFailure, ec.Status.ConsecutiveFailures = tc.failed.DeepCopy(), 1
					}
					action := tc.action
					if suspended {
						action = rotation.Keep // as rotation decides
					}
					o := &Outcome{
						Facts: Facts{Input: rotation.Input{Now: noon, Token: tok, Spec: "now"}}, Result: Result{Err: tc.err},
						Decision: rotation.Decision{Action: action},
					}

					setStatus(ec, o, noon)

					wantReason, wantKstatus := tc.reason, "InProgress"
					switch {
					case suspended:
						wantReason = egainv1alpha1.ReasonSuspended
					case tc.stalls:
						wantKstatus = "Failed"
					}
					if tokenName == egainv1alpha1.ReasonTokenValid {
						wantKstatus = "Current"
					}
					if got, want := stateOf(t, ec), fmt.Sprintf("%s: %s, %s", wantKstatus, tokenName, wantReason); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
					reconciling, stalled := meta.FindStatusCondition(ec.Status.Conditions, "Reconciling"), meta.FindStatusCondition(ec.Status.Conditions, "Stalled")
					ready := tokenName == egainv1alpha1.ReasonTokenValid
					if (reconciling != nil) != (!ready && !suspended && !tc.stalls) || (stalled != nil) != (!ready && !suspended && tc.stalls) {
						t.Errorf("Reconciling %v, Stalled %v", reconciling, stalled)
					}
					for _, c := range ec.Status.Conditions {
						if c.ObservedGeneration != 3 || c.LastTransitionTime.IsZero() || c.Message == "" && tc.failed == nil {
							t.Errorf("condition %v", c)
						}
					}
				})
			}
		}
	}
}

func TestReadySaysWhyThereIsNoToken(t *testing.T) {
	t.Parallel()
	ec := &egainv1alpha1.EgainClient{}
	ec.Name = "sync"
	o := &Outcome{Facts: Facts{Input: rotation.Input{Now: noon, Spec: "now"}}}
	issued := metav1.Condition{Status: metav1.ConditionFalse, Message: "the server is down"}
	if got := readyCondition(ec, o, issued, noon).Message; got != "there is no token: the server is down" {
		t.Errorf("got %q", got)
	}
	o.Input.Token = living("now", noon.Add(-time.Hour))
	if got := readyCondition(ec, o, issued, noon).Message; got != `the token in Secret "sync" has expired: the server is down` {
		t.Errorf("got %q", got)
	}
	o.Input.Token = living("before", noon)
	if got := readyCondition(ec, o, issued, noon).Message; got != `the token in Secret "sync" was issued for an earlier spec: the server is down` {
		t.Errorf("got %q", got)
	}
	o.Written = &target.Token{Token: *living("now", noon)}
	if got := readyCondition(ec, o, issued, noon).Message; got != `Secret "sync" holds an unexpired token` {
		t.Errorf("got %q", got)
	}
}

func TestAFailureIsNotedAsItCame(t *testing.T) {
	t.Parallel()
	waiting := fault.New(fault.Waiting, "CredentialsNotFound", "waiting")
	down := fault.New(fault.Retryable, "ServerUnavailable", "it is down")
	type step struct {
		err       error
		attempted bool
		after     time.Duration
	}
	tests := map[string]struct {
		steps []step
		count int32
		at    time.Duration
		retry bool
	}{
		"a wait, looked at twice":          {[]step{{waiting, false, 0}, {waiting, false, time.Hour}}, 1, 0, false},
		"a wait for something else":        {[]step{{waiting, false, 0}, {fault.New(fault.Waiting, "CABundleNotFound", "waiting"), false, time.Hour}}, 2, time.Hour, false},
		"two attempts":                     {[]step{{down, true, 0}, {down, true, time.Hour}}, 2, time.Hour, true},
		"an attempt, then a wait":          {[]step{{down, true, 0}, {waiting, false, time.Hour}}, 2, time.Hour, false},
		"the same mistake, tried anew":     {[]step{{fault.New(fault.Terminal, "TargetRejected", "no"), true, 0}, {fault.New(fault.Terminal, "TargetRejected", "no"), true, time.Hour}}, 2, time.Hour, false},
		"an error of the API server after": {[]step{{down, true, 0}, {errors.New("no leader"), true, time.Hour}}, 1, 0, true},
		"a busy host after":                {[]step{{down, true, 0}, {fault.New(fault.Busy, "ServerUnavailable", "busy"), true, time.Hour}}, 1, 0, true},
		"a mend":                           {[]step{{down, true, 0}, {nil, false, time.Hour}}, 0, 0, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec := &egainv1alpha1.EgainClient{}
			for _, s := range tc.steps {
				now := noon.Add(s.after)
				setStatus(ec, &Outcome{Result: Result{Err: s.err, Attempted: s.attempted}, Facts: Facts{Input: rotation.Input{Now: now}}}, now)
			}
			last := ec.Status.LastFailure
			if ec.Status.ConsecutiveFailures != tc.count || (last == nil) != (tc.count == 0) {
				t.Fatalf("%d failures, the last %v", ec.Status.ConsecutiveFailures, last)
			}
			if last != nil && (!last.Time.Time.Equal(noon.Add(tc.at)) || (last.RetryTime != nil) != tc.retry) {
				t.Errorf("failed at %v, tried again at %v", last.Time, last.RetryTime)
			}
		})
	}
}

func TestARetryIsNeverEarlierThanAsked(t *testing.T) {
	t.Parallel()
	late := noon.Add(999 * time.Millisecond)
	f := fault.New(fault.Retryable, "RateLimited", "slow down")
	f.RetryAfter = 10 * time.Second
	ec := &egainv1alpha1.EgainClient{}
	o := &Outcome{Result: Result{Err: f, Attempted: true}, Facts: Facts{Input: rotation.Input{Now: late}}}

	setStatus(ec, o, late)
	if wait := ec.Status.LastFailure.RetryTime.Sub(late); wait < 10*time.Second || wait > 11*time.Second {
		t.Errorf("waits %v; a status holds whole seconds, which must be rounded up", wait)
	}
	if wait := Wake(ec, *o, late).Sub(late); wait < 10*time.Second {
		t.Errorf("wakes after %v", wait)
	}
}

func TestTheStatusStaysWithinTheBoundsOfTheSchema(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 3000)
	ec := &egainv1alpha1.EgainClient{}
	o := &Outcome{
		Facts:  Facts{Input: rotation.Input{Now: noon, Spec: "now"}},
		Result: Result{Written: &target.Token{Token: *living("now", noon), TokenType: "Bearer"}},
	}
	for range 1000 {
		o.Written.Scopes = append(o.Written.Scopes, long)
	}
	setStatus(ec, o, noon)
	if n := len(ec.Status.Token.Scopes); n != 256 {
		t.Errorf("%d scopes", n)
	}
	if s := ec.Status.Token.Scopes[0]; len(s) > 512 || !utf8.ValidString(s) {
		t.Errorf("a scope of %d bytes", len(s))
	}

	o = &Outcome{Result: Result{Err: fault.New(fault.Terminal, "TemplateInvalid", "%s", long)}, Facts: Facts{Input: rotation.Input{Now: noon}}}
	setStatus(ec, o, noon)
	if m := ec.Status.LastFailure.Message; len(m) > 1024 || !utf8.ValidString(m) {
		t.Errorf("a message of %d bytes", len(m))
	}
	for _, c := range ec.Status.Conditions {
		if len(c.Message) > 1024 {
			t.Errorf("%s: a message of %d bytes", c.Type, len(c.Message))
		}
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aéb", 2, "a"}, {"aéb", 3, "aé"}, {"日本", 2, ""}, {"日本", 5, "日"},
	} {
		if got := truncate(tc.text, tc.limit); got != tc.want {
			t.Errorf("%q to %d: %q, want %q", tc.text, tc.limit, got, tc.want)
		}
	}
}
