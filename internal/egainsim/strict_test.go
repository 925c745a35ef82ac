package egainsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestTokenRequestsThatAreNotAsDocumentedAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rigel, commercial := w.Rigel(), w.Commercial()
	userURL, customerURL := rigel.TokenURL(egainsim.User), rigel.TokenURL(egainsim.Customer)
	obo := rigelCredentials("grant_type", "password", "scope", "knowledge.portalmgr.onbehalfof.manage")
	commercialForm := commercialCredentials("grant_type", "client_credentials",
		"scope", commercial.Scope("knowledge.portalmgr.manage"))
	commercialOBO := commercialCredentials("grant_type", "password",
		"scope", commercial.Scope("knowledge.portalmgr.onbehalfof.manage"), "subject_username", "agent.smith")
	anonymous := form("grant_type", "client_credentials", "scope", "knowledge.portalmgr.read")
	rigelAnonymous := w.APIURL() + "/core/authmgr/v3/oauth2/v2.0/anonymous/token"
	commercialAnonymous := w.LoginURL() + "/internal/oauth2/v2.0/anonymous/token"
	commercialOBOPath := w.APIURL() + "/core/authmgr/v4/oauth2/v2.0/onbehalfof/token"
	for name, tc := range map[string]struct {
		url        string
		form       url.Values
		wantStatus int
		wantCode   string
	}{
		"no grant type": {
			userURL, with(rigelForm(), "grant_type", ""), 400, "invalid_request",
		},
		"an unknown grant type": {
			userURL, with(rigelForm(), "grant_type", "implicit"), 400, "unsupported_grant_type",
		},
		"client credentials at the customers' endpoint": {
			customerURL, rigelForm(), 400, "unsupported_grant_type",
		},
		"client credentials at a commercial user policy": {
			commercial.TokenURL(egainsim.User), commercialForm, 400, "unsupported_grant_type",
		},
		"on behalf of at the commercial client endpoint": {
			commercial.TokenURL(egainsim.Client), commercialOBO, 400, "unsupported_grant_type",
		},
		"client credentials at the on-behalf-of endpoint": {
			commercial.OnBehalfOfTokenURL(egainsim.User), commercialForm, 400, "unsupported_grant_type",
		},
		"no client id": {
			userURL, with(rigelForm(), "client_id", ""), 401, "invalid_client",
		},
		"no client secret": {
			userURL, with(rigelForm(), "client_secret", ""), 401, "invalid_client",
		},
		"an unknown client": {
			userURL, with(rigelForm(), "client_id", "nobody"), 401, "invalid_client",
		},
		"a wrong secret": {
			userURL, with(rigelForm(), "client_secret", "wrong"), 401, "invalid_client",
		},
		"a secret with a newline, as files have it": {
			userURL, with(rigelForm(), "client_secret", egainsim.RigelClientSecret+"\n"), 401, "invalid_client",
		},
		"a client of another tenant": {
			userURL, with(commercialForm, "scope", "knowledge.portalmgr.manage"), 401, "invalid_client",
		},
		"no scope": {
			userURL, with(rigelForm(), "scope", ""), 400, "invalid_scope",
		},
		"an unknown scope": {
			userURL, with(rigelForm(), "scope", "knowledge.portalmgr.mange"), 400, "invalid_scope",
		},
		"a good scope and an unknown one": {
			userURL, with(rigelForm(), "scope", "knowledge.portalmgr.manage nonsense"), 400, "invalid_scope",
		},
		"scopes two spaces apart": {
			userURL, with(rigelForm(), "scope", "knowledge.portalmgr.manage  core.aiservices.read"), 400, "invalid_scope",
		},
		"scopes with a comma": {
			userURL, with(rigelForm(), "scope", "knowledge.portalmgr.manage,core.aiservices.read"), 400, "invalid_scope",
		},
		"a delegated scope for client credentials": {
			userURL, with(rigelForm(), "scope", "knowledge.portalmgr.read"), 400, "invalid_scope",
		},
		"an on-behalf-of scope for client credentials": {
			userURL, with(rigelForm(), "scope", "knowledge.portalmgr.onbehalfof.manage"), 400, "invalid_scope",
		},
		"a prefixed scope on Rigel": {
			userURL, with(rigelForm(), "scope", commercial.Scope("knowledge.portalmgr.manage")), 400, "invalid_scope",
		},
		"every scope on Rigel": {
			userURL, with(rigelForm(), "scope", ".default"), 400, "invalid_scope",
		},
		"a scope without the prefix on commercial": {
			commercial.TokenURL(egainsim.Client), with(commercialForm, "scope", "knowledge.portalmgr.manage"),
			400, "invalid_scope",
		},
		"every scope and one more on commercial": {
			commercial.TokenURL(egainsim.Client),
			with(commercialForm, "scope", commercial.Scope(".default")+" "+commercial.Scope("core.aiservices.read")),
			400, "invalid_scope",
		},
		"every scope on behalf of a user": {
			commercial.OnBehalfOfTokenURL(egainsim.User), with(commercialOBO, "scope", commercial.Scope(".default")),
			400, "invalid_scope",
		},
		"on behalf of nobody": {
			userURL, obo, 400, "invalid_request",
		},
		"on behalf of a user with a name and an id": {
			userURL, with(obo, "subject_username", "agent.smith", "subject_userid", "10001"), 400, "invalid_request",
		},
		"on behalf of a user with a password": {
			userURL, with(obo, "subject_username", "agent.smith", "password", "x"), 400, "invalid_request",
		},
		"on behalf of a user as the password grant has it": {
			userURL, with(obo, "username", "agent.smith", "password", "x"), 400, "invalid_request",
		},
		"on behalf of a customer at the users' endpoint": {
			userURL, with(obo, "subject_email", "customer@example.com"), 400, "invalid_request",
		},
		"on behalf of a user at the customers' endpoint": {
			customerURL, with(obo, "subject_username", "agent.smith"), 400, "invalid_request",
		},
		"on behalf of an unknown user": {
			userURL, with(obo, "subject_username", "agent.smyth"), 400, "invalid_grant",
		},
		"on behalf of a user whose id is taken for a name": {
			userURL, with(obo, "subject_username", "10001"), 400, "invalid_grant",
		},
		"on behalf of an unknown customer": {
			customerURL, with(obo, "subject_email", "agent.smith"), 400, "invalid_grant",
		},
		"an application scope on behalf of a user": {
			userURL, with(obo, "subject_username", "agent.smith", "scope", "knowledge.portalmgr.manage"),
			400, "invalid_scope",
		},
		"no scope on behalf of a user": {
			userURL, with(obo, "subject_username", "agent.smith", "scope", ""), 400, "invalid_scope",
		},
		"an anonymous customer with a client id only": {
			rigel.AnonymousTokenURL(), with(anonymous, "client_id", "x"), 401, "invalid_client",
		},
		"an anonymous customer with a wrong secret of a real client": {
			rigel.AnonymousTokenURL(), with(anonymous, "client_id", egainsim.RigelClientID, "client_secret", "wrong"),
			401, "invalid_client",
		},
		"an anonymous customer with an on-behalf-of scope": {
			rigel.AnonymousTokenURL(), with(anonymous, "scope", "knowledge.portalmgr.onbehalfof.manage"),
			400, "invalid_scope",
		},
		"an anonymous customer with placeholders where they will not do": {
			commercial.AnonymousTokenURL(),
			with(anonymous, "client_id", "x", "client_secret", "y", "scope", commercial.Scope("knowledge.portalmgr.read")),
			401, "invalid_client",
		},
		"an anonymous customer without a user type": {
			rigelAnonymous + "?domain_hint=" + egainsim.RigelTenantID, anonymous, 400, "invalid_request",
		},
		"an anonymous customer who is a user": {
			rigelAnonymous + "?user_type=user&domain_hint=" + egainsim.RigelTenantID, anonymous, 400, "invalid_request",
		},
		"an anonymous customer without a domain hint": {
			rigelAnonymous + "?user_type=customer", anonymous, 400, "invalid_request",
		},
		"an anonymous customer of an unknown tenant": {
			rigelAnonymous + "?user_type=customer&domain_hint=TM0", anonymous, 400, "invalid_request",
		},
		"an anonymous customer of a tenant on the other platform": {
			commercialAnonymous + "?user_type=customer&domain_hint=" + egainsim.RigelTenantID, anonymous,
			400, "invalid_request",
		},
		"on behalf of without a user type on commercial": {
			commercialOBOPath, commercialOBO, 400, "invalid_request",
		},
		"on behalf of a server on commercial": {
			commercialOBOPath + "?user_type=client", commercialOBO, 400, "invalid_request",
		},
		"on behalf of for another tenant's client": {
			commercialOBOPath + "?user_type=user&tenantId=" + egainsim.CommercialTenantID,
			rigelCredentials("grant_type", "password", "scope", "x", "subject_username", "agent.smith"),
			401, "invalid_client",
		},
		"credentials in the query": {
			userURL + "?client_id=" + egainsim.RigelClientID, rigelForm(), 400, "invalid_request",
		},
		"an unknown query parameter twice": {
			userURL + "?x=y&x=y", rigelForm(), 400, "invalid_request",
		},
		"a secret in the query": {
			userURL + "?client_secret=" + egainsim.RigelClientSecret, rigelForm(), 400, "invalid_request",
		},
		"a query parameter twice": {
			rigel.AnonymousTokenURL() + "&user_type=customer", anonymous, 400, "invalid_request",
		},
		"a malformed query": {
			rigel.AnonymousTokenURL() + "&x", anonymous, 400, "invalid_request",
		},
		"a token exchange without its parameters": {
			userURL, rigelCredentials("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
			400, "invalid_request",
		},
		"the API's host for a login URL": {
			strings.Replace(userURL, w.LoginURL(), w.APIURL(), 1), rigelForm(), 404, "not_found",
		},
		"the login host for a URL of the API": {
			strings.Replace(rigel.AnonymousTokenURL(), w.APIURL(), w.LoginURL(), 1), anonymous, 404, "not_found",
		},
		"a slash too many": {
			strings.Replace(userURL, "/oauth2", "//oauth2", 1), rigelForm(), 404, "not_found",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			r := w.post(t, tc.url, tc.form)
			g.Expect(r.status).To(gomega.Equal(tc.wantStatus), string(r.body))
			g.Expect(r.errorCode()).To(gomega.Equal(tc.wantCode), string(r.body))
			g.Expect(r.json).To(gomega.HaveKeyWithValue("error_description", gomega.Not(gomega.BeEmpty())))
			g.Expect(r.json).NotTo(gomega.HaveKey("access_token"))
			g.Expect(r.header.Get("Cache-Control")).To(gomega.Equal("no-store"))
		})
	}
}

func TestRequestsThatAreNoFormAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	target := w.Rigel().TokenURL(egainsim.Client)
	encoded := rigelForm().Encode()
	const formType = "application/x-www-form-urlencoded"
	for name, tc := range map[string]struct {
		method     string
		body       string
		header     map[string]string
		wantStatus int
		wantCode   string
	}{
		"GET": {"GET", "", map[string]string{"Content-Type": formType}, 405, "invalid_request"},
		"PUT": {"PUT", encoded, map[string]string{"Content-Type": formType}, 405, "invalid_request"},
		"no content type": {
			"POST", encoded, nil, 400, "invalid_request",
		},
		"JSON": {
			"POST", `{"grant_type":"client_credentials"}`,
			map[string]string{"Content-Type": "application/json"},
			400, "invalid_request",
		},
		"a form that says it is JSON": {
			"POST", encoded, map[string]string{"Content-Type": "application/json"}, 400, "invalid_request",
		},
		"a multipart form": {
			"POST", encoded, map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, 400, "invalid_request",
		},
		"Latin-1": {
			"POST", encoded, map[string]string{"Content-Type": formType + "; charset=ISO-8859-1"}, 400, "invalid_request",
		},
		"a compressed body": {
			"POST", encoded, map[string]string{"Content-Type": formType, "Content-Encoding": "gzip"}, 400, "invalid_request",
		},
		"a bad escape": {
			"POST", encoded + "&x=%zz", map[string]string{"Content-Type": formType}, 400, "invalid_request",
		},
		"a name without a value": {
			"POST", encoded + "&x", map[string]string{"Content-Type": formType}, 400, "invalid_request",
		},
		"an ampersand too many": {
			"POST", encoded + "&", map[string]string{"Content-Type": formType}, 400, "invalid_request",
		},
		"semicolons": {
			"POST", strings.ReplaceAll(encoded, "&", ";"), map[string]string{"Content-Type": formType}, 400, "invalid_request",
		},
		"bare spaces": {
			"POST", strings.ReplaceAll(encoded, "=", "= "), map[string]string{"Content-Type": formType}, 400, "invalid_request",
		},
		"bare UTF-8": {
			"POST", encoded + "&x=é", map[string]string{"Content-Type": formType}, 400, "invalid_request",
		},
		"escapes that are not UTF-8": {
			"POST", encoded + "&resource=%ff", map[string]string{"Content-Type": formType}, 400, "invalid_request",
		},
		"a parameter twice": {
			"POST", encoded + "&scope=core.aiservices.read", map[string]string{"Content-Type": formType}, 400, "invalid_request",
		},
		"no body": {
			"POST", "", map[string]string{"Content-Type": formType}, 400, "invalid_request",
		},
		"a body without end": {
			"POST", encoded + "&resource=" + strings.Repeat("a", 2<<20),
			map[string]string{"Content-Type": formType},
			413, "invalid_request",
		},
		"Basic auth beside the body": {
			"POST", encoded,
			map[string]string{"Content-Type": formType, "Authorization": "Basic cmlnZWw6YXBw"},
			400, "invalid_request",
		},
		"Basic auth instead of the body": {
			"POST", "grant_type=client_credentials&scope=core.aiservices.read",
			map[string]string{"Content-Type": formType, "Authorization": "Basic cmlnZWw6YXBw"},
			401, "invalid_client",
		},
		"a bearer token": {
			"POST", "grant_type=client_credentials&scope=core.aiservices.read",
			map[string]string{"Content-Type": formType, "Authorization": "Bearer x"},
			400, "invalid_request",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			request := newRequest(t, tc.method, target, tc.body)
			for header, value := range tc.header {
				request.Header.Set(header, value)
			}
			r := w.do(t, request)
			g.Expect(r.status).To(gomega.Equal(tc.wantStatus), string(r.body))
			g.Expect(r.errorCode()).To(gomega.Equal(tc.wantCode), string(r.body))
		})
	}
}

