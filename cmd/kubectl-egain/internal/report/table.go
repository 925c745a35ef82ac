// Package report knows what to say about EgainClients: the rows of a table, and the whole story of one. It is pure: it works
// on objects that were read and takes the time as an argument.
package report

import (
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// barWidth is that of a token's life in a table.
	barWidth = 10
	// overdue is how late a renewal may be before something is said to be wrong. The operator has 90 seconds for one.
	overdue = 2 * time.Minute
)

// Options say how a table looks.
type Options struct {
	Style view.Style
	// Namespaces puts the namespace before the name.
	Namespaces bool
	// Wide adds the flow, the target, the host of the token endpoint and the messages of problems.
	Wide bool
}

// Header is the first line of a table of EgainClients.
func Header(o Options) []string {
	header := []string{"CLIENT", "READY", "TIME LEFT", "EXPIRES IN", "RENEWS IN"}
	if o.Wide {
		header = append(header, "FLOW", "TARGET", "TOKEN ENDPOINT", "AGE")
	}
	return append(header, "LAST PROBLEM")
}

// Row describes an EgainClient at a time.
func Row(ec *egainv1alpha1.EgainClient, o Options, now time.Time) []view.Cell {
	name := ec.Name
	if o.Namespaces {
		name = ec.Namespace + "/" + ec.Name
	}
	life := lifeOf(ec, now)
	row := []view.Cell{view.Text(name), readyCell(ec, life), life.barCell(o.Style), life.expiryCell(), renewalCell(ec, now)}
	if o.Wide {
		row = append(row, view.Text(string(ec.Spec.Flow)), view.Text(ec.TargetName()), view.Text(endpointHost(ec)), view.Text(duration.HumanDuration(now.Sub(ec.CreationTimestamp.Time))))
	}
	return append(row, problemCell(ec, o, now))
}

// life is what is known of a token's life.
type life struct {
	known       bool
	left, whole time.Duration
}

func lifeOf(ec *egainv1alpha1.EgainClient, now time.Time) life {
	tok := ec.Status.Token
	if tok == nil || tok.IssueTime == nil || tok.ExpirationTime == nil {
		return life{}
	}
	return life{true, tok.ExpirationTime.Sub(now), tok.ExpirationTime.Sub(tok.IssueTime.Time)}
}

func (l life) shade() view.Shade {
	if !l.known {
		return view.Dim
	}
	return view.LifeShade(l.left, l.whole)
}

func (l life) barCell(style view.Style) view.Cell {
	if !l.known {
		return view.Cell{Text: "-", Shade: view.Dim}
	}
	return view.Cell{Text: style.Bar(l.left, l.whole, barWidth), Shade: l.shade()}
}

func (l life) expiryCell() view.Cell {
	switch {
	case !l.known:
		return view.Cell{Text: "-", Shade: view.Dim}
	case l.left <= 0:
		return view.Cell{Text: "expired", Shade: view.Bad}
	default:
		return view.Cell{Text: duration.HumanDuration(l.left), Shade: l.shade()}
	}
}

// readyCell believes the clock: a status that the operator does not update still says True after the token expired.
func readyCell(ec *egainv1alpha1.EgainClient, l life) view.Cell {
	ready := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionReady)
	if ready == nil {
		return view.Cell{Text: "Unknown", Shade: view.Fair}
	}
	if l.known && l.left <= 0 {
		return view.Cell{Text: string(metav1.ConditionFalse), Shade: view.Bad}
	}
	return view.Cell{Text: string(ready.Status), Shade: conditionShade(*ready)}
}

// conditionShade is good for what is as it should be. Reconciling and Stalled are there only while something is not.
func conditionShade(c metav1.Condition) view.Shade {
	wanted := c.Type == egainv1alpha1.ConditionReady || c.Type == egainv1alpha1.ConditionTokenIssued
	switch {
	case c.Type == egainv1alpha1.ConditionReconciling, c.Status == metav1.ConditionUnknown:
		return view.Fair
	case wanted == (c.Status == metav1.ConditionTrue):
		return view.Good
	default:
		return view.Bad
	}
}

