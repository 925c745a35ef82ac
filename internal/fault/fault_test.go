package fault

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/url"
	"testing"
	"time"
)

var now = time.Date(2026, time.November, 23, 10, 0, 0, 0, time.UTC)

func TestRetryTime(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		failure Error
		attempt Attempt
		want    time.Duration // zero for never
	}{
		"a first failure without a token is retried after the floor": {
			Error{Class: Retryable}, Attempt{Failures: 1}, Floor,
		},
		"the wait doubles with each failure": {
			Error{Class: Retryable}, Attempt{Failures: 4}, 16 * time.Second,
		},
		"the wait without a token ends at a minute": {
			Error{Class: Retryable}, Attempt{Failures: 6}, time.Minute,
		},
		"failures without number overflow nothing": {
			Error{Class: Retryable}, Attempt{Failures: math.MaxInt32}, time.Minute,
		},
		"a count of zero is a first failure": {
			Error{Class: Retryable}, Attempt{Failures: 0}, Floor,
		},
		"with half an hour left the wait is at most a tenth of that": {
			Error{Class: Retryable}, Attempt{Failures: 50, Expiration: now.Add(30 * time.Minute)}, 3 * time.Minute,
		},
		"with days left the wait ends at ten minutes": {
			Error{Class: Retryable}, Attempt{Failures: 50, Expiration: now.Add(72 * time.Hour)}, 10 * time.Minute,
		},
		"with seconds left the wait is the floor": {
			Error{Class: Retryable}, Attempt{Failures: 50, Expiration: now.Add(5 * time.Second)}, Floor,
		},
		"the wait does not jump when the token expires": {
			Error{Class: Retryable}, Attempt{Failures: 50, Expiration: now}, Floor,
		},
		"with a token that expired five minutes ago the wait is at most a tenth of that": {
			Error{Class: Retryable}, Attempt{Failures: 50, Expiration: now.Add(-5 * time.Minute)}, 30 * time.Second,
		},
		"the wait with an expired token ends at a minute": {
			Error{Class: Retryable}, Attempt{Failures: 50, Expiration: now.Add(-time.Hour)}, time.Minute,
		},
		"an expired token does not shorten the wait after a first failure": {
			Error{Class: Retryable}, Attempt{Failures: 1, Expiration: now.Add(-time.Hour)}, Floor,
		},
		"spread takes up to a tenth off": {
			Error{Class: Retryable}, Attempt{Failures: 50, Spread: 0.5}, 57 * time.Second,
		},
		"spread takes nothing off the floor": {
			Error{Class: Retryable}, Attempt{Failures: 1, Spread: 0.999}, Floor,
		},
		"Retry-After lengthens the wait": {
			Error{Class: Retryable, RetryAfter: 5 * time.Minute}, Attempt{Failures: 1}, 5 * time.Minute,
		},
		"a Retry-After shorter than the backoff changes nothing": {
			Error{Class: Retryable, RetryAfter: time.Second}, Attempt{Failures: 6}, time.Minute,
		},
		"Retry-After outweighs the expiry, since the server would refuse anyway": {
			Error{Class: Retryable, RetryAfter: 5 * time.Minute}, Attempt{Failures: 1, Expiration: now.Add(time.Minute)}, 5 * time.Minute,
		},
		"a Retry-After of days is an hour": {
			Error{Class: Retryable, RetryAfter: 72 * time.Hour}, Attempt{Failures: 1}, time.Hour,
		},
		"a negative Retry-After is none": {
			Error{Class: Retryable, RetryAfter: -time.Hour}, Attempt{Failures: 1}, Floor,
		},
		"spread adds to a Retry-After, which all clients of a server get at once": {
			Error{Class: Retryable, RetryAfter: 10 * time.Minute}, Attempt{Failures: 1, Spread: 0.5}, 10*time.Minute + 30*time.Second,
		},
		"what spread adds to a Retry-After leaves two thirds of the life after it": {
			Error{Class: Retryable, RetryAfter: 10 * time.Minute},
			Attempt{Failures: 1, Spread: 0.5, Expiration: now.Add(10*time.Minute + 18*time.Second)},
			10*time.Minute + 3*time.Second,
		},
		"a Retry-After until the expiry is spread as without a token": {
			Error{Class: Retryable, RetryAfter: 2 * time.Minute},
			Attempt{Failures: 1, Spread: 0.5, Expiration: now.Add(2 * time.Minute)},
			2*time.Minute + 6*time.Second,
		},
		"without a token, what spread adds to a Retry-After ends at a minute": {
			Error{Class: Retryable, RetryAfter: time.Hour}, Attempt{Failures: 1, Spread: 0.5}, time.Hour + 30*time.Second,
		},
		"a rejection without a token is retried after half an hour": {
			Error{Class: Rejected}, Attempt{Failures: 1}, 30 * time.Minute,
		},
		"a rejection is not retried sooner for being the first, nor later for being the tenth": {
			Error{Class: Rejected}, Attempt{Failures: 10}, 30 * time.Minute,
		},
		"a rejection with a day left is retried after half an hour": {
			Error{Class: Rejected}, Attempt{Failures: 1, Expiration: now.Add(24 * time.Hour)}, 30 * time.Minute,
		},
		"a rejection with 40 minutes left is retried after a quarter of them": {
			Error{Class: Rejected}, Attempt{Failures: 1, Expiration: now.Add(40 * time.Minute)}, 10 * time.Minute,
		},
		"a rejection with a minute left is retried after five, since accounts lock": {
			Error{Class: Rejected}, Attempt{Failures: 1, Expiration: now.Add(time.Minute)}, 5 * time.Minute,
		},
		"a rejection honours Retry-After": {
			Error{Class: Rejected, RetryAfter: 45 * time.Minute}, Attempt{Failures: 1}, 45 * time.Minute,
		},
		"a busy host is tried again after the floor": {
			Error{Class: Busy}, Attempt{Failures: 20, Expiration: now.Add(72 * time.Hour), Spread: 0.9}, Floor,
		},
		"a missing object is not retried by time": {
			Error{Class: Waiting, RetryAfter: time.Minute}, Attempt{Failures: 1}, 0,
		},
		"a wrong spec is not retried by time": {
			Error{Class: Terminal, RetryAfter: time.Minute}, Attempt{Failures: 1}, 0,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.attempt.Time = now
			at, retries := tc.failure.RetryTime(tc.attempt)
			if retries != (tc.want != 0) {
				t.Fatalf("RetryTime says retried: %t, want %t", retries, tc.want != 0)
			}
			if !retries {
				if !at.IsZero() {
					t.Errorf("RetryTime is %s for a failure that is never retried", at)
				}
				return
			}
			if got := at.Sub(now); got != tc.want {
				t.Errorf("RetryTime waits %s, want %s", got, tc.want)
			}
		})
	}
}

