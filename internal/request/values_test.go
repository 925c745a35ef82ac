package request

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

func secretWith(data map[string]string) *corev1.Secret {
	s := &corev1.Secret{Data: map[string][]byte{}}
	s.Name = "egain-app"
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	return s
}

var keys = &egainv1alpha1.CredentialsSecretReference{Name: "egain-app", ClientIDKey: "id", ClientSecretKey: "secret"}

// specOf is a spec of a flow for which the client secret is optional, or is not.
func specOf(optional bool) *egainv1alpha1.EgainClientSpec {
	flow := egainv1alpha1.FlowClientCredentials
	if optional {
		flow = egainv1alpha1.FlowAnonymousCustomer
	}
	return &egainv1alpha1.EgainClientSpec{Flow: flow, CredentialsSecretRef: keys}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data     map[string]string
		optional bool
		want     oauth.Credentials
	}{
		"as they are":                           {map[string]string{"id": "app", "secret": "s3cr3t"}, false, oauth.Credentials{ClientID: "app", ClientSecret: "s3cr3t"}},
		"with line breaks at the end":           {map[string]string{"id": "app\n", "secret": "s3cr3t\r\n"}, false, oauth.Credentials{ClientID: "app", ClientSecret: "s3cr3t"}},
		"with spaces, which may be part of it":  {map[string]string{"id": "app", "secret": " s3 cr3t "}, false, oauth.Credentials{ClientID: "app", ClientSecret: " s3 cr3t "}},
		"as Windows writes text":                {map[string]string{"id": "\ufeffapp\r\n", "secret": "\ufeffs3cr3t\r\n"}, false, oauth.Credentials{ClientID: "app", ClientSecret: "s3cr3t"}},
		"with quotes, which may be part of it":  {map[string]string{"id": "app", "secret": `"s3cr3t"`}, false, oauth.Credentials{ClientID: "app", ClientSecret: `"s3cr3t"`}},
		"without a secret where it is optional": {map[string]string{"id": "app"}, true, oauth.Credentials{ClientID: "app"}},
		"with a secret where it is optional":    {map[string]string{"id": "app", "secret": "x"}, true, oauth.Credentials{ClientID: "app", ClientSecret: "x"}},
		"next to other keys":                    {map[string]string{"id": "app", "secret": "x", "client_id": "y"}, false, oauth.Credentials{ClientID: "app", ClientSecret: "x"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := credentialsIn(secretWith(tc.data), specOf(tc.optional))
			if err != nil || got != tc.want {
				t.Errorf("got id %q, secret %q, %v", got.ClientID, string(got.ClientSecret), err)
			}
		})
	}
}

func TestCredentialsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data     map[string]string
		optional bool
		want     string
	}{
		"no id":                                 {map[string]string{"secret": "x"}, false, `lacks the key "id": add it, or name the right key in spec.credentialsSecretRef.clientIDKey`},
		"no secret":                             {map[string]string{"id": "app"}, false, `lacks the key "secret": add it, or name the right key in spec.credentialsSecretRef.clientSecretKey`},
		"no id, where only a secret may":        {map[string]string{}, true, `lacks the key "id"`},
		"an empty id":                           {map[string]string{"id": "", "secret": "x"}, false, `key "id" of Secret "egain-app" is empty`},
		"an empty secret":                       {map[string]string{"id": "app", "secret": "\n"}, false, `key "secret" of Secret "egain-app" is empty`},
		"an empty secret, where none is needed": {map[string]string{"id": "app", "secret": ""}, true, "is empty"},
		"two lines":                             {map[string]string{"id": "app", "secret": "hush\nmore"}, false, "not one line of text"},
		"a line break before":                   {map[string]string{"id": "app", "secret": "\nhush"}, false, "not one line of text"},
		"a tab":                                 {map[string]string{"id": "app", "secret": "hush\tmore"}, false, "not one line of text"},
		"a NUL":                                 {map[string]string{"id": "app", "secret": "hush\x00"}, false, "not one line of text"},
		"a DEL":                                 {map[string]string{"id": "app", "secret": "hush\x7f"}, false, "not one line of text"},
		"no UTF-8":                              {map[string]string{"id": "app", "secret": "hush\xff"}, false, "not one line of text"},
		"UTF-16":                                {map[string]string{"id": "app", "secret": "\xff\xfeh\x00u\x00"}, false, `key "secret" of Secret "egain-app" is not one line of text (it is encoded in UTF-16 (little-endian), not in UTF-8)`},
		"UTF-16 of the other order":             {map[string]string{"id": "\xfe\xff\x00h", "secret": "x"}, false, `key "id" of Secret "egain-app" is not one line of text (it is encoded in UTF-16 (big-endian)`},
		"a no-break space after the secret":     {map[string]string{"id": "app", "secret": "hush\u00a0"}, false, `key "secret" of Secret "egain-app" contains U+00A0 (no-break space)`},
		"a zero-width space before the id":      {map[string]string{"id": "\u200bhush", "secret": "x"}, false, `key "id" of Secret "egain-app" contains U+200B (zero-width space)`},
		"a second byte order mark":              {map[string]string{"id": "app", "secret": "\ufeff\ufeffhush"}, false, `contains U+FEFF (byte order mark)`},
		"a byte order mark and nothing":         {map[string]string{"id": "app", "secret": "\ufeff\r\n"}, false, "is empty"},
		"a letter beyond ASCII":                 {map[string]string{"id": "app", "secret": "hüsh"}, false, `contains U+00FC: retype that part of the value, which must be printable ASCII`},
		"the quotes of a word processor":        {map[string]string{"id": "app", "secret": "\u201chush\u201d"}, false, `contains U+201C (left double quotation mark)`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := credentialsIn(secretWith(tc.data), specOf(tc.optional))
			wantClassified(t, err, egainv1alpha1.ReasonCredentialsInvalid, tc.want)
		})
	}
}

