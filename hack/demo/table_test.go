package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{
		-1: "         ", 0: "         ", 0.01: "▏        ", 0.5: "████▌    ", 0.99: "████████▉", 1: "█████████", 2: "█████████",
	} {
		if got := bar(share); got != want {
			t.Errorf("bar(%v) = %q, want %q", share, got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1999 * time.Millisecond: "1s", 99 * time.Second: "99s", 100 * time.Second: "1m", 59*time.Minute + 59*time.Second: "59m",
		100 * time.Minute: "1h", 99 * time.Hour: "99h", 100 * time.Hour: "4d", 5000 * 24 * time.Hour: "999d",
	} {
		if got := brief(d); got != want {
			t.Errorf("brief(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		20 * time.Second: "20s", time.Minute: "1m", 90 * time.Second: "1m30s", 10 * time.Minute: "10m", time.Hour: "1h", 70 * time.Minute: "1h10m",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestPad(t *testing.T) {
	for _, c := range []struct {
		text  string
		right bool
		want  string
	}{
		{"ab", false, "ab  "}, {"ab", true, "  ab"}, {"été", true, " été"}, {"abcd", false, "abcd"}, {"abcde", false, "abc…"},
	} {
		if got := pad(c.text, 4, c.right); got != c.want {
			t.Errorf("pad(%q, 4, %v) = %q, want %q", c.text, c.right, got, c.want)
		}
	}
}

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// egainClient is a client that is well, with a token that is halfway through its life.
func egainClient(spec egainv1alpha1.EgainClientSpec) *egainv1alpha1.EgainClient {
	issued, expires := metav1.NewTime(now.Add(-time.Minute)), metav1.NewTime(now.Add(time.Minute))
	return &egainv1alpha1.EgainClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app", Labels: map[string]string{platformLabel: "Rigel"}},
		Spec:       spec,
		Status: egainv1alpha1.EgainClientStatus{
			Conditions: []metav1.Condition{{Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionTrue}},
			Token:      &egainv1alpha1.TokenStatus{IssueTime: &issued, ExpirationTime: &expires},
			Endpoints: &egainv1alpha1.EndpointsStatus{
				TokenURL: "https://localhost/system/auth/T-U/oauth2/token", Source: egainv1alpha1.EndpointSourceSpec,
			},
		},
	}
}

func TestRowOf(t *testing.T) {
	ec := egainClient(egainv1alpha1.EgainClientSpec{Flow: egainv1alpha1.FlowClientCredentials})
	u := usage{tokens: 3, lastAt: now.Add(-time.Second), status: 200, ok: 7}
	want := row{
		client: "team/app", flow: "ClientCredentials", platform: "Rigel", endpoints: "spec", ready: true,
		left: time.Minute, life: 2 * time.Minute, mounted: true, usage: u, fresh: true,
	}
	if diff := cmp.Diff(want, rowOf(ec, &u, nil, now), cmp.AllowUnexported(row{}, usage{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	ec.Status = egainv1alpha1.EgainClientStatus{Conditions: []metav1.Condition{{
		Type: egainv1alpha1.ConditionTokenIssued, Status: metav1.ConditionFalse, Reason: "ClientRejected", Message: "check the secret",
	}}}
	want = row{client: "team/app", flow: "ClientCredentials", platform: "Rigel", problem: "ClientRejected: check the secret"}
	if diff := cmp.Diff(want, rowOf(ec, nil, nil, now), cmp.AllowUnexported(row{}, usage{})); diff != "" {
		t.Errorf("without a token, -want +got:\n%s", diff)
	}
}

func TestFlowOf(t *testing.T) {
	exchange := func(s egainv1alpha1.SubjectToken) egainv1alpha1.EgainClientSpec {
		return egainv1alpha1.EgainClientSpec{Flow: egainv1alpha1.FlowTokenExchange, TokenExchange: &egainv1alpha1.TokenExchange{SubjectToken: s}}
	}
	onBehalfOf := func(who egainv1alpha1.OnBehalfOf) egainv1alpha1.EgainClientSpec {
		return egainv1alpha1.EgainClientSpec{Flow: egainv1alpha1.FlowOnBehalfOf, OnBehalfOf: &who}
	}
	for want, spec := range map[string]egainv1alpha1.EgainClientSpec{
		"AnonymousCustomer":    {Flow: egainv1alpha1.FlowAnonymousCustomer},
		"OnBehalfOf username":  onBehalfOf(egainv1alpha1.OnBehalfOf{Username: "a"}),
		"OnBehalfOf userID":    onBehalfOf(egainv1alpha1.OnBehalfOf{UserID: "1"}),
		"OnBehalfOf email":     onBehalfOf(egainv1alpha1.OnBehalfOf{Email: "a@b"}),
		"TokenExchange Secret": exchange(egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{}}),
		"TokenExchange client": exchange(egainv1alpha1.SubjectToken{EgainClientRef: &egainv1alpha1.EgainClientReference{}}),
		"AuthCode customer": {
			Flow: egainv1alpha1.FlowAuthorizationCode, AuthorizationCode: &egainv1alpha1.AuthorizationCode{Actor: egainv1alpha1.ActorCustomer},
		},
		"TokenExchange SA": exchange(egainv1alpha1.SubjectToken{ServiceAccountToken: &egainv1alpha1.ServiceAccountToken{}}),
	} {
		if got := flowOf(egainClient(spec)); got != want {
			t.Errorf("flow %q, want %q", got, want)
		}
	}
}

func TestEndpointsOf(t *testing.T) {
	for want, url := range map[string]string{
		"RFC 8414":  "https://localhost/.well-known/oauth-authorization-server/system/auth/T-U",
		"OpenID":    "https://localhost/g/p/v2.0/.well-known/openid-configuration",
		"console":   "https://localhost/metadata/T?style=camelCase",
		"tenant id": "",
	} {
		ec := egainClient(egainv1alpha1.EgainClientSpec{Tenant: egainv1alpha1.Tenant{TenantLocation: egainv1alpha1.TenantLocation{MetadataURL: egainv1alpha1.HTTPSURL(url)}}})
		ec.Status.Endpoints.Source = egainv1alpha1.EndpointSourceMetadata
		if got := endpointsOf(ec, nil); got != want {
			t.Errorf("endpoints %q of %q, want %q", got, url, want)
		}
	}
	ec := egainClient(egainv1alpha1.EgainClientSpec{TenantRef: &egainv1alpha1.TenantReference{Name: "production"}})
	if got := endpointsOf(ec, map[string]bool{"production": false, "acme": true}); got != "tenantRef" {
		t.Errorf("endpoints %q of an EgainTenant", got)
	}
	ec.Spec.TenantRef.Name = "acme"
	if got := endpointsOf(ec, map[string]bool{"acme": true}); got != "url" {
		t.Errorf("endpoints %q of an EgainTenant with an address", got)
	}
}

func TestPlatformOf(t *testing.T) {
	for url, want := range map[string]string{
		"https://h/system/auth/T-C/oauth2/token":                                    "Rigel",
		"https://h/core/authmgr/v3/oauth2/v2.0/anonymous/token?user_type=customer":  "Rigel",
		"https://h/core/authmgr/v4/oauth2/v2.0/onbehalfof/token?user_type=customer": "Commercial",
		"https://h/global/gateway/oauth2/v2.0/token":                                "Commercial",
	} {
		ec := egainClient(egainv1alpha1.EgainClientSpec{})
		ec.Status.Endpoints.TokenURL = url
		if got := platformOf(ec); got != want {
			t.Errorf("platform %q of %s, want %q", got, url, want)
		}
	}
}

func TestTable(t *testing.T) {
	rows := []row{
		{
			client: "knowledge/portal", flow: "ClientCredentials", platform: "Rigel", endpoints: "spec", ready: true,
			left: 15 * time.Second, life: 30 * time.Second, mounted: true, usage: usage{tokens: 3, status: 200, ok: 41},
		},
		{client: "team/with-a-name-that-is-long", flow: "OnBehalfOf email", problem: "ClientRejected: no"},
		{
			client: "shop/widget", flow: "AnonymousCustomer", platform: "Commercial", endpoints: "console", mounted: true,
			usage: usage{tokens: 1, status: 401, ok: 1, failed: 2, problem: "expired"},
		},
	}
	want := `CLIENT                FLOW                  PLATFORM    ENDPOINTS  READY  EXPIRES IN      ROTATED  CALL     OK  FAILED
knowledge/portal      ClientCredentials     Rigel       spec       ✓      ████▌      15s        2   200     41       0
team/with-a-name-th…  OnBehalfOf email      –           –          ✗      –                     –     –      –       –
shop/widget           AnonymousCustomer     Commercial  console    ✗      –                     0   401      1       2

! team/with-a-name-that-is-long: ClientRejected: no
! shop/widget: the API said: expired`
	var got []string
	for _, line := range clientTable(rows, width, palette(false)) {
		got = append(got, strings.TrimRight(line, " "))
	}
	if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTableKeepsWithinWidth(t *testing.T) {
	long := strings.Repeat("long", 50)
	rows := []row{{
		client: long, flow: long, platform: long, endpoints: long, life: time.Hour, left: time.Hour, mounted: true, problem: long,
		usage: usage{tokens: 1e9, ok: 1e9, failed: 1e9, status: 500, problem: long},
	}}
	for range maxProblems {
		rows = append(rows, rows[0])
	}
	lines := clientTable(rows, width, palette(false))
	if last := lines[len(lines)-1]; last != "! … and 6 more" {
		t.Errorf("the last line is %q", last)
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > width {
			t.Errorf("%d characters: %s", n, line)
		}
	}
}

func TestHeader(t *testing.T) {
	rows := []row{{ready: true, usage: usage{tokens: 3, ok: 5}}, {usage: usage{tokens: 1, ok: 2, failed: 1}}}
	got := header(rows, totals{requests: 4, operatorPID: 7, restarts: 2, uptime: 90 * time.Second, tokenLife: time.Minute}, palette(true))
	want := []string{
		"\x1b[1megain-operator demo\x1b[0m  up 1m30s · tokens live 1m · operator pid 7, restarted 2×",
		"1 of 2 clients ready · 4 token requests at the simulator · 2 rotations · 8 API calls, \x1b[31m1 failed\x1b[0m",
		"",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestShades(t *testing.T) {
	mounted := row{mounted: true, life: time.Minute, usage: usage{tokens: 2, ok: 1, status: 200}}
	with := func(change func(*row)) row {
		r := mounted
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		cell cell
		want shade
	}{
		"expiry, fresh":     {expiryCell(with(func(r *row) { r.left = time.Minute })), good},
		"expiry, soon":      {expiryCell(with(func(r *row) { r.left = 15 * time.Second })), fair},
		"expiry, very soon": {expiryCell(with(func(r *row) { r.left = 5 * time.Second })), bad},
		"rotated just now":  {rotatedCell(with(func(r *row) { r.fresh = true })), bold},
		"no answer":         {callCell(with(func(r *row) { r.usage.status = 0 })), bad},
		"failed calls":      {failedCell(with(func(r *row) { r.usage.failed = 1 })), bad},
		"no failed calls":   {failedCell(mounted), plain},
	} {
		if c.cell.shade != c.want {
			t.Errorf("%s: shade %d, want %d", name, c.cell.shade, c.want)
		}
	}
}
