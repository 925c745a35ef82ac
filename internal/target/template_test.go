package target

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

var issued = time.Date(2026, time.November, 23, 10, 0, 0, 0, time.UTC)

// accessToken must be in no error.
const accessToken = "eyJhbGciOi-the-token-itself"

// token is one with all of its fields set.
func token() *Token {
	return &Token{
		Token: rotation.Token{
			IssueTime: issued, ExpirationTime: issued.Add(time.Hour), Spec: "spec-1", Sources: "credentials=uid/1", Renewal: "once",
			Request: "request-1",
		},
		AccessToken: accessToken, TokenType: "Bearer", Scopes: []string{"a.read", "b.write"}, APIURL: "https://api.example.com",
	}
}

// client is an EgainClient with templates.
func client(templates map[string]egainv1alpha1.Template) *egainv1alpha1.EgainClient {
	ec := &egainv1alpha1.EgainClient{}
	ec.Name, ec.Namespace, ec.UID = "sync", "team-a", "uid-of-sync"
	ec.Spec.Target.Type = "Opaque"
	if templates != nil {
		ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: templates}
	}
	return ec
}

// render renders one template over a token.
func render(t *testing.T, text string, tok *Token) (string, error) {
	t.Helper()
	data, err := execute(map[string]egainv1alpha1.Template{"key": egainv1alpha1.Template(text)}, tok)
	return string(data["key"]), err
}

