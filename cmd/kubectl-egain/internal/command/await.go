package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// awaitInterval is how often an EgainClient is looked at while a user waits for it.
	awaitInterval = time.Second
	// awaitPatience is after how long it is said that nothing has happened.
	awaitPatience = 15 * time.Second
	// awaitTimeout is longer than the 90 seconds that the operator gives a reconcile.
	awaitTimeout = 2 * time.Minute
)

// operatorAdvice is how to look whether there is an operator.
const operatorAdvice = "check with kubectl get pods -A -l app.kubernetes.io/part-of=egain-operator that the operator runs, and that it watches the namespace"

// awaitLogin waits until the operator has issued a token from a session that was stored after an EgainClient was read.
func (e *environment) awaitLogin(ctx context.Context, before *egainv1alpha1.EgainClient) error {
	if before.Suspended() {
		e.notef("EgainClient %q is suspended: run kubectl egain resume %s for the operator to request a token.\n", before.Name, before.Name)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	ticker := e.clock.NewTicker(awaitInterval)
	defer ticker.Stop()
	e.notef("Waiting for the operator to store a token (Ctrl-C ends the wait, not the session).\n")
	impatient := e.clock.After(awaitPatience)
	for {
		ec, err := e.look(ctx, before)
		switch {
		case ctx.Err() != nil:
			return awaitEnded(ctx, before)
		case err != nil:
			return err
		case issuedSince(ec, before):
			left := ec.Status.Token.ExpirationTime.Sub(e.clock.Now())
			e.printf("egainclient/%s: ready, the token expires in %s\n", ec.Name, duration.HumanDuration(left))
			return nil
		case failedForGood(ec, before):
			last := ec.Status.LastFailure
			return advise(fmt.Errorf("the session is stored, but the operator got no token: %s: %s", last.Reason, last.Message),
				"kubectl egain doctor "+ec.Name+" shows which check fails")
		}
		select {
		case <-ctx.Done():
		case <-ticker.C():
		case <-impatient:
			e.notef("No token yet: %s.\n", operatorAdvice)
		}
	}
}

func (e *environment) look(ctx context.Context, before *egainv1alpha1.EgainClient) (*egainv1alpha1.EgainClient, error) {
	c, err := e.cluster()
	if err != nil {
		return nil, err
	}
	ec := &egainv1alpha1.EgainClient{}
	return ec, c.Get(ctx, client.ObjectKeyFromObject(before), ec)
}

// issuedSince compares two states of the cluster, not its clock with that of this machine.
func issuedSince(ec, before *egainv1alpha1.EgainClient) bool {
	is, was := ec.Status.Token, before.Status.Token
	if !meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady) || is == nil || is.IssueTime == nil || is.ExpirationTime == nil {
		return false
	}
	return was == nil || !is.IssueTime.Equal(was.IssueTime)
}

// failedForGood reports whether an attempt since then failed in a way that time does not heal. An attempt that found no session
// came before the login: the operator is about to see what was stored.
func failedForGood(ec, before *egainv1alpha1.EgainClient) bool {
	is, was := ec.Status.LastFailure, before.Status.LastFailure
	if is == nil || is.RetryTime != nil || is.Reason == egainv1alpha1.ReasonSessionNotFound || fault.PassesByItself(is.Reason) {
		return false
	}
	return was == nil || is.Inputs != was.Inputs || !is.Time.Equal(was.Time)
}

func awaitEnded(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return advise(fmt.Errorf("the session is stored, but the operator got no token within %s", awaitTimeout),
			operatorAdvice+"; then kubectl egain status "+ec.Name)
	}
	return advise(errors.New("the session is stored, but the wait for a token was interrupted"), "see kubectl egain status "+ec.Name)
}
