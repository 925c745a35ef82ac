package audit

import (
	"context"
	"sync"
	"time"
)

// Target is a Secret that must hold a valid token of a client application.
type Target struct {
	Key
	ClientID string
	Provider *Provider
}

// Audit looks at a set of targets, each in an interval of its own.
type Audit struct {
	secrets  *Secrets
	interval time.Duration
	began    time.Time
	cancel   context.CancelFunc
	looks    sync.WaitGroup

	mu       sync.Mutex
	accounts map[Key]*account
}

// Result is what an audit found.
type Result struct {
	Began, Ended time.Time
	// Invalid is how long targets were without a valid token, in all, and at the target that was so the longest.
	Invalid, Worst time.Duration
	WorstTarget    Key
	// Longest is the longest time that any target was without a valid token at a stretch.
	Longest time.Duration
	// Unknown is how long the provider could not be asked about targets, in all.
	Unknown time.Duration
	// Gap is the longest time between two looks at a target.
	Gap time.Duration
	// LastInvalid is when a target was last without a valid token; zero if none ever was.
	LastInvalid time.Time
	// Rotations is how often a token was replaced by another.
	Rotations int
}

// Begin begins to look at targets, each once per interval. The looks are spread over the interval.
func Begin(ctx context.Context, secrets *Secrets, interval time.Duration, targets []Target) *Audit {
	ctx, cancel := context.WithCancel(ctx)
	a := &Audit{secrets: secrets, interval: interval, began: time.Now(), cancel: cancel, accounts: map[Key]*account{}}
	for _, target := range targets {
		a.accounts[target.Key] = &account{}
	}
	for i, target := range targets {
		offset := interval * time.Duration(i) / time.Duration(len(targets))
		a.looks.Go(func() { a.follow(ctx, target, offset) })
	}
	return a
}

func (a *Audit) follow(ctx context.Context, target Target, offset time.Duration) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(offset):
	}
	ticker := time.NewTicker(a.interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		state, token := a.look(ctx, target)
		if ctx.Err() == nil {
			a.note(target.Key, state, token)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func (a *Audit) look(ctx context.Context, target Target) (State, string) {
	token := a.secrets.token(target.Key)
	if token == "" {
		return Invalid, ""
	}
	owner, err := target.Provider.owner(ctx, token)
	switch {
	case err != nil:
		return Unknown, token
	case owner == target.ClientID:
		return Valid, token
	default:
		return Invalid, token
	}
}

func (a *Audit) note(key Key, state State, token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accounts[key].look(time.Now(), state, token)
}

// Invalid is how many targets had no valid token at the last look.
func (a *Audit) Invalid() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	count := 0
	for _, account := range a.accounts {
		if account.state != Valid {
			count++
		}
	}
	return count
}

// End ends the looks and adds up what they found.
func (a *Audit) End() Result {
	a.cancel()
	a.looks.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	r := Result{Began: a.began, Ended: time.Now()}
	for key, account := range a.accounts {
		account.until(r.Ended)
		r.Invalid += account.invalid
		r.Unknown += account.unknown
		r.Longest = max(r.Longest, account.longest)
		r.Gap = max(r.Gap, account.gap)
		r.Rotations += account.rotations
		if account.invalid > r.Worst {
			r.Worst, r.WorstTarget = account.invalid, key
		}
		if account.lastInvalid.After(r.LastInvalid) {
			r.LastInvalid = account.lastInvalid
		}
	}
	return r
}
