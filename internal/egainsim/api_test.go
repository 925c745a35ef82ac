package egainsim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestTheAPIAnswersAsRFC6750Says(t *testing.T) {
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
	}{
		"a resource of the token's scope": {
			"GET", egainsim.PortalsPath, bearer(token), 200, "",
		},
		"another resource of the token's scope": {
			"HEAD", "/knowledge/portalmgr/v3/portals/1/articles", bearer(token), 200, "",
		},
		"whoami": {
			"GET", "/core/aiservices/v4/whoami", bearer(token), 200, "",
		},
		"a scheme in lower case": {
			"GET", egainsim.PortalsPath, http.Header{"Authorization": {"bearer " + token}}, 200, "",
		},
		"a resource of another scope": {
			"GET", "/core/aiservices/v4/answers", bearer(token), 403, "insufficient_scope",
		},
		"no token": {
			"GET", egainsim.PortalsPath, nil, 401, "invalid_token",
		},
		"an unknown token": {
			"GET", egainsim.PortalsPath, bearer("unknown"), 401, "invalid_token",
		},
		"a revoked token": {
			"GET", egainsim.PortalsPath, bearer(revoked), 401, "invalid_token",
		},
		"a token with a space too many": {
			"GET", egainsim.PortalsPath, http.Header{"Authorization": {"Bearer  " + token}}, 401, "invalid_token",
		},
		"two tokens": {
			"GET", egainsim.PortalsPath, http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, 401, "invalid_token",
		},
		"Basic auth": {
			"GET", egainsim.PortalsPath, http.Header{"Authorization": {"Basic " + token}}, 401, "invalid_token",
		},
		"a token in the URL": {
			"GET", egainsim.PortalsPath + "?access_token=" + token, nil, 400, "invalid_request",
		},
		"a method that the API does not have": {
			"DELETE", egainsim.PortalsPath, bearer(token), 405, "invalid_request",
		},
		"a path that the API does not have": {
			"GET", "/knowledge/portals", bearer(token), 404, "not_found",
		},
		"a path without a version": {
			"GET", "/knowledge/portalmgr/vx/portals", bearer(token), 404, "not_found",
		},
		"a slash too many": {
			"GET", "/" + egainsim.PortalsPath, bearer(token), 404, "not_found",
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
			g.Expect(r.errorCode()).To(gomega.Equal(tc.wantCode))
			if tc.wantStatus == http.StatusUnauthorized || tc.wantStatus == http.StatusForbidden {
				g.Expect(r.header.Get("WWW-Authenticate")).To(gomega.HavePrefix(`Bearer realm="egain", error="` + tc.wantCode + `"`))
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
