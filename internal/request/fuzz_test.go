package request

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// FuzzSources reads Secrets that users keep credentials and subject tokens in.
func FuzzSources(f *testing.F) {
	for _, seed := range []string{"", "\n", "\r\n", "value", "value\n", "value\r\n", "two\nlines", "\xff\xfe", "\x00", "ÿ", "\ufeffvalue", "value\n\n"} {
		f.Add([]byte(seed), []byte("value"))
		f.Add([]byte("value"), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, id, secret []byte) {
		s := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "sources"},
			Data:       map[string][]byte{"id": id, "secret": secret},
		}
		creds, errCreds := credentialsIn(s, specOf(false))
		subject, errSubject := SubjectTokenFrom(s, &egainv1alpha1.SecretKeyReference{Key: "secret"})
		for what, got := range map[string]struct {
			value string
			raw   []byte
			err   error
		}{
			"client id":     {creds.ClientID, id, nil},
			"client secret": {string(creds.ClientSecret), secret, errCreds},
			"subject token": {string(subject), secret, errSubject},
		} {
			if got.err != nil {
				if fault.Of(got.err) == nil || got.value != "" {
					t.Errorf("%s: %q with %v", what, got.value, got.err)
				}
				if part := string(got.raw); len(part) >= 8 && strings.Contains(fmt.Sprintf("%v %+v %#v", got.err, got.err, got.err), part) && !strings.Contains("not one line of text: store the value itself, not encoded and without line breaks", part) {
					t.Errorf("%s: the error holds it: %v", what, got.err)
				}
				continue
			}
			if got.value != "" && (!bytes.HasPrefix(bytes.TrimPrefix(got.raw, []byte("\ufeff")), []byte(got.value)) || len(got.raw)-len(got.value) > 5 || strings.ContainsFunc(got.value, func(r rune) bool { return r < ' ' || r > '~' })) {
				t.Errorf("%s: %q was read of %q", what, got.value, got.raw)
			}
		}
	})
}