func TestTarget_ATemplateSeesTheToken(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"text":            {"as it is", "as it is"},
		"the token":       {"{{ .AccessToken }}", accessToken},
		"the type":        {"{{ .TokenType }}", "Bearer"},
		"the header":      {"{{ .Authorization }}", "Bearer " + accessToken},
		"the expiry":      {"{{ .ExpiresAt }}", "2026-11-23T11:00:00Z"},
		"the scope":       {"{{ .Scope }}", "a.read b.write"},
		"the scopes":      {"{{ range .Scopes }}<{{ . }}>{{ end }}", "<a.read><b.write>"},
		"no scopes":       {"{{ range .Scopes }}{{ else }}none{{ end }}", ""},
		"the API":         {"{{ .APIURL }}", "https://api.example.com"},
		"a condition":     {`{{ if hasPrefix "a" .Scope }}yes{{ else }}no{{ end }}`, "yes"},
		"a with":          {`{{ with .Scopes }}{{ len . }}{{ end }}`, "2"},
		"a loop left":     {`{{ range .Scopes }}{{ break }}{{ end }}.`, "."},
		"a comment":       {"{{/* nothing */}}", ""},
		"a pipeline":      {`{{ .TokenType | lower | trunc 4 | b64enc }}`, "YmVhcg=="},
		"brackets":        {`{{ (index .Scopes 1) | replace "." "_" }}`, "b_write"},
		"printf":          {`{{ printf "%s:%5.1f:%d%%:%q" .TokenType 1.25 7 "x" }}`, `Bearer:  1.2:7%:"x"`},
		"print":           {`{{ print 1 "a" 2 }}|{{ println "a" 1 }}`, "1a2|a 1\n"},
		"an index of it":  {`{{ printf "%[2]s %[1]s" "a" "b" }}`, "b a"},
		"escapes":         {`{{ html "<" }}{{ js "'" }}{{ urlquery "a b" }}`, `&lt;\'a+b`},
		"indents":         {`{{ indent 2 "a\nb" }}|{{ nindent 1 "c" }}`, "  a\n  b|\n c"},
		"numbers":         {`{{ add 1 2 3 }} {{ sub 5 1 }} {{ mul 2 3 }} {{ div 7 2 }} {{ mod 7 2 }} {{ max 1 9 }} {{ min 1 9 }} {{ add1 1 }} {{ int "7" }} {{ int64 8 }} {{ atoi "9" }}`, "6 4 6 3 1 9 1 2 7 8 9"},
		"cases":           {`{{ upper "a" }}{{ lower "B" }}{{ title "cd" }} {{ snakecase "FirstName" }} {{ kebabcase "FirstName" }} {{ camelcase "first_name" }}`, "AbCd first_name first-name FirstName"},
		"trims":           {`{{ trim " a " }}{{ trimAll "-" "-b-" }}{{ trimPrefix "x" "xc" }}{{ trimSuffix "x" "dx" }}{{ nospace "e f" }}`, "abcdef"},
		"parts":           {`{{ substr 0 2 "abc" }} {{ trunc 1 "abc" }} {{ abbrev 5 "abcdefgh" }} {{ first .Scopes }} {{ last .Scopes }}`, "ab a ab... a.read b.write"},
		"lists":           {`{{ join "," .Scopes }} {{ splitList "." "a.b" | last }} {{ has "a.read" .Scopes }} {{ uniq .Scopes | join "+" }}`, "a.read,b.write b true a.read+b.write"},
		"questions":       {`{{ contains "b" "abc" }} {{ hasSuffix "b" "abc" }} {{ empty "" }} {{ eq 1 2 }}`, "true false true false"},
		"choices":         {`{{ default "d" "" }} {{ coalesce "" "c" }} {{ ternary "y" "n" true }}`, "d c y"},
		"encodings":       {`{{ b64enc "a" }} {{ b64dec "YQ==" }} {{ b32enc "a" }} {{ b32dec "ME======" }} {{ toJson .Scopes }} {{ quote "a" }} {{ squote "a" }} {{ toString 1 }}`, `YQ== a ME====== a ["a.read","b.write"] "a" 'a' 1`},
		"a fingerprint":   {`{{ sha256sum "a" | trunc 8 }}`, "ca978112"},
		"a wide printf":   {`{{ printf "%999s" "x" | len }}`, "999"},
		"comparisons":     {`{{ eq .TokenType "x" "Bearer" }}/{{ ne "a" "b" }}/{{ lt 1 2 }}/{{ le "b" "a" }}/{{ gt 2 (len .Scopes) }}/{{ ge .TokenType "B" }}`, "true/true/true/false/false/true"},
		"a compared pipe": {`{{ .TokenType | lower | eq "bearer" }}/{{ .Scopes | len | lt 1 }}/{{ 1 | index .Scopes }}`, "true/true/b.write"},
		"kinds compared":  {`{{ eq (add 1 1) 2 }}/{{ lt (len .Scope) 100 }}/{{ eq true (not false) }}/{{ eq 1.5 1.5 }}/{{ eq 'a' 97 }}`, "true/true/true/true/true"},
		"parts of scopes": {`{{ with index .Scopes 0 }}{{ slice . 2 }}{{ end }}|{{ (index .Scopes 0) | len }}`, "read|6"},
		"lazy questions":  {`{{ and "" (index .Scopes 9) }}{{ or "a" (index .Scopes 9) }}{{ not (and 1 (eq 1 2)) }}`, "atrue"},
		"percents galore": {`{{ printf "100%%" }}`, "100%"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := render(t, tc.text, token())
			if err != nil || got != tc.want {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestTarget_EveryFunctionOfATemplateExists(t *testing.T) {
	t.Parallel()
	for name, f := range functions {
		if f == nil {
			t.Errorf("%s is not in Sprig any more", name)
		}
	}
}

// Functions that reach outside of the token, differ from one time to the next, or make something of nothing.
func TestTarget_ATemplateHasNoFunctionThatReachesOut(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"env", "expandenv", "now", "date", "ago", "randAlpha", "randAlphaNum", "randBytes", "uuidv4", "shuffle", "genPrivateKey",
		"genCA", "genSelfSignedCert", "derivePassword", "getHostByName", "osBase", "fail", "repeat", "until", "untilStep", "seq",
		"list", "dict", "tuple", weigher, "bcrypt", "htpasswd", "encryptAES", "regexMatch", "include", "tpl", "required", "lookup",
	} {
		_, err := render(t, "{{ "+name+` "x" }}`, token())
		wantFault(t, err, `["key"] does not parse`)
	}
}

func TestTarget_ATemplateIsRefusedThatCouldRunForLong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"a loop over a number":            {"{{ range 1000000000 }}x{{ end }}", "may range over .Scopes only"},
		"a loop over a string":            {"{{ range .AccessToken }}x{{ end }}", "may range over .Scopes only"},
		"a loop over a function":          {`{{ range splitList "" .AccessToken }}x{{ end }}`, "may range over .Scopes only"},
		"a loop in a loop":                {"{{ range .Scopes }}{{ range .Scopes }}x{{ end }}{{ end }}", "may range over .Scopes only"},
		"a loop in a condition in a loop": {"{{ range .Scopes }}{{ if . }}{{ range $.Scopes }}x{{ end }}{{ end }}{{ end }}", "may range over .Scopes only"},
		"a loop in the else of a loop":    {"{{ range .Scopes }}{{ else }}{{ range .Scopes }}x{{ end }}{{ end }}", "may range over .Scopes only"},
		"a loop in a with":                {"{{ with .Scopes }}{{ range . }}x{{ end }}{{ end }}", "may range over .Scopes only"},
		"a loop with variables":           {"{{ range $i, $s := .Scopes }}x{{ end }}", "may range over .Scopes only"},
		"a variable":                      {"{{ $x := .AccessToken }}{{ $x }}", "must not declare variables"},
		"a variable in a condition":       {"{{ if $x := .AccessToken }}{{ $x }}{{ end }}", "must not declare variables"},
		"a variable in a with":            {"{{ with $x := .AccessToken }}{{ $x }}{{ end }}", "must not declare variables"},
		"a variable in brackets":          {`{{ print ($x := "a") }}`, "must not declare variables"},
		"a variable deep in brackets":     {`{{ (ternary . . (eq "" ($x := "a"))).TokenType }}`, "must not declare variables"},
		"a template of its own":           {`{{ define "x" }}{{ end }}`, "defines another template"},
		"a block":                         {`{{ block "x" . }}{{ end }}`, "defines another template"},
		"a call of itself":                {`{{ template "key" . }}`, "must not call a template"},
		"a call of itself in a branch":    {`{{ if true }}{{ else }}{{ template "key" . }}{{ end }}`, "must not call a template"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := render(t, tc.text, token())
			wantFault(t, err, tc.want)
		})
	}
}

