package request

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
)

// lendingTenant lends the application "default", changed as a test needs.
func lendingTenant(change func(*egainv1alpha1.Application)) *egainv1alpha1.EgainTenant {
	lent := egainv1alpha1.Application{
		Name: "default",
		CredentialsSecretRef: egainv1alpha1.ApplicationCredentialsReference{
			Namespace: "platform",
			Name:      "lent-app", ClientIDKey: "client_id", ClientSecretKey: "client_secret",
		},
		AllowedNamespaces:    egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{"team-a"}},
		AllowedFlows:         []egainv1alpha1.Flow{egainv1alpha1.FlowClientCredentials, egainv1alpha1.FlowOnBehalfOf, egainv1alpha1.FlowTokenExchange},
		AllowedSubjects:      &egainv1alpha1.AllowedSubjects{Usernames: []egainv1alpha1.SubjectPattern{"agent.*"}, Emails: []egainv1alpha1.SubjectPattern{"*@acme.com"}},
		AllowedRegistrations: []egainv1alpha1.RegistrationID{"okta-prod"},
	}
	other := *lent.DeepCopy()
	other.Name, other.CredentialsSecretRef.Name = "other", "other-app"
	if change != nil {
		change(&lent)
	}
	return tenantWith(egainv1alpha1.EgainTenantSpec{Applications: []egainv1alpha1.Application{other, lent}})
}

// borrower is an EgainClient in namespace team-a that uses an application.
func borrower(change func(*egainv1alpha1.EgainClientSpec)) *egainv1alpha1.EgainClient {
	ec := clientOf("team-a", "a.read")
	ec.Spec.Flow = egainv1alpha1.FlowClientCredentials
	ec.Spec.TenantRef = &egainv1alpha1.TenantReference{Name: "production", Application: "default"}
	if change != nil {
		change(&ec.Spec)
	}
	return ec
}

