package target

import (
	"encoding/json"
	"runtime"
	"slices"
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

// maxTemplate is how long the schema lets a template be.
const maxTemplate = 8192

// allocated is how many bytes a call allocates, those that are freed again included. Nothing else may run meanwhile.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzTemplate renders any text over tokens of any size. Time is bounded by work: nothing that a template can do takes long
// except for what it makes, so that the memory which is asked for stands for both.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"", "{{", "{{ .AccessToken }}", "{{ . }}", "{{ range .Scopes }}{{ . }},{{ else }}{{ break }}{{ end }}", "{{ with .Scope }}{{ . | upper }}{{ end }}",
		`{{ printf "%[1]v%999s%x" . "a" .Scopes }}`, `{{ print . . . . | quote | js }}`, `{{ toJson . | b64enc | b32enc }}`, `{{ .AccessToken | replace "" "xy" }}`,
		`{{ join .Scope .Scopes | splitList "." | uniq | last }}`, `{{ indent 64 "\n\n" | nindent 3 }}`, `{{ if and (eq .TokenType "a") (lt 1 2) }}{{ end }}`,
		`{{ define "x" }}{{ template "x" }}{{ end }}`, `{{ $x := 1 }}`, "{{/* */}}", "{{ - }}", "{{ index .Scopes 1000 }}", "{{ slice .AccessToken 1 3 }}",
		`{{ abbrev 5 .Scope }}{{ title .Scope }}{{ camelcase .Scope }}{{ substr 2 1 .Scope }}{{ trunc -3 .Scope }}`, "{{ mul 9223372036854775807 2 }}{{ div 1 0 }}",
	} {
		f.Add(seed, uint16(1), uint8(2))
		f.Add(seed, uint16(60_000), uint8(255))
	}
	// What tokens are made of is not in the alphabet of templates, so that it is in no error for another reason.
	const grain = "ÿ§"
	f.Fuzz(func(t *testing.T, text string, length uint16, scopes uint8) {
		if len(text) > maxTemplate || strings.Contains(text, grain[:2]) {
			return
		}
		tok := token()
		tok.AccessToken = oauth.Secret(strings.Repeat(grain, int(length)/len(grain)+1))
		tok.Scopes = slices.Repeat([]string{"a.read"}, int(scopes))
		ec := client(map[string]egainv1alpha1.Template{"key": egainv1alpha1.Template(text)})
		parses := CheckTemplates(ec)
		var data map[string][]byte
		var err error
		bytes := allocated(func() { data, err = execute(ec.Spec.Target.Template.Data, tok) })
		if bytes > 128<<20 {
			t.Errorf("%d MiB were allocated", bytes>>20)
		}
		if err != nil {
			if fault.Of(err) == nil || strings.Contains(err.Error(), grain[:2]) || len(err.Error()) > 2*maxTemplate {
				t.Errorf("not fit for a condition: %.300q", err.Error())
			}
			return
		}
		if parses != nil {
			t.Errorf("a template is rendered that does not parse: %v", parses)
		}
		if len(data["key"]) > maxValue {
			t.Errorf("%d bytes", len(data["key"]))
		}
	})
}

// FuzzRead reads targets that hold anything. Managed fields are JSON at least: the API server decodes what it is sent and
// stores what it understood.
func FuzzRead(f *testing.F) {
	for _, managed := range []bool{true, false} {
		f.Add("2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z", "2026-11-23T11:00:00Z", "spec", "tok", "Bearer", "a b", `{"f:data":{"f:access_token":{}}}`, managed)
		f.Add("2026-11-23T10:00:00.5+14:00", "2026-11-23T10:00:00.6+14:00", "", "spec", "", "", " ", `{"k:x":{}}`, managed)
		f.Add("0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "", "\x00", "\n", "\xff", `{}`, managed)
		f.Add("never", "", "x", "s", "t", "b", "", `{"f:data":{".":{},"f:access_token":{}},"f:metadata":{"f:annotations":{"f:auth.egain.com/issue-time":{}}}}`, managed)
	}
	f.Fuzz(func(t *testing.T, issue, expiration, expiresAt, spec, accessToken, kind, scope, fields string, managed bool) {
		s := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "sync", Annotations: map[string]string{
				AnnotationIssueTime: issue, AnnotationExpirationTime: expiration, AnnotationIssuedForSpec: spec,
			}},
			Data: map[string][]byte{
				KeyAccessToken: []byte(accessToken), KeyTokenType: []byte(kind), KeyScope: []byte(scope), KeyAPIURL: []byte(scope),
				KeyExpiresAt: []byte(expiresAt), KeyAuthorization: []byte(kind + " " + accessToken),
			},
		}
		if managed {
			fields = fieldsOf(t, s)
		}
		if !json.Valid([]byte(fields)) {
			return
		}
		s.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: Manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		}}
		r, err := Read(s)
		if err != nil {
			if len(accessToken) >= 8 && strings.Contains(err.Error(), accessToken) && !strings.Contains(fields, accessToken) {
				t.Errorf("the error holds the token: %v", err)
			}
			return
		}
		if r.Token == nil {
			return
		}
		if r.Damaged || r.Token.AccessToken == "" || !r.Token.ExpirationTime.After(r.Token.IssueTime) {
			t.Errorf("damaged %t, issued %s, expires %s", r.Damaged, r.Token.IssueTime, r.Token.ExpirationTime)
		}
		if diff := cmp.Diff(r.Token.ExpirationTime.UTC().Truncate(time.Second).Format(time.RFC3339), string(s.Data[KeyExpiresAt])); diff != "" {
			t.Errorf("the memory and the key say different things: %s", diff)
		}
		if _, err := Render(client(nil), r.Token); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
