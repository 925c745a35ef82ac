package session

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// FuzzSession reads Secrets that people keep sessions in.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{"", "\n", "\r\n", "value", "value\n", "value\r\n", "two\nlines", "\xff\xfe", "\x00", "ÿ", "\ufeffvalue", "value\n\n"} {
		f.Add([]byte(seed), "2026-11-23T10:00:00Z")
		f.Add([]byte("value"), seed)
	}
	f.Fuzz(func(t *testing.T, value []byte, expiration string) {
		s := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "session", Annotations: map[string]string{AnnotationID: "a-login", AnnotationExpirationTime: expiration}},
			Data:       map[string][]byte{KeyRefreshToken: value},
		}
		token, err := RefreshToken(s, name)
		got := string(token)
		if err != nil {
			if fault.Of(err) == nil || got != "" {
				t.Errorf("%q with %v", got, err)
			}
			if part := string(value); len(part) >= 8 && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), part) && !strings.Contains("not one line of text: log in again", part) {
				t.Errorf("the error holds the value: %v", err)
			}
		} else if !bytes.HasPrefix(bytes.TrimPrefix(value, []byte("\ufeff")), []byte(got)) || len(value)-len(got) > 5 || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q was read of %q", got, value)
		}
		at := Expiration(s, time.Date(2026, time.November, 23, 10, 0, 0, 0, time.UTC))
		if applied := Render(s, Content{RefreshToken: token, ExpirationTime: at}); at.IsZero() != (applied.Annotations[AnnotationExpirationTime] == "") {
			t.Errorf("the session expires %s and says %v", at, applied.Annotations)
		}
	})
}