func TestAllowsSubject(t *testing.T) {
	t.Parallel()
	type patterns = []egainv1alpha1.SubjectPattern
	for name, tc := range map[string]struct {
		allowed patterns
		subject string
		want    bool
	}{
		"one that is listed":                             {patterns{"agent.smith"}, "agent.smith", true},
		"not one of an empty list":                       {nil, "agent.smith", false},
		"not one in other case":                          {patterns{"agent.smith"}, "Agent.Smith", false},
		"not one that begins in other case":              {patterns{"agent.*"}, "Agent.smith", false},
		"not a domain in other case":                     {patterns{"*@acme.com"}, "a@ACME.com", false},
		"one that a pattern begins":                      {patterns{"agent.*"}, "agent.smith", true},
		"one that a pattern ends":                        {patterns{"*@acme.com"}, "jane.doe+shop@acme.com", true},
		"one around an asterisk":                         {patterns{"a*@acme.com"}, "a-1@acme.com", true},
		"not the beginning alone":                        {patterns{"agent.*"}, "agent.", false},
		"not the end alone":                              {patterns{"*@acme.com"}, "@acme.com", false},
		"not a beginning that overlaps the end":          {patterns{"aba*aba"}, "ababa", false},
		"not one with more after it":                     {patterns{"*@acme.com"}, "a@acme.com.evil.com", false},
		"not one with more before it":                    {patterns{"agent.*"}, "xagent.smith", false},
		"not two addresses":                              {patterns{"*@acme.com"}, "a@evil.com@acme.com", false},
		"not a quoted address within one":                {patterns{"*@acme.com"}, `"a@evil.com"@acme.com`, false},
		"not a quoted local part":                        {patterns{"*@acme.com"}, `"a b"@acme.com`, false},
		"a quoted local part that is listed":             {patterns{`"a b"@acme.com`}, `"a b"@acme.com`, true},
		"not an address with a comment":                  {patterns{"*@acme.com"}, "a(x)@acme.com", false},
		"not an address with a percent":                  {patterns{"*@acme.com"}, "a%evil.com@acme.com", false},
		"not an address with an exclamation mark":        {patterns{"*@acme.com"}, "evil.com!a@acme.com", false},
		"not several, by a comma":                        {patterns{"*@acme.com"}, "a@evil.com,b@acme.com", false},
		"not one with a space":                           {patterns{"agent.*"}, "agent.a b", false},
		"not one with a space at its end":                {patterns{"agent.*"}, "agent.a ", false},
		"one with a space that is listed":                {patterns{"agent smith"}, "agent smith", true},
		"not one that looks like it, in Cyrillic":        {patterns{"agent.*"}, "\u0430gent.smith", false},
		"not one with a Cyrillic letter at the asterisk": {patterns{"agent.*"}, "agent.sm\u0456th", false},
		"not one with a letter that folds to ASCII":      {patterns{"agent.*"}, "agent.\u212A", false},
		"not one in full width":                          {patterns{"*@acme.com"}, "a\uff20acme.com", false},
		"not a composed letter for a decomposed one":     {patterns{"jos\u00e9"}, "jose\u0301", false},
		"one beyond ASCII that is listed":                {patterns{"jos\u00e9"}, "jos\u00e9", true},
		"not one beyond ASCII by a pattern beyond ASCII": {patterns{"jos\u00e9*"}, "jos\u00e9x", false},
		"not one with a tab":                             {patterns{"*"}, "a\tb", false},
		"not an address by a name":                       {patterns{"agent*"}, "agent@acme.com", false},
		"not a name by an address":                       {patterns{"*@acme.com"}, "agent", false},
		"all, by the asterisk alone":                     {patterns{"*"}, "agent.smith", true},
		"an address, by the asterisk alone":              {patterns{"*"}, "a@acme.com", true},
		"not one with a space, by the asterisk alone":    {patterns{"*"}, "a b", false},
		"not one beyond ASCII, by the asterisk alone":    {patterns{"*"}, "jos\u00e9", false},
		"not an address by an asterisk beside another":   {patterns{"*", "x"}, "a@acme.com", false},
		"not an asterisk, by a pattern":                  {patterns{"agent.*"}, "agent.*", false},
		"not an empty one":                               {patterns{"*", ""}, "x@", false},
		"not one by two asterisks":                       {patterns{"a**"}, "abc", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := allowsSubject(tc.allowed, tc.subject); got != tc.want {
				t.Errorf("%q by %q: got %t", tc.subject, tc.allowed, got)
			}
		})
	}
}

