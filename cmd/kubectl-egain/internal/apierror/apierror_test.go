package apierror

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, time.November, 23, 10, 0, 0, 0, time.UTC)

func answer(status int, body string, header ...string) Answer {
	resp := &http.Response{StatusCode: status, Header: http.Header{}}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return Read(resp, []byte(body), now)
}

func TestCodesInWords(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		what, next string
	}{
		"401-101": {"it is expired or invalid (HTTP 401, code 401-101)", "kubectl egain renew mine --wait"},
		"401-104": {"got no Authorization header: a proxy or gateway on the way removed it (HTTP 401, code 401-104)", "HTTPS_PROXY"},
		"401-012": {"it is stale (HTTP 401, code 401-012)", "kubectl egain renew mine --wait"},
		"403-197": {"lacks the scope for this call (HTTP 403, code 403-197)", "spec.scopes"},
		"403-105": {"lacks a permission for this call (HTTP 403, code 403-105)", "eGain administrator"},
		"403-112": {"lacks a permission for this call (HTTP 403, code 403-112)", "eGain administrator"},
		"403-178": {"lacks a permission for this call (HTTP 403, code 403-178)", "eGain administrator"},
		"403-193": {"lacks a permission for this call (HTTP 403, code 403-193)", "eGain administrator"},
		"403-568": {"lacks a permission for this call (HTTP 403, code 403-568)", "eGain administrator"},
		"429-001": {"too many requests (HTTP 429, code 429-001)", "wait a minute, then try again"},
	}
	for code, tc := range tests {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			status := map[byte]int{'1': 401, '3': 403, '9': 429}[code[2]]
			what, next, known := answer(status, `{"code":"`+code+`","developerMessage":"canary"}`).Explain("mine")
			if !known || !strings.Contains(what, tc.what) || !strings.Contains(next, tc.next) || strings.Contains(what+next, "canary") {
				t.Errorf("got %q and %q, %t", what, next, known)
			}
		})
	}
	if len(tests) != len(meanings) {
		t.Errorf("%d codes are known and %d tested", len(meanings), len(tests))
	}
}

func TestCodesThatAreShown(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body, code string
	}{
		"a code that is not known":        {`{"code":"401-999"}`, "401-999"},
		"after other members":             {`{"developerMessage":{"code":"401-101"},"code":"401-999"}`, "401-999"},
		"of a body that breaks off":       {`{"code":"401-999","developerMessage":"cana`, "401-999"},
		"of a body that is large":         {`{"code":"401-999","developerMessage":"` + strings.Repeat("x", 1<<20) + `"}`, "401-999"},
		"beyond the bound":                {`{"developerMessage":"` + strings.Repeat("x", MaxBody) + `","code":"401-999"}`, ""},
		"of another member":               {`{"error":{"code":"401-101"}}`, ""},
		"a number":                        {`{"code":401}`, ""},
		"of another shape":                {`{"code":"canary"}`, ""},
		"with more after it":              {`{"code":"401-101\n"}`, ""},
		"a list":                          {`["code","401-101"]`, ""},
		"what is not JSON":                {`<html>401-101</html>`, ""},
		"nothing":                         {``, ""},
		"a member that is spelt like one": {`{"Code":"401-101"}`, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := answer(401, tc.body)
			want := "HTTP 401"
			if tc.code != "" {
				want += ", code " + tc.code
			}
			if _, _, known := a.Explain("mine"); a.Code != tc.code || a.String() != want || known {
				t.Errorf("got %q (known: %t), want %q", a, known, want)
			}
		})
	}
	if _, _, known := answer(500, `{"code":"401-101"}`).Explain("mine"); known {
		t.Error("a code of another status is explained")
	}
}

func TestTooManyRequestsNameTheWait(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header     []string
		what, next string
	}{
		"the reset":            {[]string{"X-RateLimit-Reset", "2026-11-23T10:00:41.5Z"}, "(HTTP 429)", "wait 42s, then try again"},
		"the reset as a date":  {[]string{"X-RateLimit-Reset", "2026-11-23 11:01:30", "Date", "Mon, 23 Nov 2026 11:00:00 GMT"}, "(HTTP 429)", "wait 1m30s, then"},
		"Retry-After":          {[]string{"Retry-After", "7"}, "(HTTP 429)", "wait 7s, then"},
		"the limit":            {[]string{"X-RateLimit-Limit", " 100 "}, "requests: it allows 100 a minute (HTTP 429)", "wait a minute"},
		"a limit that is none": {[]string{"X-RateLimit-Limit", "canary"}, "requests (HTTP 429)", "wait a minute"},
		"neither":              {nil, "requests (HTTP 429)", "wait a minute"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			what, next, known := answer(429, `canary`, tc.header...).Explain("mine")
			if !known || !strings.Contains(what, tc.what) || !strings.HasPrefix(next, tc.next) || strings.Contains(what, "canary") {
				t.Errorf("got %q and %q", what, next)
			}
		})
	}
}

func TestHeadKeepsTheBeginning(t *testing.T) {
	t.Parallel()
	var h Head
	body := slices.Repeat([]byte("0123456789"), MaxBody/5)
	if n, err := io.Copy(struct{ io.Writer }{&h}, struct{ io.Reader }{bytes.NewReader(body)}); err != nil || n != int64(len(body)) {
		t.Errorf("%d bytes were taken: %v", n, err)
	}
	if !bytes.Equal(h.Bytes(), body[:MaxBody]) {
		t.Errorf("%d bytes were kept", len(h.Bytes()))
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"code":"401-101"}`, `{"code":"x"`, ``, `{"a":[{}],"code":"429-001"}`, `{"code":"401-101\u0000"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if a := answer(401, string(body)); a.Code != "" && !codeShape.MatchString(a.Code) {
			t.Errorf("shows %q", a.Code)
		}
	})
}
