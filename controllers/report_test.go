package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// living is a token for a spec that was issued at a time and lives an hour.
func living(spec string, issued time.Time) *rotation.Token {
	return &rotation.Token{IssueTime: issued, ExpirationTime: issued.Add(time.Hour), Spec: spec}
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
		// stalls says whether somebody must act, and reason is that of TokenIssued.
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
					o := &outcome{
						facts: facts{input: rotation.Input{Now: noon, Token: tok, Spec: "now"}}, result: result{err: tc.err},
						decision: rotation.Decision{Action: action},
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
					if got, want := state(ec), fmt.Sprintf("%s: %s, %s", wantKstatus, tokenName, wantReason); got != want {
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

func TestReadyTellsWhyThereIsNoToken(t *testing.T) {
	t.Parallel()
	ec := &egainv1alpha1.EgainClient{}
	ec.Name = "sync"
	o := &outcome{facts: facts{input: rotation.Input{Now: noon, Spec: "now"}}}
	issued := metav1.Condition{Status: metav1.ConditionFalse, Message: "the server is down"}
	if got := readyCondition(ec, o, issued, noon).Message; got != "there is no token: the server is down" {
		t.Errorf("got %q", got)
	}
	o.facts.input.Token = living("now", noon.Add(-time.Hour))
	if got := readyCondition(ec, o, issued, noon).Message; got != `the token in Secret "sync" has expired: the server is down` {
		t.Errorf("got %q", got)
	}
	o.facts.input.Token = living("before", noon)
	if got := readyCondition(ec, o, issued, noon).Message; got != `the token in Secret "sync" was issued for an earlier spec: the server is down` {
		t.Errorf("got %q", got)
	}
	o.written = &target.Token{Token: *living("now", noon)}
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
				setStatus(ec, &outcome{result: result{err: s.err, attempted: s.attempted}, facts: facts{input: rotation.Input{Now: now}}}, now)
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
	o := &outcome{result: result{err: f, attempted: true}, facts: facts{input: rotation.Input{Now: late}}}

	setStatus(ec, o, late)
	if wait := ec.Status.LastFailure.RetryTime.Sub(late); wait < 10*time.Second || wait > 11*time.Second {
		t.Errorf("waits %v; a status holds whole seconds, which must be rounded up", wait)
	}
	result, err := next(ec, o, late)
	if err != nil || result.RequeueAfter < 10*time.Second {
		t.Errorf("comes back after %v, %v", result.RequeueAfter, err)
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	terminal := fault.New(fault.Terminal, "CredentialsInvalid", "mend it")
	valid, expired := living("now", noon), living("now", noon.Add(-2*time.Hour))
	retry := func(d time.Duration) *egainv1alpha1.FailureStatus {
		return &egainv1alpha1.FailureStatus{RetryTime: second(noon.Add(d))}
	}
	tests := map[string]struct {
		tok       *rotation.Token
		failure   *egainv1alpha1.FailureStatus
		err       error
		suspended bool
		want      time.Duration
		terminal  bool
	}{
		"a valid token: its renewal":                       {tok: valid, want: rotation.RenewAt(valid.IssueTime, valid.ExpirationTime, rotation.Policy{}, 0).Sub(noon)},
		"a valid token, suspended: its expiry":             {tok: valid, suspended: true, want: time.Hour},
		"a failure that is retried":                        {failure: retry(5 * time.Second), want: 5 * time.Second},
		"a failure that is retried before the expiry":      {tok: valid, failure: retry(10 * time.Minute), want: 10 * time.Minute},
		"a failure that is retried after the expiry":       {tok: valid, failure: retry(2 * time.Hour), want: time.Hour},
		"a failure that waits, with a token: its expiry":   {tok: valid, failure: &egainv1alpha1.FailureStatus{}, want: time.Hour},
		"a failure that waits, without a token: no time":   {failure: &egainv1alpha1.FailureStatus{}},
		"a mistake, with a token: its expiry":              {tok: valid, failure: &egainv1alpha1.FailureStatus{}, err: terminal, want: time.Hour},
		"a mistake, without a token":                       {failure: &egainv1alpha1.FailureStatus{}, err: terminal, terminal: true},
		"a mistake, with a dead token":                     {tok: expired, failure: &egainv1alpha1.FailureStatus{}, err: terminal, terminal: true},
		"a time that has passed: at once":                  {failure: retry(-time.Minute), want: time.Millisecond},
		"a dead token that nothing is known against: now":  {tok: expired, want: time.Millisecond},
		"suspended without a token: no time":               {suspended: true},
		"suspended, with a retry that was due: no time":    {suspended: true, failure: retry(time.Second)},
		"a busy host: shortly":                             {tok: valid, err: fault.New(fault.Busy, "ServerUnavailable", "busy"), want: 150 * time.Millisecond},
		"a busy host, of a client that failed: as shortly": {failure: retry(time.Hour), err: fault.New(fault.Busy, "ServerUnavailable", "busy"), want: 150 * time.Millisecond},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec := &egainv1alpha1.EgainClient{}
			ec.Spec.Suspend, ec.Status.LastFailure = &tc.suspended, tc.failure
			in := rotation.Input{Now: noon, Token: tc.tok}
			if tc.err != nil {
				in.Spread = 0.5
			}
			result, err := next(ec, &outcome{result: result{err: tc.err}, facts: facts{input: in}}, noon)
			if errors.Is(err, reconcile.TerminalError(nil)) != tc.terminal || result.RequeueAfter != tc.want {
				t.Errorf("got %v, %v, want %v", result.RequeueAfter, err, tc.want)
			}
			if err != nil && result != (ctrl.Result{}) {
				t.Error("a result that comes with an error is lost")
			}
		})
	}
}

func TestPriority(t *testing.T) {
	t.Parallel()
	with := func(tok, failure *metav1.Time) *egainv1alpha1.EgainClient {
		ec := &egainv1alpha1.EgainClient{}
		if tok != nil {
			ec.Status.Token = &egainv1alpha1.TokenStatus{ExpirationTime: tok}
		}
		if failure != nil {
			ec.Status.LastFailure = &egainv1alpha1.FailureStatus{Time: failure}
		}
		return ec
	}
	order := []*egainv1alpha1.EgainClient{
		with(nil, nil),
		with(second(noon.Add(-time.Hour)), nil),
		with(second(noon.Add(time.Minute)), second(noon)),
		with(second(noon.Add(59*time.Minute)), nil),
		with(nil, second(noon)), // ranks as a token with an hour to live
		with(second(noon.Add(61*time.Minute)), nil),
	}
	for i := 1; i < len(order); i++ {
		if priority(order[i-1]) <= priority(order[i]) {
			t.Errorf("%d is not before %d", i-1, i)
		}
	}
}

func TestTheStatusStaysWithinTheBoundsOfTheSchema(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 3000)
	ec := &egainv1alpha1.EgainClient{}
	o := &outcome{
		facts:  facts{input: rotation.Input{Now: noon, Spec: "now"}},
		result: result{written: &target.Token{Token: *living("now", noon), TokenType: "Bearer"}},
	}
	for range 1000 {
		o.written.Scopes = append(o.written.Scopes, long)
	}
	setStatus(ec, o, noon)
	if n := len(ec.Status.Token.Scopes); n != 256 {
		t.Errorf("%d scopes", n)
	}
	if s := ec.Status.Token.Scopes[0]; len(s) > 512 || !utf8.ValidString(s) {
		t.Errorf("a scope of %d bytes", len(s))
	}

	o = &outcome{result: result{err: fault.New(fault.Terminal, "TemplateInvalid", "%s", long)}, facts: facts{input: rotation.Input{Now: noon}}}
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

func TestOnlyWhatATokenIsIssuedForCountsAsTheSpec(t *testing.T) {
	t.Parallel()
	spec := func(change func(*egainv1alpha1.EgainClientSpec)) string {
		ec := &egainv1alpha1.EgainClient{Spec: egainv1alpha1.EgainClientSpec{
			Tenant: inline(egainv1alpha1.TenantLocation{ID: "T"}), Flow: egainv1alpha1.FlowClientCredentials, Scopes: []egainv1alpha1.Scope{"a"},
		}}
		if change != nil {
			change(&ec.Spec)
		}
		return request.SpecID(ec, request.Inline(ec))
	}
	same := map[string]func(*egainv1alpha1.EgainClientSpec){
		"nothing":      nil,
		"the target":   func(s *egainv1alpha1.EgainClientSpec) { s.Target.SecretName = "x" },
		"the schedule": func(s *egainv1alpha1.EgainClientSpec) { s.Renewal = before(time.Minute) },
		"a suspension": func(s *egainv1alpha1.EgainClientSpec) { s.Suspend = new(true) },
		"a revocation": func(s *egainv1alpha1.EgainClientSpec) { s.RevokeOnDelete = new(true) },
		"the CA": func(s *egainv1alpha1.EgainClientSpec) {
			s.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Name: "x"}
		},
	}
	for name, change := range same {
		if spec(change) != spec(nil) {
			t.Errorf("%s counts", name)
		}
	}
	other := map[string]func(*egainv1alpha1.EgainClientSpec){
		"the tenant": func(s *egainv1alpha1.EgainClientSpec) { s.Tenant.ID = "U" },
		"an endpoint": func(s *egainv1alpha1.EgainClientSpec) {
			s.Tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: "https://x"}
		},
		"the flow":   func(s *egainv1alpha1.EgainClientSpec) { s.Flow = egainv1alpha1.FlowAnonymousCustomer },
		"the scopes": func(s *egainv1alpha1.EgainClientSpec) { s.Scopes = append(s.Scopes, "b") },
		"the parameters": func(s *egainv1alpha1.EgainClientSpec) {
			s.Parameters = map[string]egainv1alpha1.ParameterValue{"resource": "x"}
		},
		"the credentials": func(s *egainv1alpha1.EgainClientSpec) {
			s.CredentialsSecretRef = &egainv1alpha1.CredentialsSecretReference{Name: "x"}
		},
		"the subject": func(s *egainv1alpha1.EgainClientSpec) { s.OnBehalfOf = &egainv1alpha1.OnBehalfOf{Username: "x"} },
		"the exchange": func(s *egainv1alpha1.EgainClientSpec) {
			s.TokenExchange = &egainv1alpha1.TokenExchange{RegistrationID: "x"}
		},
	}
	seen := map[string]string{spec(nil): "nothing"}
	for name, change := range other {
		if twin := seen[spec(change)]; twin != "" {
			t.Errorf("%s does not count, or as %s", name, twin)
		}
		seen[spec(change)] = name
	}
}

func TestTheStatusThatCouldNotBeWrittenIsNotShared(t *testing.T) {
	t.Parallel()
	ec := &egainv1alpha1.EgainClient{Status: egainv1alpha1.EgainClientStatus{ObservedGeneration: 1}}
	r := recollection{unwritten: &egainv1alpha1.EgainClientStatus{ObservedGeneration: 2, LastFailure: &egainv1alpha1.FailureStatus{Reason: "a"}}}
	st := r.status(ec)
	st.LastFailure.Reason = "b"
	if diff := cmp.Diff("a", r.unwritten.LastFailure.Reason); diff != "" {
		t.Error(diff)
	}
	r.unwritten = nil
	if got := r.status(ec).ObservedGeneration; got != 1 {
		t.Errorf("got the status of generation %d", got)
	}
}
