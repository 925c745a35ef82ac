package refusal

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestUnquoted(t *testing.T) {
	t.Parallel()
	const long, short = "a-value-of-a-secret-that-is-long", "short"
	data := map[string][]byte{"access_token": []byte(short), "other": []byte("word"), "whole": []byte(long)}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"nothing quoted":                     {apierrors.NewBadRequest("no such word"), "no such word"},
		"a value as it is":                   {apierrors.NewBadRequest("bad " + long), "(the message quotes the Secret and is not shown)"},
		"a value as the API has it":          {apierrors.NewBadRequest("bad " + base64.StdEncoding.EncodeToString([]byte(long))), "(the message quotes the Secret and is not shown)"},
		"a short value of a key that counts": {apierrors.NewBadRequest("bad short"), "(the message quotes the Secret and is not shown)"},
		"another kind of error":              {errors.New("bad " + long), "(the message quotes the Secret and is not shown)"},
		"a webhook that says which it is":    {apierrors.NewBadRequest(`admission webhook "policy.example.com" denied the request: ` + long), `admission webhook "policy.example.com" denied the request: (the message quotes the Secret and is not shown)`},
		"a webhook whose name is the value":  {apierrors.NewBadRequest(`admission webhook "` + long + `" denied the request: x`), "(the message quotes the Secret and is not shown)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Unquoted(tc.err, data, "access_token")
			if got.Error() != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if apierrors.IsBadRequest(tc.err) != apierrors.IsBadRequest(got) {
				t.Error("the kind of refusal was lost")
			}
			if strings.Contains(got.Error(), long) {
				t.Error("the value is shown")
			}
		})
	}
	if Unquoted(nil, data) != nil {
		t.Error("no error became one")
	}
}

func TestAnotherObject(t *testing.T) {
	t.Parallel()
	cause := func(field string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: field}}}}}
	}
	for err, want := range map[error]bool{cause("metadata.uid"): true, cause("data"): false, errors.New("metadata.uid"): false, &apierrors.StatusError{}: false} {
		if got := AnotherObject(err); got != want {
			t.Errorf("%v: got %t", err, got)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"of the API server":         {apierrors.NewBadRequest("no such word"), "no such word"},
		"of the API server, within": {errors.Join(errors.New("writing"), apierrors.NewBadRequest("no such word")), "no such word"},
		"of another":                {errors.New("connection refused"), ""},
		"of none":                   {nil, ""},
		"at the bound":              {apierrors.NewBadRequest(strings.Repeat("x", MaxText)), strings.Repeat("x", MaxText)},
		"past the bound":            {apierrors.NewBadRequest(strings.Repeat("x", MaxText) + "y"), strings.Repeat("x", MaxText)},
		"past the bound in a rune":  {apierrors.NewBadRequest(strings.Repeat("x", MaxText-1) + "ä"), strings.Repeat("x", MaxText-1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Text(tc.err); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
