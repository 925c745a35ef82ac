package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/status"
	"github.com/egain-operator/egain-operator/internal/target"
)

// pace is what is remembered of the token requests for a name, also while no EgainClient has it: one that is deleted and created
// again is no reason to send more.
type pace struct {
	history rotation.History
	// recent is the last token, nil once it is dropped.
	recent *recentToken
}

// recentToken is a token that was written, and is kept for a few seconds in case another writer removes it.
type recentToken struct {
	rotation.Recent
	// object is a digest of the UID of the EgainClient that it is for.
	object uint64
	whole  *target.Token
}

// paceOf is what is remembered of an object's requests at a time.
func (m *memory) paceOf(ec *egainv1alpha1.EgainClient, now time.Time) pace {
	found, ok := m.paces.Load(key(ec))
	if !ok {
		return pace{}
	}
	p := found.(pace)
	if p.recent != nil && (p.recent.object != digest(string(ec.UID), "") || !now.Before(p.recent.Until)) {
		p.recent = nil
	}
	return p
}

// updatePace changes what is remembered of an object's requests.
func (m *memory) updatePace(ec *egainv1alpha1.EgainClient, now time.Time, change func(*pace)) {
	p := m.paceOf(ec, now)
	change(&p)
	m.paces.Store(key(ec), p)
}

// dropRecent forgets the last token of an object.
func (m *memory) dropRecent(name types.NamespacedName) {
	if found, ok := m.paces.Load(name); ok {
		m.paces.Store(name, pace{history: found.(pace).history})
	}
}

// sweep forgets what no longer counts.
func (m *memory) sweep(now time.Time) {
	m.paces.Range(func(name, value any) bool {
		p := value.(pace)
		kept := p
		if p.recent != nil && !now.Before(p.recent.Until) {
			kept.recent = nil
		}
		switch {
		case kept.recent == nil && !p.history.Since(now.Add(-rotation.ChangeWindow)):
			m.paces.CompareAndDelete(name, value)
		case kept != p:
			m.paces.CompareAndSwap(name, value, kept)
		}
		return true
	})
}

// forgetTokens drops each token that is kept in memory once its time is over, until the context ends.
func (r *EgainClientReconciler) forgetTokens(ctx context.Context) error {
	wait.UntilWithContext(ctx, func(context.Context) { r.memory.sweep(r.Clock.Now()) }, time.Second)
	return nil
}

// observePace adds what is known of the requests until now. The time of the last issue is also in the target, unless that is lost,
// and in the status, so that it is known after a restart.
func (r *EgainClientReconciler) observePace(ec *egainv1alpha1.EgainClient, f *facts) {
	remembered := r.memory.paceOf(ec, f.Input.Now)
	f.Input.History = remembered.history
	if remembered.recent != nil {
		f.recent = remembered.recent.whole
		f.Input.Recent = &remembered.recent.Recent
	}
	f.Input.History.Written = f.Input.History.Written || ec.Status.Token != nil
	for _, at := range []time.Time{f.Input.Token.IssuedAt(), f.target.Issued, issuedAt(ec.Status.Token)} {
		if at.After(f.Input.History.Issued) && !at.After(f.Input.Now) {
			f.Input.History.Issued = at
		}
	}
}

func issuedAt(tok *egainv1alpha1.TokenStatus) time.Time {
	if tok == nil || tok.IssueTime == nil {
		return time.Time{}
	}
	return tok.IssueTime.Time
}

// recordRequest remembers that a request was sent, if one was, in an attempt that began at a time.
func (m *memory) recordRequest(ec *egainv1alpha1.EgainClient, f facts, began time.Time, res status.Result) {
	if failure := fault.Of(res.Err); !res.Attempted || (failure != nil && failure.Class == fault.Busy) {
		return
	}
	f.Facts = f.After(res.Session) // a refresh makes a new version, which is no change
	m.updatePace(ec, began, func(p *pace) {
		p.history = p.history.Sent(f.Input.With(), began)
	})
}

// recordIssue remembers that a token was issued.
func (m *memory) recordIssue(ec *egainv1alpha1.EgainClient, f status.Facts, at time.Time) {
	m.updatePace(ec, at, func(p *pace) { p.history.Issued, p.history.IssuedWith = at, f.Input.With() })
}

// keepRecent keeps a token that was just written.
func (m *memory) keepRecent(ec *egainv1alpha1.EgainClient, now time.Time, recent rotation.Recent, tok *target.Token) {
	m.updatePace(ec, now, func(p *pace) {
		p.history.Written = true
		p.recent = &recentToken{Recent: recent, object: digest(string(ec.UID), ""), whole: tok}
	})
}

// rewrite writes the last token again, which another writer removed.
func (r *EgainClientReconciler) rewrite(ctx context.Context, ec *egainv1alpha1.EgainClient, f facts) status.Result {
	res := r.apply(ctx, ec, f, f.recent)
	if res.Err == nil {
		r.memory.keepRecent(ec, r.Clock.Now(), f.Input.Recent.Repair(r.Clock.Now()), f.recent)
	}
	return res
}