func TestAFormIsAcceptedInEverySpellingThatTheStandardAllows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct{ contentType, body string }{
		"with a charset":     {"application/x-www-form-urlencoded; charset=UTF-8", rigelForm().Encode()},
		"with spaces as %20": {"application/x-www-form-urlencoded", strings.ReplaceAll(rigelForm().Encode(), "+", "%20")},
		"with an empty parameter, which counts as none": {
			"application/x-www-form-urlencoded", rigelForm().Encode() + "&resource=",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := newRequest(t, http.MethodPost, w.Rigel().TokenURL(egainsim.Client), tc.body)
			request.Header.Set("Content-Type", tc.contentType)
			r := w.do(t, request)
			gomega.NewWithT(t).Expect(r.status).To(gomega.Equal(http.StatusOK), string(r.body))
		})
	}
}

func TestARefusalSaysWhichWayWouldDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	target := w.Rigel().TokenURL(egainsim.Client)

	g.Expect(w.get(t, target, "").header.Get("Allow")).To(gomega.Equal("POST"))

	basic := newForm(t, target, form("grant_type", "client_credentials", "scope", "core.aiservices.read"))
	basic.SetBasicAuth(egainsim.RigelClientID, egainsim.RigelClientSecret)
	g.Expect(w.do(t, basic).header.Get("WWW-Authenticate")).To(gomega.Equal(`Basic realm="egain"`))

	twice := newForm(t, target, rigelForm())
	twice.URL.RawQuery = "scopes=x&scopes=y"
	g.Expect(w.do(t, twice).json["error_description"]).To(gomega.ContainSubstring("scopes"))
	astray := newForm(t, target, rigelForm())
	astray.URL.RawQuery = "S3CR3T=x&S3CR3T=y"
	g.Expect(string(w.do(t, astray).body)).NotTo(gomega.ContainSubstring("S3CR3T"))
}

func TestAClientHasOnlyItsScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := gomega.NewWithT(t)
	g.Expect(w.AddClient(egainsim.CommercialTenantID, egainsim.ClientApp{
		ID: "reader", Secrets: []string{"word"}, Scopes: []string{"core.aiservices.read"},
	})).To(gomega.Succeed())
	target := w.Commercial().TokenURL(egainsim.Client)
	asked := func(scope string) reply {
		return w.post(t, target, form("client_id", "reader", "client_secret", "word", "grant_type", "client_credentials",
			"scope", w.Commercial().Scope(scope)))
	}

	g.Expect(asked("knowledge.portalmgr.manage").errorCode()).To(gomega.Equal("invalid_scope"))
	g.Expect(asked(".default").json).To(gomega.HaveKeyWithValue("scope", w.Commercial().Scope("core.aiservices.read")))
}

func TestATenantIsFoundByItsClientWhereTheURLNamesNone(t *testing.T) {
	t.Parallel()
	second := egainsim.TenantConfig{
		ID: "TMSECOND", Platform: egainsim.Commercial, GatewayID: "gateway-2", AnonymousOpen: true,
		Clients: []egainsim.ClientApp{{ID: "second-app", Secrets: []string{"word"}}},
	}
	w := newWorld(t, append(egainsim.DefaultTenants(), second)...)
	g := gomega.NewWithT(t)
	target := w.LoginURL() + "/internal/oauth2/v2.0/anonymous/token?user_type=customer"
	anonymous := form("grant_type", "client_credentials", "scope", w.Commercial().Scope("knowledge.portalmgr.read"))

	byClient := w.post(t, target, with(anonymous, "client_id", "second-app", "client_secret", "word"))
	g.Expect(w.Introspect(byClient.token(t)).Tenant).To(gomega.Equal("TMSECOND"))

	byHint := w.post(t, target+"&domain_hint=TMSECOND", anonymous)
	g.Expect(w.Introspect(byHint.token(t)).Tenant).To(gomega.Equal("TMSECOND"))

	g.Expect(w.post(t, target, anonymous).errorCode()).To(gomega.Equal("invalid_request"))
}