func renewalCell(ec *egainv1alpha1.EgainClient, now time.Time) view.Cell {
	if ec.Suspended() {
		return view.Cell{Text: "suspended", Shade: view.Fair}
	}
	at := nextAttempt(ec)
	switch last := ec.Status.LastFailure; {
	case at == nil && last != nil && fault.PassesByItself(last.Reason):
		return view.Text("soon")
	case at == nil:
		return view.Cell{Text: "-", Shade: view.Dim}
	case !at.After(now):
		return view.Text("now")
	case tooLate(ec, now):
		return view.Cell{Text: duration.HumanDuration(at.Sub(now)) + " (late)", Shade: view.Bad}
	default:
		return view.Text(duration.HumanDuration(at.Sub(now)))
	}
}

// tooLate reports whether the token expires before the operator tries again to renew it.
func tooLate(ec *egainv1alpha1.EgainClient, now time.Time) bool {
	at, life := nextAttempt(ec), lifeOf(ec, now)
	return at != nil && life.known && !ec.Suspended() && at.After(now.Add(life.left))
}

// nextAttempt is when the operator will ask for a token, nil if it waits for a change.
func nextAttempt(ec *egainv1alpha1.EgainClient) *metav1.Time {
	switch last, tok := ec.Status.LastFailure, ec.Status.Token; {
	case last != nil:
		return last.RetryTime
	case tok != nil:
		return tok.RenewalTime
	default:
		return nil
	}
}

func problemCell(ec *egainv1alpha1.EgainClient, o Options, now time.Time) view.Cell {
	reason, message := Problem(ec, now)
	if o.Wide && message != "" {
		reason += ": " + message
	}
	shade := view.Bad
	if meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady) && lifeOf(ec, now).left > 0 && !tooLate(ec, now) {
		shade = view.Fair
	}
	return view.Cell{Text: reason, Shade: shade}
}

// Reasons that the plugin gives by itself: they are about the operator, which cannot give them.
const (
	// ReasonUnseen: the operator has not looked at the EgainClient since it was created or its spec was changed.
	ReasonUnseen = "NotSeenByOperator"
	// ReasonOverdue: the time of the next attempt has passed.
	ReasonOverdue = "RenewalOverdue"
)

// Problem is what is wrong with an EgainClient, in a word and a sentence; both are empty if nothing is. It believes the clock
// rather than a status that no one keeps up to date any more.
func Problem(ec *egainv1alpha1.EgainClient, now time.Time) (reason, message string) {
	if reason, message := silence(ec, now); reason != "" {
		return reason, message
	}
	issued := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued)
	ready := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionReady)
	life := lifeOf(ec, now)
	switch {
	case issued != nil && issued.Status == metav1.ConditionFalse:
		return issued.Reason, issued.Message
	case life.known && life.left <= 0:
		return egainv1alpha1.ReasonTokenExpired, "the token expired " + duration.HumanDuration(-life.left) + " ago"
	case ready != nil && ready.Status == metav1.ConditionFalse:
		return ready.Reason, ready.Message
	default:
		return "", ""
	}
}

// silence is the problem that the operator does nothing.
func silence(ec *egainv1alpha1.EgainClient, now time.Time) (reason, message string) {
	const running = "check that the operator runs and watches this namespace"
	next := nextAttempt(ec)
	switch {
	case ec.Status.ObservedGeneration < ec.Generation && now.Sub(ec.CreationTimestamp.Time) > overdue:
		return ReasonUnseen, "the operator has not reconciled the spec yet: " + running
	case !ec.Suspended() && next != nil && now.Sub(next.Time) > overdue:
		return ReasonOverdue, "the next attempt was due " + duration.HumanDuration(now.Sub(next.Time)) + " ago: " + running
	default:
		return "", ""
	}
}

// endpointHost is where tokens come from, as far as the operator has found out.
func endpointHost(ec *egainv1alpha1.EgainClient) string {
	if ec.Status.Endpoints == nil {
		return "-"
	}
	u, err := url.Parse(ec.Status.Endpoints.TokenURL)
	if err != nil || u.Host == "" {
		return "-"
	}
	return u.Host
}
