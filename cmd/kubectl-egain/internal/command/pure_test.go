package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	const base = "https://api.egain.test/v4"
	tests := map[string]struct{ base, path, want string }{
		"a path is put after the base":  {base, "/portals", "https://api.egain.test/v4/portals"},
		"a path without a slash too":    {base, "portals", "https://api.egain.test/v4/portals"},
		"a query stays":                 {base, "/portals?$lang=en-US&a=%20", "https://api.egain.test/v4/portals?$lang=en-US&a=%20"},
		"an escaped character stays":    {base, "/portals/a%2Fb", "https://api.egain.test/v4/portals/a%2Fb"},
		"a slash at the end stays":      {base, "/portals/", "https://api.egain.test/v4/portals/"},
		"dots do not leave the host":    {base, "../../../x", "https://api.egain.test/x"},
		"a whole URL of the host":       {base, "https://API.egain.test:443/v5/x?y=1#z", "https://API.egain.test:443/v5/x?y=1"},
		"another host":                  {base, "https://evil.test/v4", ""},
		"another port":                  {base, "https://api.egain.test:8443/v4", ""},
		"a host that begins alike":      {base, "https://api.egain.test.evil.test/", ""},
		"the host as a user":            {base, "https://api.egain.test@evil.test/", ""},
		"a user at the host":            {base, "https://me@api.egain.test/", ""},
		"plain http":                    {base, "http://api.egain.test/v4", ""},
		"a host without a scheme":       {base, "//evil.test/v4", ""},
		"another scheme":                {base, "file:///etc/passwd", ""},
		"no host at all":                {base, "https:x", ""},
		"what is no URL":                {base, "/%zz", ""},
		"an API URL that is missing":    {"", "/x", ""},
		"an API URL that is plain http": {"http://api.egain.test", "/x", ""},
		"an API URL that is nonsense":   {"://", "/x", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := resolve(test.base, test.path)
			switch {
			case test.want == "" && err == nil:
				t.Errorf("resolve(%q) = %s, want it refused", test.path, got)
			case test.want != "" && (err != nil || got.String() != test.want):
				t.Errorf("resolve(%q) = %v, %v, want %s", test.path, got, err, test.want)
			}
		})
	}
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	resource := schema.GroupResource{Group: "auth.egain.com", Resource: "egainclients"}
	tests := map[string]struct {
		err  error
		want string
	}{
		"a word of our own":      {advise(errors.New("x"), "do this"), "do this"},
		"a wrapped one":          {fmt.Errorf("y: %w", advise(errors.New("x"), "do this")), "do this"},
		"a command line":         {usagef("x"), "see kubectl egain x --help"},
		"no CRD":                 {&meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "auth.egain.com", Kind: "EgainClient"}}, "install the CRDs of egain-operator in this cluster, or choose another with --context"},
		"no permission":          {apierrors.NewForbidden(resource, "x", nil), "ask an administrator of the cluster for this permission, or choose another user with --as or --context"},
		"a login that has ended": {apierrors.NewUnauthorized("x"), "log in to the cluster again, or choose other credentials with --context"},
		"a conflict":             {apierrors.NewConflict(resource, "x", nil), "the object was changed at the same time: try again"},
		"a refusal":              {apierrors.NewBadRequest("x"), "correct what the API server does not accept"},
		"no time left":           {context.DeadlineExceeded, "try again, with a longer --timeout if the command has one"},
		"a cluster that is busy": {apierrors.NewServiceUnavailable("x"), "check with kubectl cluster-info that the cluster answers, and that it is the right one"},
		"anything else":          {errors.New("x"), "see kubectl egain x --help, and kubectl egain status"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.err
			if _, usage := errors.AsType[usageError](err); !usage {
				err = ranError{err}
			}
			if got := advice(err, "kubectl egain x"); got != test.want {
				t.Errorf("advice = %q, want %q", got, test.want)
			}
		})
	}
}

func TestLocales(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		env  map[string]string
		want bool
	}{
		"UTF-8":                        {map[string]string{"LANG": "en_US.UTF-8"}, true},
		"as others write it":           {map[string]string{"LANG": "C.utf8"}, true},
		"another":                      {map[string]string{"LANG": "de_DE.ISO-8859-1"}, false},
		"none":                         {nil, false},
		"the first that is set wins":   {map[string]string{"LC_ALL": "C", "LANG": "en_US.UTF-8"}, false},
		"the category before the rest": {map[string]string{"LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := isUTF8(func(name string) string { return test.env[name] }); got != test.want {
				t.Errorf("isUTF8 = %t, want %t", got, test.want)
			}
		})
	}
}

func TestWhatIsNoTerminalShowsNothingOfOne(t *testing.T) {
	t.Parallel()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	colourful := func(name string) string { return map[string]string{"LANG": "C.UTF-8", "TERM": "xterm"}[name] }
	if got := screenOf(file, colourful); got != (screen{}) {
		t.Errorf("a file is taken for the screen %+v", got)
	}
	if got := screenOf(&bytes.Buffer{}, colourful); got != (screen{}) {
		t.Errorf("a buffer is taken for the screen %+v", got)
	}
	if width, height := (screen{}).size(); width != 0 || height != 0 {
		t.Errorf("the size of no terminal is %d×%d", width, height)
	}
}
