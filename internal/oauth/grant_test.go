package oauth

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNotGranted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ asked, granted, want string }{
		"all":                         {"a b", "b a", ""},
		"one of two":                  {"a b", "a", "b"},
		"none":                        {"a", "", "a"},
		"without the prefix":          {"https://x/auth/a https://x/auth/b", "a", "https://x/auth/b"},
		"with a prefix that was none": {"a", "https://x/auth/a", ""},
		"offline_access":              {"a offline_access openid", "a", "openid"},
		"all that there are":          {"https://x/auth/.default", "https://x/auth/a", ""},
		"the end of another name":     {"portal.read", "al.read", "portal.read"},
	} {
		got := NotGranted(strings.Fields(tc.asked), strings.Fields(tc.granted))
		if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
