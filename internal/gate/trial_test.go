package gate

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

var (
	errCredentials error = &outcome{Verdict{Kind: Refused}, "invalid_client"}
	errScope       error = &outcome{Verdict{Kind: Served}, "invalid_scope"}
)

// with has a client send a version of the credentials of one application.
func with(version uint64) func(*Client) {
	return func(c *Client) { c.App, c.Credentials = "acme", Credentials{Group: "acme", Version: version} }
}

func TestGate_OneClientTriesCredentialsAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	end := f.start(clientOf("a", with(1)))
	for _, name := range []string{"b", "c"} {
		if q := f.refused(clientOf(name, with(1))); q.Cause != nil || q.Error() != "queued: "+string(trying) {
			t.Errorf("%s waits for %q", name, q)
		}
	}
	f.permit(clientOf("other"))
	f.permit(clientOf("d", with(2))) // that is another trial
	f.Forget("d")

	f.woken = nil
	if err := end(nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.woken, []string{"b", "c"}) {
		t.Errorf("once they are accepted, other clients are woken than wanted: %v", f.woken)
	}
	if got := f.Accepted(Credentials{Group: "acme", Version: 1}); !got.Equal(f.now) {
		t.Errorf("they are accepted since %v", got)
	}
	if got := f.Accepted(Credentials{Group: "acme", Version: 2}); !got.IsZero() {
		t.Errorf("others are accepted since %v", got)
	}
}

func TestGate_RefusedCredentialsHoldTheirClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	end := f.start(clientOf("a", with(1)))
	_ = f.refused(clientOf("soon", with(1), expiring(time.Minute)))
	var q *Queued
	if err := end(errCredentials); !errors.As(err, &q) || !q.Refused || !errors.Is(q, errCredentials) {
		t.Fatalf("the client that tried them gets %v", err)
	}
	f.woken = nil
	f.wait(refusedRetry - time.Second)
	for _, name := range []string{"a", "soon", "late"} {
		if q := f.refused(clientOf(name, with(1))); !q.Refused {
			t.Errorf("%s waits for %q", name, q)
		}
	}
	_ = f.refused(clientOf("soon", with(1), expiring(time.Minute)))
	f.wait(time.Second)
	if !slices.Equal(f.woken, []string{"soon"}) {
		t.Errorf("half an hour later other clients are woken than the soonest to expire: %v", f.woken)
	}
	if q := f.refused(clientOf("a", with(1))); !q.Refused {
		t.Errorf("meanwhile the others wait for %q", q)
	}
	// Other credentials are tried at once, and so is another application.
	if err := f.do(clientOf("late", with(2)), nil); err != nil {
		t.Error(err)
	}
	f.permit(clientOf("other"))
}

func TestGate_ARefusalThatIsTheClientsOwnPassesTheTrialOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	end := f.start(clientOf("a", with(1)))
	_ = f.refused(clientOf("b", with(1)))
	f.woken = nil
	if err := end(errScope); !errors.Is(err, errScope) {
		t.Fatalf("the client gets %v", err)
	}
	if !slices.Equal(f.woken, []string{"b"}) {
		t.Errorf("the trial is not passed on: %v", f.woken)
	}
	if got := f.Accepted(Credentials{Group: "acme", Version: 1}); !got.IsZero() {
		t.Error("a refusal for another reason counts as an acceptance")
	}
}

func TestGate_CredentialsThatAreRefusedLaterAreTriedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.do(clientOf("a", with(1)), nil); err != nil {
		t.Fatal(err)
	}
	first, second := f.start(clientOf("a", with(1))), f.start(clientOf("b", with(1)))
	late := f.permit(clientOf("c", with(1)))
	if err := first(errCredentials); err == nil {
		t.Fatal("the refusal is lost")
	}
	if err := late.Do(t.Context(), func(context.Context) error { t.Error("it was sent"); return nil }); err == nil {
		t.Error("a permit from before the refusal serves")
	}
	if err := second(nil); err != nil {
		t.Fatal(err)
	}
	f.permit(clientOf("d", with(1))) // the server accepts them again
}

func TestGate_AnAnswerToOlderCredentialsTellsNothingOfNewerOnes(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]error{"accepted": nil, "refused": errCredentials} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			end := f.start(clientOf("old", with(1)))
			f.wait(time.Second)
			if err := f.do(clientOf("new", with(2)), nil); err != nil {
				t.Fatal(err)
			}
			since := f.Accepted(Credentials{Group: "acme", Version: 2})
			f.wait(time.Second)
			_ = end(outcome)
			if got := f.Accepted(Credentials{Group: "acme", Version: 2}); !got.Equal(since) {
				t.Errorf("the newer ones are accepted since %v, not %v", got, since)
			}
		})
	}
}
