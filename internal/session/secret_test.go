package session

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

func TestRefreshToken(t *testing.T) {
	t.Parallel()
	for label, tc := range map[string]struct {
		data map[string]string
		want oauth.Secret
	}{
		"as it is":                   {map[string]string{"refresh_token": "0.AX4-hush"}, "0.AX4-hush"},
		"with a line break":          {map[string]string{"refresh_token": "hush\n"}, "hush"},
		"with the line break of DOS": {map[string]string{"refresh_token": "hush\r\n"}, "hush"},
		"as Windows writes text":     {map[string]string{"refresh_token": "\ufeffhush\r\n"}, "hush"},
		"next to other keys":         {map[string]string{"refresh_token": "hush", "access_token": "x"}, "hush"},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			if got, err := RefreshToken(secretWith(tc.data), name); err != nil || got != tc.want {
				t.Errorf("got %q, %v", string(got), err)
			}
		})
	}
}

func TestRefreshTokenThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	const missing = `Secret "egain-app" has no refresh token under the key "refresh_token": log in again`
	const spoilt = `key "refresh_token" of Secret "egain-app" is not one line of text (it `
	for label, tc := range map[string]struct {
		data map[string]string
		want string
	}{
		"no key":          {map[string]string{"token": "hush"}, missing},
		"nothing":         {nil, missing},
		"empty":           {map[string]string{"refresh_token": ""}, missing},
		"an empty line":   {map[string]string{"refresh_token": "\n"}, missing},
		"two lines":       {map[string]string{"refresh_token": "hush\nmore"}, spoilt + "contains U+000A (line break)): log in again"},
		"two line breaks": {map[string]string{"refresh_token": "hush\n\n"}, spoilt + "contains U+000A (line break)): log in again"},
		"binary":          {map[string]string{"refresh_token": "hush\x00\x01"}, spoilt + "contains U+0000 (NUL)): log in again"},
		"no UTF-8":        {map[string]string{"refresh_token": "hush\xff"}, spoilt + "contains bytes that are not UTF-8): log in again"},
		"UTF-16":          {map[string]string{"refresh_token": "\xff\xfeh\x00"}, spoilt + "is encoded in UTF-16 (little-endian), not in UTF-8): log in again"},
		"a hidden space":  {map[string]string{"refresh_token": "hush\u00a0"}, `key "refresh_token" of Secret "egain-app" contains U+00A0 (no-break space), which no refresh token does: log in again`},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			_, err := RefreshToken(secretWith(tc.data), name)
			wantClassified(t, err, egainv1alpha1.ReasonSessionInvalid, tc.want)
		})
	}
}

func TestASessionIsReadAsItWasRendered(t *testing.T) {
	t.Parallel()
	loggedIn := &metav1.ObjectMeta{
		Name: "session", Namespace: "team-a", UID: "uid-of-session", ResourceVersion: "7",
		Annotations: map[string]string{AnnotationID: "login-1", AnnotationExpirationTime: "2026-01-01T00:00:00Z", "note": "x"},
	}
	expires := time.Date(2026, time.December, 24, 10, 0, 0, 0, time.FixedZone("", 3600))
	for name, tc := range map[string]struct {
		session     Content
		annotations map[string]string
	}{
		"with an expiry":    {Content{"hush", expires}, map[string]string{"auth.egain.com/session-expiration-time": "2026-12-24T09:00:00Z"}},
		"without an expiry": {Content{"hush", time.Time{}}, map[string]string{AnnotationExpirationTime: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			encoded, err := json.Marshal(Render(loggedIn, tc.session))
			if err != nil {
				t.Fatal(err)
			}
			got := &corev1.Secret{}
			if err := json.Unmarshal(encoded, got); err != nil {
				t.Fatal(err)
			}
			want := &corev1.Secret{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
				// The UID keeps a session from coming back that was deleted meanwhile. What identifies the login stays the login's.
				ObjectMeta: metav1.ObjectMeta{Name: "session", Namespace: "team-a", UID: "uid-of-session", Annotations: tc.annotations},
				Data:       map[string][]byte{"refresh_token": []byte("hush")},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if token, err := refreshToken(got); err != nil || token != tc.session.RefreshToken {
				t.Errorf("the refresh token is %q, %v", string(token), err)
			}
			if at := Expiration(got, expires); !at.Equal(tc.session.ExpirationTime) {
				t.Errorf("it expires at %s", at)
			}
		})
	}
}

func TestExpirationIsUnknown(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 23, 10, 0, 0, 0, time.UTC)
	longest := now.Add(oauth.MaxLifetime)
	if at := Expiration(&metav1.ObjectMeta{Annotations: map[string]string{AnnotationExpirationTime: longest.Format(time.RFC3339)}}, now); !at.Equal(longest) {
		t.Errorf("the longest life: got %s", at)
	}
	for name, annotations := range map[string]map[string]string{
		"without annotations":           nil,
		"of a spoilt time":              {AnnotationExpirationTime: "soon"},
		"of an empty time":              {AnnotationExpirationTime: ""},
		"of a number":                   {AnnotationExpirationTime: "1795082400"},
		"of a time that no server says": {AnnotationExpirationTime: "2099-01-01T00:00:00Z"},
		"of a time just past 366 days":  {AnnotationExpirationTime: now.Add(oauth.MaxLifetime + time.Minute + time.Second).Format(time.RFC3339)},
	} {
		if at := Expiration(&metav1.ObjectMeta{Annotations: annotations}, now); !at.IsZero() {
			t.Errorf("%s: got %s", name, at)
		}
	}
}

