package egainsim_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func newAdmin(t *testing.T, w *world) *egainsim.AdminClient {
	t.Helper()
	admin, err := egainsim.NewAdminClient(w.Describe())
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

func TestAnAdminClientDrivesTheSimulator(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	admin, ctx := newAdmin(t, w), t.Context()
	target := w.Rigel().TokenURL(egainsim.Client)

	g.Expect(admin.SetFault(ctx, egainsim.Match{Endpoint: egainsim.TokenEndpoint},
		egainsim.Fault{Status: 503, RetryAfter: 7 * time.Second})).To(gomega.Succeed())
	faulty := w.post(t, target, rigelForm())
	g.Expect(faulty.status).To(gomega.Equal(http.StatusServiceUnavailable))
	g.Expect(faulty.header.Get("Retry-After")).To(gomega.Equal("7"))
	g.Expect(admin.ClearFaults(ctx)).To(gomega.Succeed())

	g.Expect(admin.SetLifetime(ctx, "", 2*time.Minute)).To(gomega.Succeed())
	g.Expect(w.post(t, target, rigelForm()).json).To(gomega.HaveKeyWithValue("expires_in", float64(120)))
	g.Expect(admin.SetLifetime(ctx, egainsim.RigelTenantID, time.Minute)).To(gomega.Succeed())
	g.Expect(w.post(t, target, rigelForm()).json).To(gomega.HaveKeyWithValue("expires_in", float64(60)))

	g.Expect(admin.AddSecret(ctx, egainsim.RigelClientID, "new")).To(gomega.Succeed())
	g.Expect(w.post(t, target, with(rigelForm(), "client_secret", "new")).status).To(gomega.Equal(http.StatusOK))
	g.Expect(admin.RemoveSecret(ctx, egainsim.RigelClientID, "new")).To(gomega.Succeed())
	g.Expect(w.post(t, target, with(rigelForm(), "client_secret", "new")).status).To(gomega.Equal(http.StatusUnauthorized))

	stats, err := admin.Stats(ctx)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(stats).To(gomega.Equal(w.Stats()))
	g.Expect(stats.Of(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "ok")).To(gomega.Equal(3))
	requests, err := admin.Requests(ctx)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(requests).To(gomega.Equal(w.Requests()))
	g.Expect(admin.ClearRecord(ctx)).To(gomega.Succeed())
	g.Expect(w.Requests()).To(gomega.BeEmpty())
}

func TestAnAdminClientRevokesAndIntrospects(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	admin, ctx := newAdmin(t, w), t.Context()
	token := w.rigelToken(t)
	w.rigelToken(t)

	introspection, err := admin.Introspect(ctx, "no token of ours", token)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(introspection).To(gomega.Equal([]egainsim.Introspection{{}, w.Introspect(token)}))
	g.Expect(introspection[1].Active).To(gomega.BeTrue())

	revoked, err := admin.RevokeToken(ctx, token)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(revoked).To(gomega.BeTrue())
	revoked, err = admin.RevokeToken(ctx, token)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(revoked).To(gomega.BeFalse())
	count, err := admin.RevokeAll(ctx, egainsim.RigelClientID)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(count).To(gomega.Equal(1))
}

func TestAnAdminClientAddsWhatIsMissing(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	admin, ctx := newAdmin(t, w), t.Context()
	p := &idp{key: newECKey(t)}
	g.Expect(admin.RegisterProvider(ctx, registrationID, providerIssuer, providerAudience, p.jwks(),
		map[string]string{"system:serviceaccount:team-a:*": "agent.smith"})).To(gomega.Succeed())
	r := w.exchange(t, p.token(t, "system:serviceaccount:team-a:sync"))
	g.Expect(w.Introspect(r.token(t)).Subject).To(gomega.Equal("agent.smith"))

	described, err := admin.AddTenant(ctx, egainsim.TenantConfig{ID: "TMLATER", Platform: egainsim.Rigel})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(described.TokenURLs).To(gomega.HaveKeyWithValue(egainsim.Client, w.Tenant("TMLATER").TokenURL(egainsim.Client)))
	g.Expect(admin.AddClient(ctx, "TMLATER", egainsim.ClientApp{ID: "later", Secrets: []string{"word"}})).To(gomega.Succeed())
	asked := w.post(t, described.TokenURLs[egainsim.Client], with(rigelForm(), "client_id", "later", "client_secret", "word"))
	g.Expect(asked.status).To(gomega.Equal(http.StatusOK))

	subjects, err := admin.Subjects(ctx)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(subjects).To(gomega.HaveKeyWithValue(egainsim.RigelTenantID, gomega.Equal(egainsim.DefaultSubjects())))

	g.Expect(admin.SetClockSkew(ctx, -30*time.Second)).To(gomega.Succeed())
	g.Expect(w.Introspect(w.rigelToken(t)).IssuedAt).To(gomega.Equal(start.Add(-30 * time.Second).Unix()))

	g.Expect(admin.SetCertificate(ctx, egainsim.Certificate{Untrusted: true})).To(gomega.Succeed())
	g.Eventually(func() error {
		_, err := w.try(newRequest(t, http.MethodGet, w.RootMetadataURL(), ""))
		return err
	}).Should(gomega.MatchError(gomega.ContainSubstring("unknown authority")))
	late, err := egainsim.NewAdminClient(w.Describe())
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(late.SetCertificate(ctx, egainsim.Certificate{})).To(gomega.Succeed(), "administration goes on, to mend it")
}

func TestAdministrationRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		method, path, body string
		wantStatus         int
	}{
		"an unknown operation":          {"POST", "unknown", "{}", 404},
		"another method":                {"PUT", "faults", "{}", 404},
		"no JSON":                       {"POST", "faults", "status=503", 400},
		"an unknown field":              {"POST", "faults", `{"fault":{"stauts":503}}`, 400},
		"an unknown label":              {"POST", "faults", `{"match":{"tennant":"x"}}`, 400},
		"a lifetime that is none":       {"POST", "lifetime", `{"lifetime":"-1s"}`, 400},
		"a lifetime of nobody":          {"POST", "lifetime", `{"tenant":"x","lifetime":"1m"}`, 400},
		"a secret of nobody":            {"POST", "secrets", `{"clientID":"x","add":["y"]}`, 400},
		"a secret that is none":         {"POST", "secrets", `{"clientID":"rigel-app","remove":["y"]}`, 400},
		"a provider without keys":       {"POST", "providers", `{"registrationID":"a","issuer":"b","audience":"c","jwks":{"keys":[]}}`, 400},
		"a subject that maps to nobody": {"POST", "providers", `{"subjects":{"a":""}}`, 400},
		"revoking nothing":              {"POST", "revoke", `{}`, 400},
		"revoking two things":           {"POST", "revoke", `{"token":"a","clientID":"b"}`, 400},
		"a tenant that exists":          {"POST", "tenants", `{"id":"` + egainsim.RigelTenantID + `","platform":"Rigel"}`, 400},
		"a client of nobody":            {"POST", "clients", `{"tenant":"x","client":{"id":"y"}}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := newRequest(t, tc.method, w.LoginURL()+"/_sim/"+tc.path, tc.body)
			request.Header = bearer(w.AdminToken())
			r := w.do(t, request)
			gomega.NewWithT(t).Expect(r.status).To(gomega.Equal(tc.wantStatus), string(r.body))
		})
	}
}

func TestAdministrationIsNotOpenAndNotPartOfEGain(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	g.Expect(w.get(t, w.LoginURL()+"/_sim/stats", "").status).To(gomega.Equal(http.StatusUnauthorized))
	g.Expect(w.get(t, w.LoginURL()+"/_sim/stats", "guess").status).To(gomega.Equal(http.StatusUnauthorized))
	g.Expect(w.get(t, w.APIURL()+"/_sim/stats", w.AdminToken()).status).To(gomega.Equal(http.StatusNotFound))
	w.ClearRecord()

	w.SetFault(egainsim.Match{}, egainsim.Fault{Status: 500})
	g.Expect(w.get(t, w.LoginURL()+"/_sim/stats", w.AdminToken()).status).To(gomega.Equal(http.StatusOK))
	g.Expect(w.Requests()).To(gomega.BeEmpty())

	stranger := w.Describe()
	stranger.AdminToken = "guess"
	admin, err := egainsim.NewAdminClient(stranger)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	_, err = admin.Stats(t.Context())
	g.Expect(err).To(gomega.MatchError(gomega.And(gomega.ContainSubstring("401"), gomega.ContainSubstring("administration token"))))
}

func TestADescriptionIsReadBack(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	directory := t.TempDir()
	_, err := egainsim.ReadDescription(filepath.Join(directory, "absent"))
	g.Expect(err).To(gomega.MatchError(os.ErrNotExist))
	broken := filepath.Join(directory, "broken")
	g.Expect(os.WriteFile(broken, []byte("{"), 0o600)).To(gomega.Succeed())
	_, err = egainsim.ReadDescription(broken)
	g.Expect(err).To(gomega.HaveOccurred())
	_, err = egainsim.NewAdminClient(egainsim.Description{})
	g.Expect(err).To(gomega.HaveOccurred())
}
