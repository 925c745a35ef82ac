package egainsim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestTheAPIAnswersAsRFC6750SaysWithEGainsCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.rigelToken(t)
	revoked := w.rigelToken(t)
	w.RevokeToken(revoked)
	for name, tc := range map[string]struct {
		method     string
		path       string
		header     http.Header
		wantStatus int
		wantCode   string
		wantError  string
	}{
		"a resource of the token's scope": {
			"GET", egainsim.PortalsPath, bearer(token), 200, "", "",
		},
		"another resource of the token's scope": {
			"HEAD", "/knowledge/portalmgr/v3/portals/1/articles", bearer(token), 200, "", "",
		},
		"whoami": {
			"GET", "/core/aiservices/v4/whoami", bearer(token), 200, "", "",
		},
		"a scheme in lower case": {
			"GET", egainsim.PortalsPath, http.Header{"Authorization": {"bearer " + token}}, 200, "", "",
		},
		"a resource of another scope": {
			"GET", "/core/aiservices/v4/answers", bearer(token), 403, "403-197", "insufficient_scope",
		},
		"no token": {
			"GET", egainsim.PortalsPath, nil, 401, "401-104", "invalid_token",
		},
		"an unknown token": {
			"GET", egainsim.PortalsPath, bearer("unknown"), 401, "401-101", "invalid_token",
		},
		"a revoked token": {
			"GET", egainsim.PortalsPath, bearer(revoked), 401, "401-101", "invalid_token",
		},
		"a token with a space too many": {
			"GET", egainsim.PortalsPath, http.Header{"Authorization": {"Bearer  " + token}}, 401, "401-101", "invalid_token",
		},
		"two tokens": {
			"GET", egainsim.PortalsPath, http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, 401, "401-101", "invalid_token",
		},
		"Basic auth": {
			"GET", egainsim.PortalsPath, http.Header{"Authorization": {"Basic " + token}}, 401, "401-101", "invalid_token",
		},
		"a token in the URL": {
			"GET", egainsim.PortalsPath + "?access_token=" + token, nil, 400, "400", "",
		},
		"a method that the API does not have": {
			"DELETE", egainsim.PortalsPath, bearer(token), 405, "405", "",
		},
		"a path that the API does not have": {
			"GET", "/knowledge/portals", bearer(token), 404, "not_found", "",
		},
		"a path without a version": {
			"GET", "/knowledge/portalmgr/vx/portals", bearer(token), 404, "not_found", "",
		},
		"a slash too many": {
			"GET", "/" + egainsim.PortalsPath, bearer(token), 404, "not_found", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			request := newRequest(t, tc.method, w.APIURL()+tc.path, "")
			if tc.header != nil {
				request.Header = tc.header
			}
			r := w.do(t, request)
			g.Expect(r.status).To(gomega.Equal(tc.wantStatus), string(r.body))
			if tc.wantCode == "not_found" {
				g.Expect(r.errorCode()).To(gomega.Equal(tc.wantCode), "there is no API at this path")
				return
			}
			if tc.wantCode != "" {
				g.Expect(r.json).To(gomega.And(gomega.HaveLen(2), gomega.HaveKeyWithValue("code", tc.wantCode),
					gomega.HaveKeyWithValue("developerMessage", gomega.Not(gomega.BeEmpty()))))
			}
			if tc.wantError != "" {
				g.Expect(r.header.Get("WWW-Authenticate")).To(gomega.HavePrefix(`Bearer realm="egain", error="` + tc.wantError + `"`))
			}
		})
	}
}

func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

func TestTheAPIIsNotOnTheLoginHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gomega.NewWithT(t).Expect(w.get(t, w.LoginURL()+egainsim.PortalsPath, w.rigelToken(t)).status).To(gomega.Equal(http.StatusNotFound))
}

func TestTheAPIRefusesATokenOnceItHasExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	token := w.rigelToken(t)
	w.clock.SetTime(start.Add(time.Hour - time.Second))
	g.Expect(w.get(t, w.APIURL()+egainsim.PortalsPath, token).status).To(gomega.Equal(http.StatusOK))
	w.clock.SetTime(start.Add(time.Hour))
	g.Expect(w.get(t, w.APIURL()+egainsim.PortalsPath, token).status).To(gomega.Equal(http.StatusUnauthorized))
	g.Expect(w.Introspect(token)).To(gomega.Equal(egainsim.Introspection{}))
}

func TestAClockThatIsWrongDatesEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	w.SetClockSkew(-30 * time.Second)
	r := w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm())
	g.Expect(r.header.Get("Date")).To(gomega.Equal(start.Add(-30 * time.Second).Format(http.TimeFormat)))
	g.Expect(w.Introspect(r.token(t)).IssuedAt).To(gomega.Equal(start.Add(-30 * time.Second).Unix()))
	w.SetClockSkew(0)
	g.Expect(w.Introspect(r.token(t)).ExpiresAt).To(gomega.Equal(start.Add(time.Hour - 30*time.Second).Unix()))
}