func TestTarget_ATemplateIsStoppedThatMakesTooMuch(t *testing.T) {
	t.Parallel()
	long := token()
	long.AccessToken = oauth.Secret(strings.Repeat("x", 64<<10))
	tests := map[string]string{
		"by saying it often":        strings.Repeat("{{ .AccessToken }}", 5),
		"by padding":                `{{ printf "%300000s" "x" }}`,
		"by padding by a star":      `{{ printf "%*s" 300000 "x" }}`,
		"by padding by precision":   `{{ printf "%.300000f" 1.0 }}`,
		"by padding often":          strings.Repeat(`{{ printf "%999s" "x" }}`, 300),
		"by indenting":              `{{ indent 1000000 "x" }}`,
		"by indenting backwards":    `{{ indent -1 "x" }}`,
		"by indenting a new line":   `{{ nindent 65 "x" }}`,
		"by replacing":              `{{ replace "x" "xxxxxxxxxx" .AccessToken }}`,
		"by replacing nothing":      `{{ replace "" "xxxxxxxxxx" .AccessToken }}`,
		"by encoding again":         `{{ .AccessToken | b32enc | b32enc | b32enc | b32enc }}`,
		"by escaping":               `{{ .AccessToken | replace "x" "<" | html | html | html }}`,
		"by quoting its own":        `{{ .AccessToken | replace "x" "\\" | quote | quote | quote }}`,
		"by splitting":              `{{ splitList "" (print .AccessToken .AccessToken .AccessToken .AccessToken "x") }}`,
		"by joining":                `{{ join .AccessToken (splitList "x" (trunc 100 .AccessToken)) }}`,
		"by naming it often":        `{{ print .AccessToken .AccessToken .AccessToken .AccessToken .AccessToken }}`,
		"by an index of it":         `{{ printf "%[1]s%[1]s%[1]s%[1]s%[1]s" .AccessToken }}`,
		"by an index of it in JSON": `{{ toJson (printf "%[1]s%[1]s%[1]s" .AccessToken | replace "x" "<") }}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := render(t, text, long)
			wantFault(t, err, "produces more than 256 KiB")
		})
	}
}

// A result that is too large is of no use, but it must not have been made either: many clients are rendered at a time.
func TestTarget_ATemplateCannotFillTheMemory(t *testing.T) { //nolint:paralleltest // what is allocated is counted
	long := token()
	long.AccessToken = oauth.Secret(strings.Repeat("x", 64<<10))
	tests := map[string]string{
		"an index of it, a thousand times":     `{{ printf "` + strings.Repeat("%[1]s", 1000) + `" .AccessToken }}`,
		"it again and again, a thousand times": `{{ with .AccessToken }}{{ print ` + strings.Repeat(". ", 1000) + `}}{{ end }}`,
		"it again and again, formatted":        `{{ with .AccessToken }}{{ printf "` + strings.Repeat("%s", 1000) + `" ` + strings.Repeat(". ", 1000) + `}}{{ end }}`,
		"it again and again, escaped":          `{{ with .AccessToken }}{{ urlquery ` + strings.Repeat(". ", 1000) + `}}{{ end }}`,
		"it again and again, quoted":           `{{ with .AccessToken }}{{ quote ` + strings.Repeat(". ", 1000) + `}}{{ end }}`,
		"wide fields, a thousand times":        `{{ printf "` + strings.Repeat("%999[1]s", 1000) + `" "" }}`,
		"all fields at once, again and again":  `{{ print ` + strings.Repeat(". ", 1000) + `}}`,
		"all fields at once, formatted":        `{{ printf "` + strings.Repeat("%[1]v", 1000) + `" . }}`,
		"all fields at once, quoted":           `{{ quote ` + strings.Repeat(". ", 1000) + `}}`,
		"joined by itself":                     `{{ join .AccessToken (splitList "x" .AccessToken) }}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := render(t, text, long)
			runtime.ReadMemStats(&after)
			wantFault(t, err, "produces more than 256 KiB")
			if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 32 {
				t.Errorf("%d MiB were allocated", allocated)
			}
		})
	}
}

