package oauth

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// FuzzTokenResponse answers a token request with anything. An @ stands for the client secret, as a gateway that echoes the
// request would show it.
func FuzzTokenResponse(f *testing.F) {
	const secret = canary + "-of-the-client-secret"
	for _, seed := range []string{
		"", "@", `{"access_token":"tok","token_type":"Bearer","expires_in":3600}`, `{"access_token":"tok","expires_in":"3600","scope":"@"}`,
		`{"error":"invalid_client","error_description":"@","error_uri":"https://a/@"}`, `{"error":"@"}`, `{"access_token":"@ "}`, `{"access_token":"t","token_type":"@"}`,
		`{"access_token":"t","expires_in":"@"}`, `{"access_token":"t","expires_in":1e400}`, `{"access_token":["@"]}`, `<html>@</html>`, `{"access_token":"t","refresh_token":"@"`,
		`access_token=tok&expires_in=@`, `error=invalid_grant&error_description=@`, `{"access_token":"eyJ.eyJleHAiOjF9.x"}`, "{\"access_token\":\"t\x00@\"}", strings.Repeat(`{"a":`, 5000),
	} {
		for _, status := range []uint16{200, 204, 301, 400, 401, 429, 503} {
			f.Add([]byte(seed), status, "application/json", "120", false)
		}
		f.Add([]byte(seed), uint16(200), "application/x-www-form-urlencoded", "@", true)
		f.Add([]byte(seed), uint16(400), "@", "Sun, 01 Jan 9999 00:00:00 GMT", false)
	}
	f.Fuzz(func(t *testing.T, body []byte, status uint16, kind, retry string, broke bool) {
		echo := strings.NewReplacer("@", secret)
		answer := echo.Replace(string(body))
		var got Token
		var err error
		var before, after runtime.MemStats
		hc := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			var content io.Reader = strings.NewReader(answer)
			if broke {
				content = io.MultiReader(content, broken{})
			}
			return &http.Response{
				StatusCode: 100 + int(status)%500, Request: req, Body: io.NopCloser(content),
				Header: http.Header{"Content-Type": {echo.Replace(kind)}, "Retry-After": {echo.Replace(retry)}, "Location": {echo.Replace(retry)}},
			}, nil
		})}
		runtime.ReadMemStats(&before)
		got, err = (&Client{Now: fixed}).Token(t.Context(), hc, Request{
			Flow: ClientCredentials, TokenURL: "https://ai.egain.cloud/token", Credentials: Credentials{ClientID: "app", ClientSecret: secret},
		})
		runtime.ReadMemStats(&after)
		if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 4<<20+64*uint64(len(answer)) {
			t.Errorf("%d KiB were allocated for an answer of %d bytes", bytes>>10, len(answer))
		}
		if err == nil {
			if life := got.ExpirationTime.Sub(got.IssueTime); headerSafe(string(got.AccessToken)) != nil || life <= 0 || life > MaxLifetime || got.RefreshToken != "" {
				t.Errorf("a token of %d bytes that lives %s", len(got.AccessToken), life)
			}
			return
		}
		if fault.Of(err) == nil {
			t.Fatalf("the error is not classified: %v", err)
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, canary) || len(err.Error()) > 400 {
			t.Errorf("not fit for a condition: %.500s", text)
		}
	})
}

// broken ends an answer before its end.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