func TestAdmitByApplication(t *testing.T) {
	t.Parallel()
	const refused, absent, lender = egainv1alpha1.ReasonApplicationNotAllowed, egainv1alpha1.ReasonApplicationNotFound, `application "default" of EgainTenant "production"`
	type (
		application = egainv1alpha1.Application
		spec        = egainv1alpha1.EgainClientSpec
	)
	onBehalfOf := func(who egainv1alpha1.OnBehalfOf) func(*spec) {
		return func(s *spec) { s.Flow, s.OnBehalfOf = egainv1alpha1.FlowOnBehalfOf, &who }
	}
	exchanging := func(registration string) func(*spec) {
		return func(s *spec) {
			s.Flow, s.TokenExchange = egainv1alpha1.FlowTokenExchange, &egainv1alpha1.TokenExchange{RegistrationID: registration}
		}
	}
	scopes := func(scopes ...egainv1alpha1.Scope) func(*spec) { return func(s *spec) { s.Scopes = scopes } }
	allowing := func(patterns ...egainv1alpha1.ScopePattern) func(*application) {
		return func(a *application) { a.AllowedScopes = patterns }
	}
	selecting := func(s metav1.LabelSelector) func(*application) {
		return func(a *application) { a.AllowedNamespaces = egainv1alpha1.AllowedNamespaces{Selector: &s} }
	}
	for name, tc := range map[string]struct {
		lent          func(*application)
		asked         func(*spec)
		reason, words string
	}{
		"what it allows": {nil, nil, "", ""},
		"not another namespace": {
			func(a *application) { a.AllowedNamespaces.Names = []egainv1alpha1.NamespaceName{"team-b"} }, nil,
			refused, lender + ` does not allow namespace "team-a": change the spec, or ask its owner to add it to allowedNamespaces`,
		},
		"a namespace by its label":                {selecting(metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}), nil, "", ""},
		"not a namespace with another label":      {selecting(metav1.LabelSelector{MatchLabels: map[string]string{"tier": "tin"}}), nil, refused, "allowedNamespaces"},
		"no namespace by an empty selector":       {selecting(metav1.LabelSelector{}), nil, refused, "allowedNamespaces"},
		"no namespace without names and selector": {func(a *application) { a.AllowedNamespaces = egainv1alpha1.AllowedNamespaces{} }, nil, refused, "allowedNamespaces"},
		"no namespace by a selector that is none": {
			selecting(metav1.LabelSelector{MatchLabels: map[string]string{"a b": "x"}}), nil, egainv1alpha1.ReasonApplicationInvalid, "allowedNamespaces.selector is not valid",
		},
		"not another flow": {
			func(a *application) { a.AllowedFlows = []egainv1alpha1.Flow{egainv1alpha1.FlowOnBehalfOf} }, nil,
			refused, lender + ` does not allow flow "ClientCredentials": change the spec, or ask its owner to add it to allowedFlows`,
		},
		"not an application of another name": {
			nil, func(s *spec) { s.TenantRef.Application = "Default" },
			absent, `waiting for application "Default" of EgainTenant "production": correct spec.tenantRef.application`,
		},
		"a user by a pattern":              {nil, onBehalfOf(egainv1alpha1.OnBehalfOf{Username: "agent.smith"}), "", ""},
		"a customer by a pattern":          {nil, onBehalfOf(egainv1alpha1.OnBehalfOf{Email: "jane@acme.com"}), "", ""},
		"not another user":                 {nil, onBehalfOf(egainv1alpha1.OnBehalfOf{Username: "admin"}), refused, lender + ` does not allow username "admin": change the spec, or ask its owner to add it to allowedSubjects.usernames`},
		"not another customer":             {nil, onBehalfOf(egainv1alpha1.OnBehalfOf{Email: "a@evil.com@acme.com"}), refused, `does not allow email "a@evil.com@acme.com": change the spec, or ask its owner to add it to allowedSubjects.emails`},
		"not a user whose ID is no name":   {nil, onBehalfOf(egainv1alpha1.OnBehalfOf{UserID: "agent.smith"}), refused, `does not allow userID "agent.smith": change the spec, or ask its owner to add it to allowedSubjects.userIDs`},
		"not an address as a name":         {nil, onBehalfOf(egainv1alpha1.OnBehalfOf{Username: "jane@acme.com"}), refused, "allowedSubjects.usernames"},
		"not a name as an address":         {nil, onBehalfOf(egainv1alpha1.OnBehalfOf{Email: "agent.smith"}), refused, "allowedSubjects.emails"},
		"not one of two subjects":          {nil, onBehalfOf(egainv1alpha1.OnBehalfOf{Username: "agent.smith", Email: "a@evil.com"}), refused, "allowedSubjects.emails"},
		"no subject without lists":         {func(a *application) { a.AllowedSubjects = nil }, onBehalfOf(egainv1alpha1.OnBehalfOf{Username: "agent.smith"}), refused, "allowedSubjects.usernames"},
		"a registration":                   {nil, exchanging("okta-prod"), "", ""},
		"not a registration in other case": {nil, exchanging("OKTA-prod"), refused, lender + ` does not allow registration "OKTA-prod": change the spec, or ask its owner to add it to allowedRegistrations`},
		"not a registration by its start":  {nil, exchanging("okta"), refused, "allowedRegistrations"},
		"every scope without a list":       {nil, scopes("x.write"), "", ""},
		"a scope by a pattern":             {allowing("a.*"), scopes("a.read"), "", ""},
		"not another scope":                {allowing("a.*"), scopes("a.read", "b.read"), refused, lender + ` does not allow the scopes ["b.read"]`},
		"not all of the application":       {allowing("*"), scopes(".default"), refused, `[".default"]`},
		"not openid":                       {allowing("*"), scopes("openid"), refused, `["openid"]`},
		"no scopes where some are listed":  {allowing("a.*"), scopes(), refused, lender + " restricts scopes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Admit(lendingTenant(tc.lent), borrower(tc.asked), map[string]string{"tier": "gold"})
			if f := fault.Of(err); f != nil && f.Reason == absent && tc.reason == absent {
				if f.Class != fault.Waiting || !strings.Contains(f.Message, tc.words) {
					t.Errorf("got %#v", f)
				}
			} else {
				wantRefusal(t, err, tc.reason, tc.words)
			}
			expectNothingElse(t, err)
		})
	}
}

