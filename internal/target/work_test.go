package target

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// hard is a target that takes as much work as its templates can be made to.
type hard struct {
	templates map[string]egainv1alpha1.Template
	// size of the access token, and number of scopes.
	size, scopes int
}

// everyKey has one template, repeated up to the bound of the schema, in as many keys as that allows.
func everyKey(piece string) map[string]egainv1alpha1.Template {
	return keys(strings.Repeat(piece, maxTemplate/len(piece)))
}

func keys(text string) map[string]egainv1alpha1.Template {
	templates := map[string]egainv1alpha1.Template{}
	for i := range 32 {
		templates[fmt.Sprintf("key-%02d", i)] = egainv1alpha1.Template(text)
	}
	return templates
}

// inLoop has one template in a range, in all keys.
func inLoop(piece string) map[string]egainv1alpha1.Template {
	return keys("{{range .Scopes}}" + piece + "{{end}}")
}

// perScope has one template in a range, repeated up to the bound of the schema.
func perScope(piece string) map[string]egainv1alpha1.Template {
	const begin, end = "{{range .Scopes}}", "{{end}}"
	return keys(begin + strings.Repeat(piece, (maxTemplate-len(begin)-len(end))/len(piece)) + end)
}

// hardTargets are what was tried against the bound of work, by what they do.
func hardTargets() map[string]hard {
	words := strings.TrimSpace(strings.Repeat("a b c d ", 64))
	distinct := make([]string, 256)
	for i := range distinct {
		distinct[i] = fmt.Sprintf("%03x", i)
	}
	const call = "{{if %s .AccessToken}}{{end}}"
	all := map[string]hard{
		"uniq, again and again":            {keys(`{{if splitList " " "` + words + `"` + strings.Repeat("|uniq", 1400) + `}}{{end}}`), 1 << 10, 2},
		"uniq of different words":          {keys(`{{if splitList " " "` + strings.Join(distinct, " ") + `"` + strings.Repeat("|uniq", 1300) + `}}{{end}}`), 1 << 10, 2},
		"uniq of long words":               {keys(`{{if splitList "x" (replace "y" "` + strings.Repeat("a", 1000) + `" "` + strings.Repeat("yx", 200) + `")|uniq}}{{end}}`), 1 << 10, 2},
		"eq of long texts, for each scope": {inLoop(`{{if eq $.AccessToken $.AccessToken}}{{end}}`), 64 << 10, 256},
		"ne at the end of a pipeline":      {inLoop(`{{if print $.AccessToken|ne $.AccessToken}}{{end}}`), 64 << 10, 256},
		"lt of long texts, for each scope": {inLoop(`{{if lt $.AccessToken $.AccessToken}}{{end}}`), 64 << 10, 256},
		"eq in brackets in and":            {inLoop(`{{if and . (or "" (eq $.AccessToken $.AccessToken))}}{{end}}`), 64 << 10, 256},
		"eq of long texts":                 {perScope(`{{if eq $.AccessToken $.AccessToken}}{{end}}`), 64 << 10, 256},
		"eq of long texts, all in one":     {keys(`{{with .AccessToken}}{{if eq "a" ` + strings.Repeat(". ", 4000) + `}}{{end}}{{end}}`), 64 << 10, 256},
		"eq of what a pipeline ends with":  {perScope(`{{if print $.AccessToken|eq $.AccessToken}}{{end}}`), 64 << 10, 256},
		"lt of long texts":                 {perScope(`{{if lt $.AccessToken $.AccessToken}}{{end}}`), 64 << 10, 256},
		"len and slice of long texts":      {perScope(`{{if slice $.AccessToken 1|len}}{{end}}`), 64 << 10, 256},
		"index of the scopes":              {perScope(`{{if index $.Scopes 1}}{{end}}`), 1 << 10, 256},
		"short calls":                      {perScope(`{{if add}}{{end}}`), 1 << 10, 256},
		"short builtin calls":              {perScope(`{{if eq 1 2}}{{end}}`), 1 << 10, 256},
		"questions of emptiness":           {perScope(`{{if and . (or . .)}}{{end}}`), 1 << 10, 256},
		"branches":                         {perScope(`{{if .}}{{end}}`), 1 << 10, 256},
		"text":                             {perScope(`a{{/**/}}`), 1 << 10, 256},
		"what it writes":                   {everyKey(`{{.AccessToken}}`), 400, 2},
		"scopes that it writes":            {perScope(`{{.}}`), 1 << 10, 256},
		"brackets":                         {keys("{{" + strings.Repeat("(", 4090) + "." + strings.Repeat(")", 4090) + "}}"), 1 << 10, 2},
		"dots":                             {everyKey("{{.}}"), 10, 0},
		"the dot as JSON":                  {everyKey("{{if toJson .}}{{end}}"), 1 << 10, 256},
		"the dot in print":                 {everyKey("{{if print .}}{{end}}"), 1 << 10, 256},
		"characters as a list":             {everyKey(`{{if splitList "" .AccessToken}}{{end}}`), 32 << 10, 2},
		"characters that are joined":       {everyKey(`{{if splitList "" .AccessToken|join ""}}{{end}}`), 32 << 10, 2},
		"has among characters":             {everyKey(`{{if splitList "" .AccessToken|has .Scope}}{{end}}`), 32 << 10, 2},
		"trimAll of many characters":       {everyKey(`{{if trimAll .Scope .AccessToken}}{{end}}`), 32 << 10, 256},
		"trimAll beyond ASCII":             {everyKey(`{{if replace "x" "é" .AccessToken|trimAll "àáâãäåæçèê"}}{{end}}`), 8 << 10, 256},
		"replace":                          {everyKey(`{{if replace "x" "yy" .AccessToken}}{{end}}`), 64 << 10, 2},
		"indent":                           {everyKey(`{{if replace "x" "\n" .AccessToken|indent 3}}{{end}}`), 32 << 10, 2},
		"printf of many verbs":             {inLoop(`{{if printf "` + strings.Repeat("%d", 1000) + `"}}{{end}}`), 1 << 10, 256},
		"printf of wide verbs":             {everyKey(`{{if printf "` + strings.Repeat("%999[1]d", 20) + `" 1}}{{end}}`), 1 << 10, 2},
		"printf in quotes":                 {everyKey(`{{if printf "%q" .AccessToken}}{{end}}`), 32 << 10, 2},
		"contains":                         {everyKey(`{{if contains "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy" .AccessToken}}{{end}}`), 64 << 10, 2},
	}
	for _, name := range []string{
		"title", "camelcase", "snakecase", "kebabcase", "upper", "lower", "nospace", "b64enc", "b32enc", "sha256sum", "quote", "squote", "html", "js",
		"urlquery", "toJson", "trim", "print", "println", "abbrev 40000", "substr 0 40000", "trunc 40000",
	} {
		all[name+" of long texts"] = hard{everyKey(fmt.Sprintf(call, name)), 32 << 10, 2}
	}
	return all
}