func TestSubjectToken(t *testing.T) {
	t.Parallel()
	ref := &egainv1alpha1.SecretKeyReference{Name: "egain-app", Key: "token"}
	if got, err := SubjectTokenFrom(secretWith(map[string]string{"token": "hush\n"}), ref); err != nil || got != "hush" {
		t.Errorf("got %q, %v", string(got), err)
	}
	if got, err := SubjectTokenFrom(secretWith(map[string]string{"token": "\ufeffhush\r\n"}), ref); err != nil || got != "hush" {
		t.Errorf("as Windows writes text: got %q, %v", string(got), err)
	}
	for _, data := range []map[string]string{{}, {"token": ""}, {"token": "hush\nmore"}, {"token": "hush\u00a0"}, {"token": "\xff\xfeh\x00"}} {
		_, err := SubjectTokenFrom(secretWith(data), ref)
		wantClassified(t, err, egainv1alpha1.ReasonSubjectTokenInvalid, `"token"`)
	}
}

// wantClassified fails the test unless an error tells a person what to fix, and gives no value away.
func wantClassified(t *testing.T, err error, reason, words string) {
	t.Helper()
	wantFault(t, err, fault.Terminal, reason, words)
}

func wantFault(t *testing.T, err error, class fault.Class, reason, words string) {
	t.Helper()
	f := fault.Of(err)
	if f == nil || f.Class != class || f.Reason != reason || !strings.Contains(f.Message, words) {
		t.Errorf("got %#v, want a fault of class %v and reason %s with %q", err, class, reason, words)
		return
	}
	if strings.Contains(f.Message, "hush") {
		t.Errorf("the message quotes the value: %s", f.Message)
	}
}

func TestWhatLogsInToTheClusterIsNoSource(t *testing.T) {
	t.Parallel()
	for _, kind := range []corev1.SecretType{corev1.SecretTypeServiceAccountToken, corev1.SecretTypeBootstrapToken} {
		s := secretWith(map[string]string{"id": "app", "secret": "x", "token": "canary"})
		s.Type = kind
		creds, errCreds := credentialsIn(s, specOf(false))
		token, errToken := SubjectTokenFrom(s, &egainv1alpha1.SecretKeyReference{Name: "egain-app", Key: "token"})
		if creds != (oauth.Credentials{}) || token != "" {
			t.Errorf("%s is read", kind)
		}
		for reason, err := range map[string]error{egainv1alpha1.ReasonCredentialsInvalid: errCreds, egainv1alpha1.ReasonSubjectTokenInvalid: errToken} {
			f := fault.Of(err)
			if f == nil || f.Class != fault.Terminal || f.Reason != reason || !strings.Contains(f.Message, "logs in to the cluster") || strings.Contains(f.Message, "canary") {
				t.Errorf("%s: got %v", kind, err)
			}
		}
	}
}

// credentialsIn reads the credentials that a spec names.
func credentialsIn(s *corev1.Secret, spec *egainv1alpha1.EgainClientSpec) (oauth.Credentials, error) {
	return CredentialsFrom(s, spec.CredentialsSecretRef, SecretOptional(spec))
}
