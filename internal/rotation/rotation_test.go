package rotation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, time.November, 23, 10, 0, 0, 0, time.UTC)

// tokenOf returns a token of an hour for the inputs of inputOf, issued some time ago.
func tokenOf(age time.Duration, change ...func(*Token)) *Token {
	issue := now.Add(-age)
	tok := &Token{IssueTime: issue, ExpirationTime: issue.Add(time.Hour), Spec: "spec-1", Sources: "sources-1"}
	for _, c := range change {
		c(tok)
	}
	return tok
}

func renewed(request string) func(*Token)   { return func(t *Token) { t.Renewal = request } }
func issuedFor(spec string) func(*Token)    { return func(t *Token) { t.Spec = spec } }
func issuedWith(source string) func(*Token) { return func(t *Token) { t.Sources = source } }

// keepUntilDue is the decision about inputOf without changes.
var keepUntilDue = Decision{Action: Keep, At: RenewAt(tokenOf(10*time.Minute).IssueTime, tokenOf(10*time.Minute).ExpirationTime, Policy{}, 0)}

// inputOf returns a world in which nothing is to be done until 40 minutes after the issue, less the part of the spread that
// is the token's, with changes.
func inputOf(change ...func(*Input)) Input {
	in := Input{Now: now, Token: tokenOf(10 * time.Minute), Spec: "spec-1", Sources: "sources-1"}
	for _, c := range change {
		c(&in)
	}
	return in
}

func failedUntil(at time.Time) func(*Input) {
	return func(in *Input) { in.Failure = &Failure{Inputs: in.Inputs(), RetryTime: at} }
}

