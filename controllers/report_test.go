package controllers

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// living is a token for a spec that was issued at a time and lives an hour.
func living(spec string, issued time.Time) *rotation.Token {
	return &rotation.Token{IssueTime: issued, ExpirationTime: issued.Add(time.Hour), Spec: spec}
}

func TestNext(t *testing.T) {
	t.Parallel()
	terminal := fault.New(fault.Terminal, "CredentialsInvalid", "mend it")
	queued := fault.New(fault.Busy, "ServerUnavailable", "queued")
	queued.Queued = true
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
		"queued: the next poll, by its spread":             {tok: valid, err: queued, want: 57 * time.Second},
		"queued, of a client that failed: the next poll":   {failure: retry(time.Hour), err: queued, want: 57 * time.Second},
		"queued, with a token that expires before":         {tok: living("now", noon.Add(10*time.Second-time.Hour)), err: queued, want: 10 * time.Second},
		"queued, with a dead token: when that is reported": {tok: expired, err: queued, want: 57 * time.Second},
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
			result, err := next(ec, status.Outcome{Result: status.Result{Err: tc.err}, Facts: status.Facts{Input: in}}, noon)
			if errors.Is(err, reconcile.TerminalError(nil)) != tc.terminal || result.RequeueAfter != tc.want {
				t.Errorf("got %v, %v, want %v", result.RequeueAfter, err, tc.want)
			}
			if result.Priority == nil || *result.Priority > priorityFirst {
				t.Errorf("the priority of a wake-up stays: %v", result.Priority)
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
