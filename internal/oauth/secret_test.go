package oauth

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
)

const secret Secret = canary

// hex is the secret as %x and %X would show it.
const hex = "63616e617279"

func wantRedacted(t *testing.T, how, printed string) {
	t.Helper()
	lower := strings.ToLower(printed)
	if strings.Contains(lower, canary) || strings.Contains(strings.ReplaceAll(lower, " ", ""), hex) || strings.Contains(lower, "99 97 110") {
		t.Errorf("%s shows the secret: %s", how, printed)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	holder := struct {
		Secret  Secret
		Pointer *Secret
		List    []Secret
		ByName  map[Secret]Secret
	}{secret, new(secret), []Secret{secret}, map[Secret]Secret{secret: secret}}
	values := map[string]any{
		"a secret": secret, "a pointer": new(secret), "a list": []Secret{secret}, "a map": map[string]Secret{"a": secret},
		"a struct": holder, "a pointer to a struct": &holder, "credentials": Credentials{"app", secret},
		"a request": Request{Credentials: Credentials{"app", secret}, Exchange: Exchange{SubjectToken: secret}},
		"a session": Session{Code: secret, Verifier: secret, RefreshToken: secret},
		"a token":   &Token{AccessToken: secret, RefreshToken: secret},
		"an error":  fmt.Errorf("%w: %v", errors.New("wrong"), secret),
	}
	// Verbs that do not fit, as %d, print the operand as it is unless the type says how. %p is left to go vet.
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%#q", "%x", "%X", "% x", "%#x", "%d", "%t", "%c", "%U", "%e", "%o", "%b", "%10s", "%.3s", "%-50v", "%!", "%T"}
	for name, value := range values {
		for _, verb := range verbs {
			wantRedacted(t, name+" with "+verb, fmt.Sprintf(verb, value))
		}
		wantRedacted(t, name+" too many", fmt.Sprintf("%s", []any{"a", value}...))
		wantRedacted(t, name+" as a width", fmt.Sprintf("%*d", value, 1))
		wantRedacted(t, name+" with Sprint", fmt.Sprint(value))
		wantRedacted(t, name+" with Sprintln", fmt.Sprintln("a", value))
	}
	wantRedacted(t, "String", secret.String())
	wantRedacted(t, "GoString", secret.GoString())
	if got := fmt.Sprint(secret); got != redacted {
		t.Errorf("a secret prints as %q, want %q", got, redacted)
	}
	if string(secret) != canary {
		t.Error("a secret does not convert to its value")
	}
}

func TestSecretsDoNotEncode(t *testing.T) {
	t.Parallel()
	holder := map[string]any{
		"secret": secret, "credentials": Credentials{"app", secret}, "token": Token{AccessToken: secret, RefreshToken: secret},
		"session": Session{Code: secret, Verifier: secret, RefreshToken: secret},
		"list":    []Secret{secret}, "pointer": new(secret),
	}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatalf("encoding as JSON: %v", err)
	}
	wantRedacted(t, "JSON", string(encoded))
	if !bytes.Contains(encoded, []byte(redacted)) {
		t.Errorf("JSON is %s, want it to say that something is redacted", encoded)
	}
	if encoded, err = xml.Marshal(Credentials{"app", secret}); err != nil {
		t.Fatalf("encoding as XML: %v", err)
	}
	wantRedacted(t, "XML", string(encoded))
}

func TestSecretsDoNotLog(t *testing.T) {
	t.Parallel()
	pairs := []any{"secret", secret, "credentials", Credentials{"app", secret}, "token", &Token{AccessToken: secret, RefreshToken: secret}, "list", []Secret{secret}, "request", Request{Session: Session{secret, secret, secret, ""}}}
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("Logged", pairs...)
	}
	write := func(line string) { fmt.Fprintln(&out, line) }
	funcr.NewJSON(write, funcr.Options{}).Info("Logged", pairs...)
	funcr.New(func(prefix, args string) { write(prefix + args) }, funcr.Options{}).WithValues(pairs...).Info("Logged")
	if n := strings.Count(out.String(), "Logged"); n != 4 {
		t.Fatalf("%d loggers wrote, want 4: %s", n, &out)
	}
	wantRedacted(t, "a logger", out.String())
}