func TestTarget_ATemplateIsStoppedThatGoesOnForTooLong(t *testing.T) {
	t.Parallel()
	long := token()
	long.AccessToken = oauth.Secret(strings.Repeat("x", 64<<10))
	long.Scopes = slices.Repeat([]string{"a.read"}, 256)
	tests := map[string]map[string]egainv1alpha1.Template{
		"in a loop":       {"key": `{{ range .Scopes }}{{ if eq (upper $.AccessToken) "" }}x{{ end }}{{ end }}`},
		"key by key":      {},
		"though it is so": {"key": egainv1alpha1.Template(strings.Repeat(`{{ if upper .AccessToken }}{{ end }}`, 200)), "another": egainv1alpha1.Template(strings.Repeat(`{{ if upper .AccessToken }}{{ end }}`, 200))},
	}
	for i := range 200 {
		tests["key by key"][fmt.Sprintf("key-%03d", i)] = `{{ if eq (lower .AccessToken | upper) "" }}x{{ end }}`
	}
	for name, templates := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := execute(templates, long)
			wantFault(t, err, "is too much work at 1:")
		})
	}
	many := token()
	many.Scopes = slices.Repeat([]string{"a.read"}, 257)
	_, err := render(t, "{{ .AccessToken }}", many)
	wantFault(t, err, "more than 256 scopes")
}

func TestTarget_AListIsNotComparedItemByItemIfItIsLong(t *testing.T) {
	t.Parallel()
	long := token()
	long.AccessToken = oauth.Secret(strings.Repeat("x", 64<<10))
	for _, text := range []string{
		`{{ splitList "" .AccessToken | uniq }}`,
		`{{ trimAll .AccessToken .AccessToken }}`,
	} {
		_, err := render(t, text, long)
		wantFault(t, err, "is too much work at 1:")
	}
}

func TestTarget_TheErrorOfATemplateDoesNotQuoteTheToken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"{{ (print .AccessToken).NoSuchField }}",
		"{{ index .Scopes 9 }}",
		`{{ index .Scopes .AccessToken }}`,
		`{{ slice .AccessToken 0 1000 }}`,
		"{{ atoi .AccessToken | div 1 }}",
		"{{ div 1 0 }}",
		"{{ call .AccessToken }}",
		"{{ len 3 }}",
		"{{ lt .AccessToken 1 }}",
		"{{ printf .AccessToken 1 | slice 1 }}",
		"{{ add .AccessToken .Scopes | first }}",
		"{{ substr 5 1 .AccessToken }}",
	} {
		_, err := render(t, text, token())
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		wantFault(t, err, `["key"] fails at 1:`)
	}
}

func TestTarget_ATemplateSaysWhichKeyFailsFirst(t *testing.T) {
	t.Parallel()
	ec := client(map[string]egainv1alpha1.Template{"b": "{{", "a": "{{ end }}", "c": "fine"})
	for _, err := range []error{CheckTemplates(ec), second(Render(ec, token()))} {
		wantFault(t, err, `spec.target.template.data["a"] does not parse`)
	}
	if err := CheckTemplates(client(nil)); err != nil {
		t.Errorf("no templates: %v", err)
	}
	if err := CheckTemplates(client(map[string]egainv1alpha1.Template{"a": "{{ index .Scopes 9 }}"})); err != nil {
		t.Errorf("what fails only over a token: %v", err)
	}
}

