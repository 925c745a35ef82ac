package command

import (
	"context"
	"errors"
	"fmt"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/lookup"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	// exitUsage is for a command line that makes no sense, as with most programs.
	exitUsage = 2
)

// usageError is one of the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Unwrap() error { return e.error }

// ranError is one that a command returned after its command line was accepted.
type ranError struct{ error }

func (e ranError) Unwrap() error { return e.error }

// advised is an error with what to do about it.
type advised struct {
	error
	next string
}

// advise adds what to do next to an error. Both are sentences without a full stop.
func advise(err error, next string) error { return advised{err, next} }

func (e advised) Unwrap() error { return e.error }

// exitCode tells errors of use, which are cobra's and our own, from failures.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case isUsage(err):
		return exitUsage
	default:
		return exitFailure
	}
}

func isUsage(err error) bool {
	if _, is := errors.AsType[usageError](err); is {
		return true
	}
	_, ran := errors.AsType[ranError](err)
	return !ran
}

// advice says what to do about an error.
func advice(err error, commandPath string) string {
	if a, is := errors.AsType[advised](err); is {
		return a.next
	}
	if p, is := errors.AsType[*lookup.Error](err); is {
		return p.Next
	}
	if isUsage(err) {
		return "see " + commandPath + " --help"
	}
	if next := clusterAdvice(err); next != "" {
		return next
	}
	if next := ruleAdvice(fault.Of(err)); next != "" {
		return next
	}
	if fault.Of(err) != nil {
		return "fix it; kubectl egain doctor shows which check fails for an EgainClient"
	}
	return "see " + commandPath + " --help, and kubectl egain status"
}

// clusterAdvice is for errors on the way to the API server, and its answers.
func clusterAdvice(err error) string {
	_, isNet := errors.AsType[net.Error](err)
	_, isDiscovery := errors.AsType[*discovery.ErrGroupDiscoveryFailed](err)
	switch {
	case meta.IsNoMatchError(err):
		return "install the CRDs of egain-operator in this cluster, or choose another with --context"
	case apierrors.IsForbidden(err):
		return "ask an administrator of the cluster for this permission, or choose another user with --as or --context"
	case apierrors.IsUnauthorized(err):
		return "log in to the cluster again, or choose other credentials with --context"
	case apierrors.IsConflict(err):
		return "the object was changed at the same time: try again"
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return "correct what the API server does not accept"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "try again, with a longer --timeout if the command has one"
	case isNet, isDiscovery, apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err):
		return "check with kubectl cluster-info that the cluster answers, and that it is the right one"
	default:
		return ""
	}
}
