// Package refusal knows how the API server refuses a write of a Secret, and how that is reported without a value of the Secret.
package refusal

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// MaxText bounds what is quoted of an API server's refusal, in bytes.
	MaxText = 512
	// minQuoted is the length from which a value in a refusal is taken for a quotation rather than a common word.
	minQuoted = 16
)

// Unquoted is an error of the API server without a text that repeats a value of a Secret, as that of an admission webhook may.
// Which webhook it was is the API server's own text. Values of the keys named count whatever their length, others only if
// they are long enough not to be there by chance.
func Unquoted(err error, data map[string][]byte, secretKeys ...string) error {
	if err == nil || !quotes(err.Error(), data, secretKeys) {
		return err
	}
	instead := "(the message quotes the Secret and is not shown)"
	if by, _, _ := strings.Cut(err.Error(), ": "); strings.HasPrefix(by, "admission webhook ") && !quotes(by, data, secretKeys) {
		instead = by + ": " + instead
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return errors.New(instead)
	}
	silent := metav1.Status{Status: status.ErrStatus.Status, Reason: status.ErrStatus.Reason, Code: status.ErrStatus.Code, Message: instead}
	return &apierrors.StatusError{ErrStatus: silent}
}

// quotes reports whether a text repeats a value of a Secret, as it is or as the API has it.
func quotes(text string, data map[string][]byte, secretKeys []string) bool {
	for key, value := range data {
		if len(value) < minQuoted && !slices.Contains(secretKeys, key) {
			continue
		}
		if strings.Contains(text, string(value)) || strings.Contains(text, base64.StdEncoding.EncodeToString(value)) {
			return true
		}
	}
	return false
}

// AnotherObject reports whether an apply was refused since another object has taken the place of the one it was meant for.
func AnotherObject(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && status.ErrStatus.Details != nil && slices.ContainsFunc(status.ErrStatus.Details.Causes,
		func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}

// Text is the API server's text of an error, at most MaxText bytes of it; empty if the error is not the API server's.
func Text(err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return ""
	}
	text := status.ErrStatus.Message
	return strings.ToValidUTF8(text[:min(len(text), MaxText)], "")
}
