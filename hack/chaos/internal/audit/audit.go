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

// Audit looks at a set of targets.
type Audit struct {
	secrets *Secrets
	began   time.Time
	cancel  context.CancelFunc
	looks   sync.WaitGroup

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
	// Lacking is how many targets had no valid token at the end.
	Lacking int
	// Rotations is how often a token was replaced by another.
	Rotations int
}

// Begin begins to look at targets: at all of them once per interval, and at each whenever it changes. A target is in one audit
// at a time.
func Begin(ctx context.Context, secrets *Secrets, interval time.Duration, targets []Target) *Audit {
	ctx, cancel := context.WithCancel(ctx)
	a := &Audit{secrets: secrets, began: time.Now(), cancel: cancel, accounts: map[Key]*account{}}
	providers := map[*Provider][]Target{}
	for _, target := range targets {
		a.accounts[target.Key] = &account{}
		providers[target.Provider] = append(providers[target.Provider], target)
		a.looks.Go(func() { a.follow(ctx, target) })
	}
	for provider, targets := range providers {
		a.looks.Go(func() { a.sweep(ctx, provider, targets, interval) })
	}
	return a
}

// sweep looks at all targets of a provider, repeatedly.
func (a *Audit) sweep(ctx context.Context, provider *Provider, targets []Target, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		a.look(ctx, provider, targets)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// follow looks at a target whenever it changes.
func (a *Audit) follow(ctx context.Context, target Target) {
	changed := a.secrets.changed(target.Key)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			a.look(ctx, target.Provider, []Target{target})
		}
	}
}

// look notes the state of targets. One whose Secret changes meanwhile is looked at for that.
func (a *Audit) look(ctx context.Context, provider *Provider, targets []Target) {
	tokens := make([]string, len(targets))
	for i, target := range targets {
		tokens[i] = a.secrets.token(target.Key)
	}
	owners, err := provider.owners(ctx, tokens)
	if ctx.Err() != nil {
		return
	}
	for i, target := range targets {
		if a.secrets.token(target.Key) != tokens[i] {
			continue
		}
		state := Invalid
		switch {
		case tokens[i] == "":
		case err != nil:
			state = Unknown
		case owners[i] == target.ClientID:
			state = Valid
		}
		a.note(target.Key, state, tokens[i])
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
		if account.state == Invalid {
			r.Lacking++
		}
		if account.invalid > r.Worst {
			r.Worst, r.WorstTarget = account.invalid, key
		}
		if account.lastInvalid.After(r.LastInvalid) {
			r.LastInvalid = account.lastInvalid
		}
	}
	return r
}