func TestDecide(t *testing.T) {
	t.Parallel()
	soon := now.Add(time.Minute)
	tests := map[string]struct {
		in   Input
		want Decision
	}{
		"keeps a good token until its renewal": {
			inputOf(),
			keepUntilDue,
		},
		"keeps a token a second before its renewal": {
			inputOf(func(in *Input) { in.Now = keepUntilDue.At.Add(-time.Second) }), keepUntilDue,
		},
		"renews on the second": {
			inputOf(func(in *Input) { in.Now = keepUntilDue.At }),
			Decision{Action: Issue, Cause: CauseRenewalDue},
		},
		"renews sooner with spread": {
			inputOf(func(in *Input) { in.Token, in.Spread = tokenOf(38*time.Minute), 0.5 }),
			Decision{Action: Issue, Cause: CauseRenewalDue},
		},
		"renews when the policy says": {
			inputOf(func(in *Input) { in.Token, in.Policy = tokenOf(50*time.Minute), Policy{Before: 10 * time.Minute} }),
			Decision{Action: Issue, Cause: CauseRenewalDue},
		},
		"replaces an expired token": {
			inputOf(func(in *Input) { in.Token = tokenOf(2 * time.Hour) }),
			Decision{Action: Issue, Cause: CauseRenewalDue},
		},
		"issues where there is no token": {
			inputOf(func(in *Input) { in.Token = nil }),
			Decision{Action: Issue, Cause: CauseNoToken},
		},
		"replaces a token that another client changed": {
			inputOf(func(in *Input) { in.Damaged = true }),
			Decision{Action: Issue, Cause: CauseDamaged},
		},
		"replaces a token that another client destroyed": {
			inputOf(func(in *Input) { in.Token, in.Damaged = nil, true }),
			Decision{Action: Issue, Cause: CauseDamaged},
		},
		"replaces a token issued for another spec": {
			inputOf(func(in *Input) { in.Token = tokenOf(0, issuedFor("spec-0")) }),
			Decision{Action: Issue, Cause: CauseSpecChanged},
		},
		"replaces a token issued with other credentials": {
			inputOf(func(in *Input) { in.Token = tokenOf(0, issuedWith("sources-0")) }),
			Decision{Action: Issue, Cause: CauseSourcesChanged},
		},
		"answers a renewal request": {
			inputOf(func(in *Input) { in.Renewal = "monday" }),
			Decision{Action: Issue, Cause: CauseRenewalRequested},
		},
		"answers the next renewal request": {
			inputOf(func(in *Input) { in.Token, in.Renewal = tokenOf(10*time.Minute, renewed("monday")), "tuesday" }),
			Decision{Action: Issue, Cause: CauseRenewalRequested},
		},
		"answers a renewal request once": {
			inputOf(func(in *Input) { in.Token, in.Renewal = tokenOf(10*time.Minute, renewed("monday")), "monday" }),
			keepUntilDue,
		},
		"does nothing when a renewal request is withdrawn": {
			inputOf(func(in *Input) { in.Token = tokenOf(10*time.Minute, renewed("monday")) }),
			keepUntilDue,
		},
		"rewrites a target that drifted": {
			inputOf(func(in *Input) { in.Drifted = true }),
			Decision{Action: Render, Cause: CauseDrifted},
		},
		"issues rather than rewrites a target that drifted and is due": {
			inputOf(func(in *Input) { in.Token, in.Drifted = tokenOf(50*time.Minute), true }),
			Decision{Action: Issue, Cause: CauseRenewalDue},
		},
		"rewrites a target that drifted although an earlier attempt failed": {
			inputOf(func(in *Input) { in.Drifted = true }, failedUntil(soon)),
			Decision{Action: Render, Cause: CauseDrifted},
		},
		"damage comes before everything": {
			inputOf(func(in *Input) {
				in.Token, in.Damaged, in.Drifted, in.Renewal = tokenOf(2*time.Hour, issuedFor("spec-0"), issuedWith("sources-0")), true, true, "monday"
			}),
			Decision{Action: Issue, Cause: CauseDamaged},
		},
		"a changed spec comes before changed credentials": {
			inputOf(func(in *Input) {
				in.Token, in.Renewal = tokenOf(2*time.Hour, issuedFor("spec-0"), issuedWith("sources-0")), "monday"
			}),
			Decision{Action: Issue, Cause: CauseSpecChanged},
		},
		"changed credentials come before a request": {
			inputOf(func(in *Input) { in.Token, in.Renewal = tokenOf(2*time.Hour, issuedWith("sources-0")), "monday" }),
			Decision{Action: Issue, Cause: CauseSourcesChanged},
		},
		"a request comes before the schedule": {
			inputOf(func(in *Input) { in.Token, in.Renewal = tokenOf(2*time.Hour), "monday" }),
			Decision{Action: Issue, Cause: CauseRenewalRequested},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Decide(tc.in)); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecideWhileSuspended(t *testing.T) {
	t.Parallel()
	suspended := func(in *Input) { in.Suspended = true }
	tests := map[string]struct {
		in   Input
		want Decision
	}{
		"looks again when the token expires": {
			inputOf(suspended), Decision{Action: Keep, At: now.Add(50 * time.Minute)},
		},
		"does nothing about an expired token": {
			inputOf(suspended, func(in *Input) { in.Token = tokenOf(2 * time.Hour) }), Decision{Action: Keep},
		},
		"does nothing about a missing token": {
			inputOf(suspended, func(in *Input) { in.Token, in.Damaged = nil, true }), Decision{Action: Keep},
		},
		"does nothing about anything else": {
			inputOf(suspended, func(in *Input) {
				in.Token, in.Drifted, in.Renewal, in.Held = tokenOf(10*time.Minute, issuedFor("spec-0")), true, "monday", tokenOf(0)
			}),
			Decision{Action: Keep, At: now.Add(50 * time.Minute)},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Decide(tc.in)); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecideWithAHeldToken(t *testing.T) {
	t.Parallel()
	render := Decision{Action: Render, Cause: CauseHeld}
	held := func(tok *Token) func(*Input) { return func(in *Input) { in.Token, in.Held = nil, tok } }
	tests := map[string]struct {
		in   Input
		want Decision
	}{
		"writes it instead of issuing another one": {
			inputOf(held(tokenOf(time.Minute))), render,
		},
		"writes it although an attempt failed": {
			inputOf(held(tokenOf(time.Minute)), failedUntil(now.Add(time.Hour))), render,
		},
		"writes it over a damaged token": {
			inputOf(held(tokenOf(time.Minute)), func(in *Input) { in.Damaged = true }), render,
		},
		"writes it when the token in the target is due": {
			inputOf(func(in *Input) { in.Token, in.Held = tokenOf(41*time.Minute), tokenOf(time.Minute) }), render,
		},
		"writes one that answers the request": {
			inputOf(held(tokenOf(time.Minute, renewed("monday"))), func(in *Input) { in.Renewal = "monday" }), render,
		},
		"writes one that answers a request withdrawn since": {
			inputOf(held(tokenOf(time.Minute, renewed("monday")))), render,
		},
		"does not write one issued for another spec": {
			inputOf(held(tokenOf(time.Minute, issuedFor("spec-0")))), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"does not write one issued with other credentials": {
			inputOf(held(tokenOf(time.Minute, issuedWith("sources-0")))), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"does not write one from before the request": {
			inputOf(held(tokenOf(time.Minute)), func(in *Input) { in.Renewal = "monday" }), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"does not write one that has expired": {
			inputOf(held(tokenOf(2 * time.Hour))), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"has no use for it while the target is in order": {
			inputOf(func(in *Input) { in.Held = tokenOf(0) }), keepUntilDue,
		},
		// With the provider down, a token that is due is all that there is.
		"writes one that is due where there is none": {
			inputOf(held(tokenOf(50*time.Minute)), failedUntil(now.Add(time.Minute))), render,
		},
		"writes one that is due where there is an expired one": {
			inputOf(func(in *Input) { in.Token, in.Held = tokenOf(2*time.Hour), tokenOf(50*time.Minute) }), render,
		},
		"writes one that is due over one that ends sooner": {
			inputOf(func(in *Input) { in.Token, in.Held = tokenOf(55*time.Minute), tokenOf(50*time.Minute) }), render,
		},
		// A write whose answer got lost leaves the same token held and in the target: writing it for ever would renew nothing.
		"renews one that is due and in the target already": {
			inputOf(func(in *Input) { in.Token, in.Held = tokenOf(50*time.Minute), tokenOf(50*time.Minute) }),
			Decision{Action: Issue, Cause: CauseRenewalDue},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Decide(tc.in)); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecideAfterAFailure(t *testing.T) {
	t.Parallel()
	retry, never := now.Add(time.Minute), time.Time{}
	missing := func(in *Input) { in.Token = nil }
	tests := map[string]struct {
		in   Input
		want Decision
	}{
		"waits until the retry": {
			inputOf(missing, failedUntil(retry)), Decision{Action: Wait, Cause: CauseNoToken, At: retry},
		},
		"tries again on the second": {
			inputOf(missing, failedUntil(now)), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"tries again after it": {
			inputOf(missing, failedUntil(now.Add(-time.Second))), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"tries at once when the spec changed since": {
			inputOf(missing, failedUntil(retry), func(in *Input) { in.Spec = "spec-2" }), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"tries at once when the credentials changed since": {
			inputOf(missing, failedUntil(retry), func(in *Input) { in.Sources = "sources-2" }), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"tries at once when asked to": {
			inputOf(missing, failedUntil(retry), func(in *Input) { in.Renewal = "monday" }), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"does not try at once for a change that asks nothing of the provider": {
			inputOf(missing, failedUntil(retry), func(in *Input) { in.Policy = Policy{Percent: 80} }),
			Decision{Action: Wait, Cause: CauseNoToken, At: retry},
		},
		"waits with a valid token that is due": {
			inputOf(func(in *Input) { in.Token = tokenOf(45 * time.Minute) }, failedUntil(retry)),
			Decision{Action: Wait, Cause: CauseRenewalDue, At: retry},
		},
		// Nothing happens when a token expires: without looking again, Ready would stay true on a dead token.
		"looks again when the token expires before the retry": {
			inputOf(func(in *Input) { in.Token = tokenOf(45 * time.Minute) }, failedUntil(now.Add(30*time.Minute))),
			Decision{Action: Wait, Cause: CauseRenewalDue, At: now.Add(15 * time.Minute)},
		},
		"waits for the retry once the token has expired": {
			inputOf(func(in *Input) { in.Token = tokenOf(61 * time.Minute) }, failedUntil(retry)),
			Decision{Action: Wait, Cause: CauseRenewalDue, At: retry},
		},
		"waits for a change if only one can help": {
			inputOf(missing, failedUntil(never)), Decision{Action: Wait, Cause: CauseNoToken},
		},
		"waits for a change, with a valid token until that expires": {
			inputOf(func(in *Input) { in.Token = tokenOf(45 * time.Minute) }, failedUntil(never)),
			Decision{Action: Wait, Cause: CauseRenewalDue, At: now.Add(15 * time.Minute)},
		},
		"waits for a change once the token has expired": {
			inputOf(func(in *Input) { in.Token = tokenOf(61 * time.Minute) }, failedUntil(never)),
			Decision{Action: Wait, Cause: CauseRenewalDue},
		},
		"waits for a change with a token for an earlier spec until that expires": {
			inputOf(func(in *Input) { in.Token = tokenOf(10*time.Minute, issuedFor("spec-0")) }, failedUntil(never)),
			Decision{Action: Wait, Cause: CauseSpecChanged, At: now.Add(50 * time.Minute)},
		},
		"ends the wait for a change when the spec changed": {
			inputOf(missing, failedUntil(never), func(in *Input) { in.Spec = "spec-2" }), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"ends the wait for a change when a Secret changed": {
			inputOf(missing, failedUntil(never), func(in *Input) { in.Sources = "sources-2" }), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"ends the wait for a change when asked to": {
			inputOf(missing, failedUntil(never), func(in *Input) { in.Renewal = "monday" }), Decision{Action: Issue, Cause: CauseNoToken},
		},
		"keeps a good token although only a change can help": {
			inputOf(failedUntil(never)), keepUntilDue,
		},
		"keeps a good token whatever failed": {
			inputOf(failedUntil(retry)), keepUntilDue,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Decide(tc.in)); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
		})
	}
}

// The time at which Decide says to look again must be one at which it then acts, or the client would spin (as
// cert-manager#4399) or sleep for ever.
func TestDecideActsWhenItSaidItWould(t *testing.T) {
	t.Parallel()
	for _, life := range lives {
		for _, spread := range spreads {
			in := inputOf(func(in *Input) {
				in.Spread = spread
				in.Token.IssueTime, in.Token.ExpirationTime = now, now.Add(life)
			})
			d := Decide(in)
			if d.Action != Keep || !d.At.After(now) {
				t.Fatalf("life %s, spread %f: decides %+v at the issue, want to keep the token for a while", life, spread, d)
			}
			in.Now = d.At.Add(-time.Nanosecond)
			if before := Decide(in); before.Action != Keep {
				t.Errorf("life %s, spread %f: decides %+v just before %s", life, spread, before, d.At)
			}
			if in.Now = d.At; d.At.Before(now.Add(Floor)) { // it has expired, and must not be replaced yet
				if d = Decide(in); d.Action != Keep || !d.At.Equal(now.Add(Floor)) {
					t.Fatalf("life %s, spread %f: decides %+v at the expiry, want to keep until the floor is over", life, spread, d)
				}
				in.Now = d.At
			}
			if then := Decide(in); then.Action != Issue || then.Cause != CauseRenewalDue {
				t.Errorf("life %s, spread %f: decides %+v at %s", life, spread, then, d.At)
			}
		}
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		token *Token
		want  bool
	}{
		"no token is not valid":                     {nil, false},
		"a token is valid until its expiry":         {tokenOf(time.Hour - time.Nanosecond), true},
		"a token is not valid from its expiry on":   {tokenOf(time.Hour), false},
		"a token without any times is not valid":    {&Token{}, false},
		"a token is valid before its issue as well": {tokenOf(-time.Minute), true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.token.Valid(now); got != tc.want {
				t.Errorf("Valid = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	base := inputOf()
	if got := base.Inputs(); len(got) != 32 {
		t.Errorf("Inputs() = %q, want 32 characters", got)
	}
	same := inputOf(func(in *Input) {
		in.Now, in.Token, in.Damaged, in.Held, in.Failure, in.Policy, in.Spread = now.Add(time.Hour), nil, true, tokenOf(0), &Failure{}, Policy{Percent: 1}, 0.5
	})
	if same.Inputs() != base.Inputs() {
		t.Error("Inputs differs although an attempt would be made with the same things")
	}
	seen := map[string]string{base.Inputs(): "nothing"}
	for name, change := range map[string]func(*Input){
		"the spec":       func(in *Input) { in.Spec += "x" },
		"the sources":    func(in *Input) { in.Sources += "x" },
		"the request":    func(in *Input) { in.Renewal = "x" },
		"where they end": func(in *Input) { in.Spec, in.Sources = in.Spec+"s", in.Sources[1:] },
	} {
		in := inputOf(change)
		if other, taken := seen[in.Inputs()]; taken {
			t.Errorf("Inputs is the same after a change of %s and of %s", name, other)
		}
		seen[in.Inputs()] = name
	}
}
