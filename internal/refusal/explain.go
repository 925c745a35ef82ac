package refusal

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// Explain says what failed and what to change, for an error that an object met repeatedly, and of which kind that is.
func Explain(err error) (kind string, f *fault.Error) {
	status, answered := errors.AsType[*apierrors.StatusError](err)
	switch {
	case answered:
		what := doing(err, status)
		return what + string(apierrors.ReasonForError(err)), repeated("%s fails repeatedly and is retried every 30 seconds: %s; the API server says: %s", what, Remedy(err), Text(err))
	case unanswered(err):
		what := doing(err, innermost(err))
		return what, repeated("%s fails repeatedly and is retried every 30 seconds: the API server does not answer; check that it runs and that the operator reaches it", what)
	default: // an error below the operator's own text may quote anything
		what := doing(err, innermost(err))
		return what, repeated("%s fails repeatedly and is retried every 30 seconds: the operator's log says why", what)
	}
}

func repeated(format string, args ...any) *fault.Error {
	return fault.New(fault.Paused, fault.ReasonAPIServerFailed, format, args...)
}

// unanswered reports whether an error is that of a request without an answer.
func unanswered(err error) bool {
	_, ofURL := errors.AsType[*url.Error](err)
	_, ofNetwork := errors.AsType[net.Error](err)
	return ofURL || ofNetwork || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// innermost is the part of an error that comes from below the operator: that of the HTTP client or a file, or else the last in the
// chain.
func innermost(err error) error {
	if inner, is := errors.AsType[*url.Error](err); is {
		return inner
	}
	if inner, is := errors.AsType[*fs.PathError](err); is {
		return inner
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// doing is what the operator was doing when an error came: its own text before the inner error's.
func doing(err, inner error) string {
	what, _, _ := strings.Cut(err.Error(), inner.Error())
	if what = strings.TrimSuffix(what, ": "); what == "" {
		return "a request to the API server"
	}
	return what
}

// Remedy says what ends a refusal of the API server.
func Remedy(err error) string {
	text := Text(err)
	switch {
	case strings.Contains(text, "admission webhook"), strings.Contains(text, "calling webhook"):
		return "check the admission webhook that is named here"
	case strings.Contains(text, "AdmissionPolicy"):
		return "change the admission policy that is named here, or exempt the operator from it"
	case strings.Contains(text, "exceeded quota"):
		return "raise the quota that is named here"
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return "the namespace is being deleted"
	case apierrors.IsUnauthorized(err):
		return "check the operator's ServiceAccount and its token"
	case apierrors.IsForbidden(err):
		return "grant the operator's ServiceAccount the permissions in the manifests of this version, unless a policy or quota forbids it"
	case apierrors.IsConflict(err):
		return "find the other client that changes the object all the time (kubectl get --show-managed-fields)"
	case apierrors.IsNotFound(err):
		return "create the object that is named here"
	default:
		return "check the API server, and the admission webhooks and policies for the object"
	}
}