func TestTarget_AFieldThatDoesNotExistIsNamedBeforeATokenIsSpent(t *testing.T) {
	t.Parallel()
	fields := "use .AccessToken, .TokenType, .Authorization, .ExpiresAt, .Scope, .Scopes or .APIURL"
	for text, said := range map[string]string{
		"{{ .Token }}":                                     `spec.target.template.data["a"] names .Token, which does not exist: ` + fields,
		"Bearer {{ $.accessToken }}":                       "names .accessToken, which does not exist: " + fields,
		"{{ printf \"%s\" .access_token }}":                "names .access_token, which does not exist: " + fields,
		"{{ .Token | b64enc }}":                            "names .Token,",
		"{{ b64enc (trim .Token) }}":                       "names .Token,",
		"{{ if .Token }}x{{ end }}":                        "names .Token,",
		"{{ if .Scope }}{{ .Token }}{{ end }}":             "names .Token,",
		"{{ with .Token }}x{{ end }}":                      "names .Token,",
		"{{ with .Scope }}{{ $.Token }}{{ end }}":          "names .Token,",
		"{{ with .Scope }}{{ else }}{{ .Token }}{{ end }}": "names .Token,",
		"{{ range .Scopes }}{{ $.Token }}{{ end }}":        "names .Token,",
		"{{ range .Scopes }}{{ .AccessToken }}{{ end }}":   "names .AccessToken inside range, where . is a scope: write $.AccessToken",
		"{{ .AccessToken.Value }}":                         "names .AccessToken.Value, but .AccessToken has no fields",
	} {
		wantFault(t, CheckTemplates(client(map[string]egainv1alpha1.Template{"a": egainv1alpha1.Template(text)})), said)
	}
	for _, text := range []string{
		"{{ . }}", "{{ with .Scope }}{{ . }}{{ end }}", "{{ range .Scopes }}{{ . }} {{ $.AccessToken }}{{ end }}", "{{ $.APIURL }}{{ .TokenType }}",
	} {
		if err := CheckTemplates(client(map[string]egainv1alpha1.Template{"a": egainv1alpha1.Template(text)})); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTarget_AFailureNamesTheFunction(t *testing.T) {
	t.Parallel()
	for text, said := range map[string]string{
		"{{ index .Scopes 9 }}":     "fails at 1:3: function index does not accept its arguments",
		"{{ trunc 3 }}":             "fails at 1:3: function trunc has 1 argument(s), where it takes 2",
		"{{ trunc .Scope .Scope }}": "fails at 1:9: an argument is of type string, where int is needed",
		"{{ (print 1).Field }}":     "fails at 1:10: Field does not exist there",
		"{{ call .AccessToken }}":   "fails at 1:3: function call does not accept its arguments",
	} {
		_, err := render(t, text, token())
		wantFault(t, err, said)
	}
}

func second[T any](_ T, err error) error { return err }

// wantFault fails the test unless an error is what a person who edits a template needs.
func wantFault(t *testing.T, err error, words string) {
	t.Helper()
	f := fault.Of(err)
	if f == nil {
		t.Errorf("got error %v, want a fault with %q", err, words)
		return
	}
	if f.Class != fault.Terminal || f.Reason != egainv1alpha1.ReasonTemplateInvalid || !strings.Contains(f.Message, words) {
		t.Errorf("got class %d, reason %s, message %q, want %q in it", f.Class, f.Reason, f.Message, words)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, accessToken) {
			t.Errorf("the error quotes the token: %s", text)
		}
	}
}

func TestTarget_TheTemplatesOfAClientAreRenderedInOrder(t *testing.T) {
	t.Parallel()
	templates := map[string]egainv1alpha1.Template{}
	for i := range 32 {
		templates[fmt.Sprintf("key-%d", i)] = "{{ .AccessToken }}"
	}
	data, err := execute(templates, token())
	if err != nil || len(data) != 32 || slices.Collect(maps.Values(data))[0] == nil {
		t.Errorf("got %d keys, %v", len(data), err)
	}
}