func (h hard) token() *Token {
	tok := token()
	tok.AccessToken = oauth.Secret(strings.Repeat("x", h.size))
	tok.Scopes = slices.Repeat([]string{"a.read"}, h.scopes)
	return tok
}

// TestTarget_TheWorkOfTemplatesIsBounded counts, since a clock says little of a machine that does other things.
func TestTarget_TheWorkOfTemplatesIsBounded(t *testing.T) {
	t.Parallel()
	for name, h := range hardTargets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := execute(h.templates, h.token())
			wantFault(t, err, "is too much work")
			wantFault(t, err, "call fewer functions on long texts, or remove keys")
		})
	}
}

// TestTarget_ALargeTargetIsRendered guards against a bound that a user would meet.
func TestTarget_ALargeTargetIsRendered(t *testing.T) {
	t.Parallel()
	tok := hard{size: 8 << 10, scopes: 64}.token()
	templates := keys(`{"auths":{"x":{"auth":{{printf "%s:%s" .TokenType .AccessToken|b64enc|quote}},"scopes":[{{range .Scopes}}{{if eq . "a.read"}}{{quote .}},{{end}}{{end}}""]}}}`)
	if _, err := execute(templates, tok); err != nil {
		t.Error(err)
	}
	one := hard{size: 64 << 10, scopes: 2}.token()
	if _, err := execute(map[string]egainv1alpha1.Template{"key": `{{.AccessToken|b64enc|quote}}{{printf "Bearer %s" .AccessToken|toJson}}`}, one); err != nil {
		t.Error(err)
	}
}

// BenchmarkWork measures how much of a processor the hardest targets take until they are stopped.
func BenchmarkWork(b *testing.B) {
	for name, h := range hardTargets() {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			tok, before := h.token(), processor(b)
			for b.Loop() {
				if _, err := execute(h.templates, tok); err == nil {
					b.Fatal("it is not stopped")
				}
			}
			b.ReportMetric(float64((processor(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// processor is the time that the process has had of processors.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