// attempts yields attempts of every shape, the same ones on each run.
func attempts(n int) []Attempt {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]Attempt, n)
	for i := range all {
		all[i] = Attempt{
			Failures:   random.Int32N(40),
			Time:       now,
			Expiration: now.Add(time.Duration(random.Int64N(int64(96*time.Hour))) - time.Hour),
			Spread:     random.Float64(),
		}
	}
	return all
}

func wait(t *testing.T, e Error, a Attempt) time.Duration {
	t.Helper()
	at, retries := e.RetryTime(a)
	if !retries {
		t.Fatalf("class %d is not retried", e.Class)
	}
	return at.Sub(a.Time)
}

func TestRetryTimeProperties(t *testing.T) {
	t.Parallel()
	ceilings := map[Class]time.Duration{Retryable: ceilingValid, Rejected: rejectedWait, Busy: Floor}
	for _, a := range attempts(10_000) {
		for class, ceiling := range ceilings {
			e := Error{Class: class}
			got := wait(t, e, a)
			if got < Floor || got > ceiling {
				t.Fatalf("class %d waits %s after %+v, want %s to %s", class, got, a, Floor, ceiling)
			}
			if again := wait(t, e, a); again != got {
				t.Fatalf("class %d waits %s, then %s after %+v", class, got, again, a)
			}
			e.RetryAfter = 20 * time.Minute
			if got := wait(t, e, a); got < e.RetryAfter || got > max(ceiling, e.RetryAfter*11/10) {
				t.Fatalf("class %d waits %s after %+v although asked for %s", class, got, a, e.RetryAfter)
			}
		}
	}
}

func TestRetryTimeWaitsAtMostATenthOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	for _, a := range attempts(10_000) {
		left := a.Expiration.Sub(a.Time)
		if left <= 0 {
			continue
		}
		if got := wait(t, Error{Class: Retryable}, a); got > max(left/10, Floor) {
			t.Fatalf("waits %s with %s left", got, left)
		}
	}
}