// expectNothingElse fails the test if a refusal names another application, namespace or Secret.
func expectNothingElse(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{"platform", "lent-app", "other", "team-b", "agent.*", "okta-prod", "a.*"} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the refusal names %q: %s", secret, err)
		}
	}
}

func TestAdmitByTenantAndApplication(t *testing.T) {
	t.Parallel()
	et := lendingTenant(func(a *egainv1alpha1.Application) { a.AllowedScopes = []egainv1alpha1.ScopePattern{"a.*", "b.*"} })
	et.Spec.AllowedScopes = []egainv1alpha1.ScopePattern{"b.*", "c.*"}
	for scope, reason := range map[egainv1alpha1.Scope]string{
		"a.read": egainv1alpha1.ReasonScopeNotAllowed, "b.read": "", "c.read": egainv1alpha1.ReasonApplicationNotAllowed,
	} {
		wantRefusal(t, Admit(et, borrower(func(s *egainv1alpha1.EgainClientSpec) { s.Scopes = []egainv1alpha1.Scope{scope} }), nil), reason, "does not allow the scopes")
	}
}

func TestReader_ReadsCredentialsOfApplications(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		secret     map[string]string
		namespaces []string
		class      fault.Class
		words      string
	}{
		"of its namespaces":             {app, []string{"x", "platform"}, 0, ""},
		"not of others":                 {app, []string{"x"}, fault.Terminal, `application "default" of EgainTenant "production" has its credentials where the operator may not read them`},
		"not without namespaces":        {app, nil, fault.Terminal, "where the operator may not read them"},
		"not of a Secret that is none":  {nil, []string{"platform"}, fault.Waiting, `application "default" of EgainTenant "production" has no credentials that can be used`},
		"not of a Secret without a key": {map[string]string{"client_id": "app"}, []string{"platform"}, fault.Terminal, "has no credentials that can be used"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := holding(map[string]map[string]string{"lent-app": tc.secret})
			if tc.secret == nil {
				w = holding(nil)
			}
			r, t2 := w.reader(), Shared(lendingTenant(nil))
			r.ApplicationNamespaces = tc.namespaces
			m, err := r.Read(t.Context(), borrower(nil), t2)
			_, errSources := r.Sources(t.Context(), borrower(nil), t2)
			if tc.words == "" {
				if err != nil || errSources != nil || m.Credentials != (oauth.Credentials{ClientID: "app", ClientSecret: "hush"}) {
					t.Errorf("got %+v, %v, %v", m.Credentials, err, errSources)
				}
				if m.Sources.String() != "" || m.Sources.LentVersion() != "uid-of-lent-app/1" {
					t.Errorf("sources %q, lent %q", m.Sources, m.Sources.LentVersion())
				}
				return
			}
			f := fault.Of(err)
			if f == nil || f.Class != tc.class || f.Reason != egainv1alpha1.ReasonApplicationInvalid || !strings.Contains(f.Message, tc.words) {
				t.Errorf("got %#v", err)
			}
			expectNothingElse(t, err)
			expectNothingElse(t, errSources)
			if m.Credentials != (oauth.Credentials{}) {
				t.Errorf("read %+v", m.Credentials)
			}
		})
	}
}

func TestExceptCredentials(t *testing.T) {
	t.Parallel()
	for sources, want := range map[string]string{
		"": "", "credentials=u/1": "", "credentials=u/1 subject=v/2": " subject=v/2", " subject=v/2": " subject=v/2", "credentials=u/1 session=w/3": " session=w/3",
	} {
		if got := ExceptCredentials(sources); got != want {
			t.Errorf("of %q: got %q, want %q", sources, got, want)
		}
	}
}

