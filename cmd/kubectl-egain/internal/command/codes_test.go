package command

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/apierror"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/doctor"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// errorBody is one of eGain's API. Its text must not get into a message.
func errorBody(code string) string { return `{"code":"` + code + `","developerMessage":"canary"}` }

func TestCallSaysWhatACodeMeans(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	long := strings.Repeat("x", 2*apierror.MaxBody)
	f.api(func(w http.ResponseWriter, r *http.Request) {
		code := strings.TrimPrefix(r.URL.Path, "/base/")
		status := map[string]int{"401": http.StatusUnauthorized, "403": http.StatusForbidden, "429": http.StatusTooManyRequests}[code[:3]]
		if status == http.StatusTooManyRequests {
			w.Header().Set("X-RateLimit-Limit", "100")
			w.Header().Set("Retry-After", "42")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, errorBody(code)+long)
	})
	tests := map[string][]string{
		"401-101": {"does not accept the token: it is expired or invalid (HTTP 401, code 401-101)", "next:  run kubectl egain renew knowledge-sync --wait"},
		"401-104": {"got no Authorization header", "(HTTP 401, code 401-104)"},
		"401-999": {"does not accept the token (HTTP 401, code 401-999)"},
		"403-197": {"lacks the scope for this call (HTTP 403, code 403-197): the token has the scopes knowledge.portalmgr.manage", "spec.scopes"},
		"403-105": {"lacks a permission for this call (HTTP 403, code 403-105)", "eGain administrator"},
		"403-abc": {"not for this call (HTTP 403): the token has the scopes"},
		"429-001": {"it allows 100 a minute (HTTP 429, code 429-001)", "next:  wait 42s, then try again"},
	}
	for code, said := range tests {
		f.Expect(f.run("call", "knowledge-sync", "/"+code)).To(gomega.Equal(1))
		for _, words := range said {
			f.Expect(f.err.String()).To(gomega.ContainSubstring(words))
		}
		f.Expect(f.err.String()).NotTo(gomega.ContainSubstring("canary"))
		f.Expect(f.out.String()).To(gomega.Equal(errorBody(code)+long), "the whole body is printed")
	}
}

func TestDoctorSaysWhatACodeMeans(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault         egainsim.Fault
		status        doctor.Status
		said, advised string
	}{
		"the token is not accepted": {
			egainsim.Fault{Status: 401, Text: errorBody("401-101")}, doctor.Broken, "it is expired or invalid (HTTP 401, code 401-101)", "kubectl egain renew mine",
		},
		"the header is removed on the way": {
			egainsim.Fault{Status: 401, Text: errorBody("401-104")}, doctor.Broken, "got no Authorization header", "HTTPS_PROXY",
		},
		"the code is not known": {
			egainsim.Fault{Status: 401, Text: errorBody("401-999")}, doctor.Broken, "does not accept the token (HTTP 401, code 401-999)", "kubectl egain renew mine",
		},
		"a permission is missing": {
			egainsim.Fault{Status: 403, Text: errorBody("403-105")}, doctor.Warning, "lacks a permission", "eGain administrator",
		},
		"there are too many requests": {
			egainsim.Fault{Status: 429, Text: errorBody("429-001"), Header: map[string]string{"X-RateLimit-Reset": "42"}}, doctor.Warning, "too many requests", "wait 42s",
		},
		"nothing is at the root": {
			egainsim.Fault{Status: 404, Text: "canary"}, doctor.Warning, "HTTP 404 for /, which does not show whether it accepts the token", "--path",
		},
		"it is a page": {
			egainsim.Fault{Status: 200, Text: "<html>canary</html>", Header: map[string]string{"Content-Type": "text/html"}},
			doctor.Warning, "with an HTML page for /, which does not show whether it accepts the token", "--path",
		},
		"it is a page that passes for JSON": {
			egainsim.Fault{Status: 200, Text: "<!doctype html>canary"}, doctor.Warning, "an HTML page for /", "--path",
		},
		"it answers a request without the token alike": {
			egainsim.Fault{Status: 200, Text: `{"status": "canary"}`}, doctor.Warning, "HTTP 200 for / without the token too", "--path",
		},
		"it redirects": {
			egainsim.Fault{Location: "https://login.egain.invalid/canary"}, doctor.Warning, "HTTP 302 for /, which does not show", "--path",
		},
		"it is down": {
			egainsim.Fault{Status: 503, Text: "canary"}, doctor.Warning, "HTTP 503 for /, which does not show", "--path",
		},
		"it forbids without a code": {
			egainsim.Fault{Status: 403, Text: "canary"}, doctor.Warning, "HTTP 403 for /, which does not show", "--path",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			s.healthy()
			s.sim.SetFault(egainsim.Match{Endpoint: egainsim.UnknownEndpoint}, tc.fault)
			report, r := s.diagnose("--no-request")
			f := finding(report, "API")
			s.Expect(f.Status).To(gomega.Equal(tc.status), r.stdout)
			s.Expect(f.Message).To(gomega.ContainSubstring(tc.said))
			s.Expect(f.Advice).To(gomega.ContainSubstring(tc.advised))
			s.Expect(r.stdout + r.stderr).NotTo(gomega.ContainSubstring("canary"))
		})
	}
}

// portals is a path of the simulator's API that the scope of the tests' tokens opens.
const portals = "/knowledge/portalmgr/v4/portals"

func TestDoctorCallsTheAPIWithTheTokenInTheTarget(t *testing.T) {
	t.Parallel()
	t.Run("and a path that needs the token shows that it is accepted", func(t *testing.T) {
		t.Parallel()
		s := newSimulated(t)
		s.healthy()
		report, r := s.diagnose("--no-request", "--path", portals+"?$lang=en-US")
		s.Expect(r.code).To(gomega.Equal(0), r.stdout)
		f := finding(report, "API")
		s.Expect(f.Status).To(gomega.Equal(doctor.OK), r.stdout)
		s.Expect(f.Message).To(gomega.HaveSuffix("accepts the token (HTTP 200 for " + portals + ", 401 without it)"))
	})
	t.Run("and one that was revoked at eGain breaks the chain", func(t *testing.T) {
		t.Parallel()
		s := newSimulated(t)
		s.healthy()
		s.sim.RevokeAll(egainsim.RigelClientID)
		report := s.expectBreak("API", "does not accept the token: it is expired or invalid (HTTP 401, code 401-101)", "kubectl egain renew mine", "--path", portals)
		s.Expect(finding(report, "Target").Status).To(gomega.Equal(doctor.OK))
	})
	for _, path := range []string{"portals", "https://other.example/", "//other.example/", "", "/%zz"} {
		t.Run("and nowhere for "+path, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			r := s.run("doctor", "mine", "--path", path)
			s.Expect(r.code).To(gomega.Equal(2))
			s.Expect(r.stderr).To(gomega.ContainSubstring("is not an API path: use one such as " + portals))
		})
	}
}