// The extra wait is ours, not the server's: no token may expire for its sake.
func TestRetryAfterIsHonouredWithoutNeedlessExpiry(t *testing.T) {
	t.Parallel()
	for i, a := range attempts(10_000) {
		e := Error{Class: Retryable, RetryAfter: time.Duration(i) * time.Second}
		asked, got := min(e.RetryAfter, retryAfterCeiling), wait(t, e, a)
		if got < asked {
			t.Fatalf("waits %s after %+v although asked for %s", got, a, asked)
		}
		left := a.Expiration.Sub(a.Time)
		if asked+Floor < left && got > asked+max((left-asked)/3, Floor) {
			t.Fatalf("waits %s after %+v although asked for %s, of %s left", got, a, asked, left)
		}
	}
}

func TestRetryTimeComesSoonerAsTheExpiryNears(t *testing.T) {
	t.Parallel()
	for _, class := range []Class{Retryable, Rejected} {
		a := Attempt{Failures: 30, Expiration: now.Add(8 * time.Hour), Spread: 0.3}
		last := time.Duration(math.MaxInt64)
		for a.Time = now; a.Time.Before(a.Expiration); a.Time = a.Time.Add(time.Minute) {
			got := wait(t, Error{Class: class}, a)
			if got > last {
				t.Fatalf("class %d waits %s with %s left, longer than before", class, got, a.Expiration.Sub(a.Time))
			}
			last = got
		}
	}
}

func TestRetriesOfATokenThatRunsOut(t *testing.T) {
	t.Parallel()
	expiration := now.Add(20 * time.Minute)
	a := Attempt{Time: now, Expiration: expiration}
	tries := 0
	for a.Time.Before(expiration) {
		a.Failures++
		tries++
		a.Time, _ = (&Error{Class: Retryable}).RetryTime(a)
	}
	// 20 minutes at a tenth each, down to the floor: enough tries to catch a short recovery, few enough to bother no one.
	if tries < 30 || tries > 80 {
		t.Errorf("%d tries in the last 20 minutes of a token, want 30 to 80", tries)
	}
	if over := a.Time.Sub(expiration); over > Floor {
		t.Errorf("the first try without a token comes %s after the expiry, want at most %s", over, Floor)
	}
}

func TestClientsThatFailTogetherDoNotRetryTogether(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]Error{
		"backoff":     {Class: Retryable},
		"Retry-After": {Class: Retryable, RetryAfter: 2 * time.Minute},
		"rejection":   {Class: Rejected},
	} {
		seen := map[time.Duration]bool{}
		for i := range 100 {
			seen[wait(t, e, Attempt{Failures: 20, Time: now, Spread: float64(i) / 100})] = true
		}
		if len(seen) != 100 {
			t.Errorf("%s: 100 clients retry at %d different times", name, len(seen))
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	inner := New(Rejected, ReasonClientRejected, "%s refused %d", "server", 1)
	wrapped := map[string]error{
		"itself":      inner,
		"fmt":         fmt.Errorf("asking: %w", inner),
		"a URL error": &url.Error{Op: "Post", URL: "https://ai.egain.cloud", Err: inner},
		"a dial error in a URL error": &url.Error{
			Op: "Post", URL: "https://ai.egain.cloud", Err: &net.OpError{Op: "dial", Net: "tcp", Err: inner},
		},
		"joined":       errors.Join(io.EOF, inner),
		"two in a row": fmt.Errorf("a: %w", fmt.Errorf("b: %w", inner)),
	}
	for name, err := range wrapped {
		if got := Of(err); got != inner {
			t.Errorf("%s: Of finds %v", name, got)
		}
	}
	for name, err := range map[string]error{"nil": nil, "another error": io.EOF, "its text only": errors.New(inner.Error())} {
		if got := Of(err); got != nil {
			t.Errorf("%s: Of finds %v, want nothing", name, got)
		}
	}
	if got, want := inner.Error(), "server refused 1"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestAFailureThatIsToBeRetriedWithinATimeIs(t *testing.T) {
	t.Parallel()
	f := &Error{Class: Retryable, RetryWithin: 30 * time.Second}
	now := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)
	for _, left := range []time.Duration{-time.Hour, time.Second, time.Hour, 24 * time.Hour} {
		for failures, want := range map[int32]time.Duration{1: 2 * time.Second, 3: 8 * time.Second, 5: 30 * time.Second, 50: 30 * time.Second} {
			at, retries := f.RetryTime(Attempt{Failures: failures, Time: now, Expiration: now.Add(left)})
			if got := at.Sub(now); !retries || got != want {
				t.Errorf("%d failures, %s left: %s, want %s", failures, left, got, want)
			}
		}
	}
}