// TestSession_OnlyAMarkedSecretIsOne refuses refresh tokens that no login of the client put there.
func TestSession_OnlyAMarkedSecretIsOne(t *testing.T) {
	t.Parallel()
	const unmarked, another = `is not marked as a session`, `contains the session of another EgainClient`
	for label, tc := range map[string]struct {
		annotations map[string]string
		want        string
	}{
		"a login for the client":                {map[string]string{AnnotationID: "x", AnnotationClient: "team-a/session"}, ""},
		"a login by an earlier version":         {map[string]string{AnnotationID: "x"}, ""},
		"no annotations":                        {nil, unmarked},
		"an empty mark":                         {map[string]string{AnnotationID: ""}, unmarked},
		"no login, only a client":               {map[string]string{AnnotationClient: "team-a/session"}, unmarked},
		"no login, only an expiry":              {map[string]string{AnnotationExpirationTime: ""}, unmarked},
		"a login for another client":            {map[string]string{AnnotationID: "x", AnnotationClient: "team-a/other"}, another},
		"a login for a client of another team":  {map[string]string{AnnotationID: "x", AnnotationClient: "team-b/session"}, another},
		"a client without its namespace":        {map[string]string{AnnotationID: "x", AnnotationClient: "session"}, another},
		"a client of a longer name":             {map[string]string{AnnotationID: "x", AnnotationClient: "team-a/session-2"}, another},
		"a client in other letters":             {map[string]string{AnnotationID: "x", AnnotationClient: "Team-A/session"}, another},
		"something long and unreadable instead": {map[string]string{AnnotationID: "x", AnnotationClient: strings.Repeat("\u202ehush", 10_000)}, another},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			s := secretWith(map[string]string{"refresh_token": "hush"})
			s.Annotations = tc.annotations
			token, err := RefreshToken(s, name)
			if tc.want == "" && (err != nil || token != "hush") {
				t.Errorf("refused: %v", err)
			}
			if tc.want == "" {
				return
			}
			f := fault.Of(err)
			if token != "" || f == nil || f.Class != fault.Terminal || f.Reason != egainv1alpha1.ReasonSessionInvalid || !strings.Contains(f.Message, tc.want) {
				t.Fatalf("got %q, %v", string(token), err)
			}
			if len(f.Message) > 4000 || strings.Contains(f.Message, "\u202e") {
				t.Errorf("the message has %d bytes: %.100q", len(f.Message), f.Message)
			}
		})
	}
}

func secretWith(data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "egain-app", Annotations: map[string]string{AnnotationID: "a-login"}}, Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	return s
}

// wantClassified fails the test unless an error says what to do, and gives no value away.
func wantClassified(t *testing.T, err error, reason, words string) {
	t.Helper()
	f := fault.Of(err)
	if f == nil || f.Class != fault.Terminal || f.Reason != reason || !strings.Contains(f.Message, words) {
		t.Errorf("got %#v, want a Terminal fault of reason %s with %q", err, reason, words)
		return
	}
	if strings.Contains(f.Message, "hush") {
		t.Errorf("the message quotes the value: %s", f.Message)
	}
}
