package refusal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// status is an error of the API server with a text.
func status(reason metav1.StatusReason, text string, causes ...metav1.CauseType) error {
	s := metav1.Status{Status: metav1.StatusFailure, Reason: reason, Message: text, Details: &metav1.StatusDetails{}}
	for _, c := range causes {
		s.Details.Causes = append(s.Details.Causes, metav1.StatusCause{Type: c})
	}
	return &apierrors.StatusError{ErrStatus: s}
}

func TestExplain_SaysWhatFailedAndWhatToDo(t *testing.T) {
	t.Parallel()
	secrets := schema.GroupResource{Resource: "secrets"}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a webhook that refuses":        {status(metav1.StatusReasonForbidden, `admission webhook "p.example.com" denied the request: no`), "check the admission webhook that is named here"},
		"a webhook without an answer":   {status(metav1.StatusReasonInternalError, `Internal error occurred: failed calling webhook "p.example.com": EOF`), "check the admission webhook that is named here"},
		"a policy":                      {status(metav1.StatusReasonInvalid, `secrets "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`), "change the admission policy"},
		"a quota":                       {status(metav1.StatusReasonForbidden, `secrets "a" is forbidden: exceeded quota: q, requested: secrets=1`), "raise the quota"},
		"a namespace that ends":         {status(metav1.StatusReasonForbidden, `secrets "a" is forbidden: unable to create new content`, corev1.NamespaceTerminatingCause), "the namespace is being deleted"},
		"a missing right":               {apierrors.NewForbidden(secrets, "a", errors.New("User cannot patch")), "grant the operator's ServiceAccount"},
		"a credential that is no more":  {apierrors.NewUnauthorized("Unauthorized"), "check the operator's ServiceAccount and its token"},
		"another client all the time":   {apierrors.NewConflict(secrets, "a", errors.New("changed")), "find the other client"},
		"a missing object":              {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "a"), "create the object"},
		"an API server with an error":   {apierrors.NewInternalError(errors.New("etcd")), "check the API server"},
		"no connection":                 {&url.Error{Op: "Get", URL: "https://10.0.0.1", Err: refused}, "the API server does not answer"},
		"no answer in time":             {context.DeadlineExceeded, "the API server does not answer"},
		"a file that cannot be read":    {&os.PathError{Op: "open", Path: "/var/run/token", Err: os.ErrNotExist}, "the operator's log says why"},
		"an error that may quote a key": {errors.New("s3cr3t is not a string"), "the operator's log says why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, f := Explain(fmt.Errorf("applying Secret %q: %w", "a", tc.err))
			if want := `applying Secret "a" fails repeatedly and is retried every 30 seconds: ` + tc.want; !strings.HasPrefix(f.Message, want) {
				t.Errorf("got %q, want %q", f.Message, want)
			}
			if f.Class != fault.Paused || f.Reason != fault.ReasonAPIServerFailed || strings.Contains(f.Message, "s3cr3t") {
				t.Errorf("got %+v", f)
			}
		})
	}
}
