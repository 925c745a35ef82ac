package oauth

import (
	"encoding/base64"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

func BenchmarkValidate(b *testing.B) {
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://ai.egain.cloud","sub":"app","exp":1795518000,"scope":"knowledge.portalmgr.manage"}`))
	issue := time.Date(2026, time.November, 24, 10, 0, 0, 0, time.UTC)
	tok := &oauth2.Token{AccessToken: "eyJhbGciOiJSUzI1NiJ9." + claims + ".c2lnbmF0dXJl", TokenType: "Bearer", ExpiresIn: 3600}
	asked := []string{"knowledge.portalmgr.manage"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := validateToken(tok, asked, issue, time.Time{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseMetadata(b *testing.B) {
	document := []byte(`{"issuer":"https://ai.egain.cloud/tenant1","authorization_endpoint":"https://ai.egain.cloud/authorize","token_endpoint":"https://ai.egain.cloud/token","scopes_supported":["a","b"]}`)
	const from = "https://ai.egain.cloud/.well-known/oauth-authorization-server/tenant1"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseMetadata(document, from); err != nil {
			b.Fatal(err)
		}
	}
}