func TestSpecIDOfAnApplication(t *testing.T) {
	t.Parallel()
	id := func(change func(*egainv1alpha1.Application)) string {
		return SpecID(borrower(nil), Shared(lendingTenant(change)))
	}
	before := id(nil)
	if id(func(a *egainv1alpha1.Application) { a.CredentialsSecretRef.Name = "x" }) == before {
		t.Error("another Secret does not count")
	}
	if id(func(a *egainv1alpha1.Application) { a.AllowedScopes = []egainv1alpha1.ScopePattern{"*"} }) != before {
		t.Error("what is allowed counts")
	}
	own := borrower(func(s *egainv1alpha1.EgainClientSpec) { s.TenantRef.Application = "" })
	if SpecID(own, Shared(lendingTenant(nil))) == before {
		t.Error("to have none is the same")
	}
}

func TestClientIDCountsTheClientIDAndNotItsPlace(t *testing.T) {
	t.Parallel()
	own := borrower(func(s *egainv1alpha1.EgainClientSpec) {
		s.TenantRef.Application, s.CredentialsSecretRef = "", &egainv1alpha1.CredentialsSecretReference{Name: "egain-app", ClientIDKey: "id"}
	})
	at := func(ec *egainv1alpha1.EgainClient) Addressed { return For(ec).Address(someEndpoints) }
	if at(own).ClientID("app") != at(borrower(nil)).ClientID("app") {
		t.Error("the place counts")
	}
	if at(own).ClientID("app") == at(own).ClientID("other") {
		t.Error("the client id does not count")
	}
	changed := borrower(func(s *egainv1alpha1.EgainClientSpec) { s.Scopes = []egainv1alpha1.Scope{"b.read"} })
	if at(changed).ClientID("app") == at(borrower(nil)).ClientID("app") {
		t.Error("the scopes do not count")
	}
}

// TestReader_SendsNothingThatIsNotLabelled has a row for each field that names a Secret.
func TestReader_SendsNothingThatIsNotLabelled(t *testing.T) {
	t.Parallel()
	const label = egainv1alpha1.SubjectTokenLabel
	for name, tc := range map[string]struct {
		spec string
		// secret is the one that the field names.
		secret string
	}{
		"credentialsSecretRef":                    {`{"flow":"ClientCredentials","credentialsSecretRef":{"name":"app","clientIDKey":"client_id","clientSecretKey":"client_secret"}}`, "app"},
		"credentialsSecretRef of a login":         {login, "app"},
		"tokenExchange.subjectToken.secretKeyRef": {exchange, "s"},
		"credentialsSecretRef of an exchange":     {exchange, "app"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := holding(map[string]map[string]string{"app": app, "s": {"k": "foreign"}, "session": {session.KeyRefreshToken: "refresh"}})
			w.secrets["session"].Annotations = map[string]string{session.AnnotationID: "first"}
			for other, secret := range w.secrets {
				if other != tc.secret {
					secret.Labels = map[string]string{label: "true"}
				}
			}
			r, ec := w.reader(), clientFrom(t, tc.spec)
			if _, err := r.Read(t.Context(), ec, Tenant{}); err != nil {
				t.Fatalf("without the flag: %v", err)
			}
			r.LabelledOnly = true
			for _, value := range []string{"", "false", "True", "true "} {
				w.secrets[tc.secret].Labels = map[string]string{label: value}
				m, err := r.Read(t.Context(), ec, Tenant{})
				wantRefusal(t, err, egainv1alpha1.ReasonSecretNotLabelled, `Secret "`+tc.secret+`" is not labelled auth.egain.com/subject-token: "true"`)
				if m.Secrets != (Secrets{}) {
					t.Errorf("label %q: read %+v", value, m.Secrets)
				}
			}
			w.secrets[tc.secret].Labels = map[string]string{label: "true"}
			if _, err := r.Read(t.Context(), ec, Tenant{}); err != nil {
				t.Errorf("with the label: %v", err)
			}
		})
	}
}
