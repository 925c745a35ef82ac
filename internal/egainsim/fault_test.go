package egainsim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func raw(value string) map[string]json.RawMessage {
	return map[string]json.RawMessage{"expires_in": json.RawMessage(value)}
}

func TestFaultsTakeThePlaceOfAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault      egainsim.Fault
		wantStatus int
		wantHeader map[string]string
		wantBody   string
	}{
		"a status": {
			egainsim.Fault{Status: 503},
			503, nil,
			`{"error":"temporarily_unavailable","error_description":"a fault was asked for"}`,
		},
		"an OAuth error": {
			egainsim.Fault{Error: "invalid_grant"},
			400, nil,
			`{"error":"invalid_grant","error_description":"a fault was asked for"}`,
		},
		"an OAuth error with a status of its own": {
			egainsim.Fault{Error: "invalid_client"},
			401, nil,
			`{"error":"invalid_client","error_description":"a fault was asked for"}`,
		},
		"a text": {
			egainsim.Fault{Status: 502, Text: "no upstream"},
			502,
			map[string]string{"Content-Type": "text/plain; charset=utf-8"},
			"no upstream",
		},
		"a wait in seconds": {
			egainsim.Fault{Status: 429, RetryAfter: 90 * time.Second, Text: "later"},
			429,
			map[string]string{"Retry-After": "90"},
			"later",
		},
		"a wait until a date": {
			egainsim.Fault{Status: 429, RetryAfter: 90 * time.Second, RetryAfterDate: true, Text: "later"},
			429,
			map[string]string{"Retry-After": "Sun, 06 May 2040 07:09:39 GMT"},
			"later",
		},
		"a wait that makes no sense": {
			egainsim.Fault{Status: 429, Header: map[string]string{"Retry-After": "soon"}, Text: "later"},
			429,
			map[string]string{"Retry-After": "soon"},
			"later",
		},
		"a redirect": {
			egainsim.Fault{Location: "https://evil.example.com/"},
			302,
			map[string]string{"Location": "https://evil.example.com/"},
			"",
		},
		"a redirect that keeps the body": {
			egainsim.Fault{Location: "https://evil.example.com/", Status: 307},
			307,
			map[string]string{"Location": "https://evil.example.com/"},
			"",
		},
		"nothing": {
			egainsim.Fault{Body: egainsim.EmptyBody}, 200, map[string]string{"Content-Length": "0"}, "",
		},
		"no JSON": {
			egainsim.Fault{Body: egainsim.MalformedBody},
			200,
			map[string]string{"Content-Type": "application/json;charset=UTF-8"},
			`{"access_token":"never","token_type":`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			w := newWorld(t)
			w.SetFault(egainsim.Match{}, tc.fault)
			r := w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm())
			g.Expect(r.status).To(gomega.Equal(tc.wantStatus))
			g.Expect(string(r.body)).To(gomega.Equal(tc.wantBody))
			for header, value := range tc.wantHeader {
				g.Expect(r.header.Get(header)).To(gomega.Equal(value))
			}
			g.Expect(w.Stats().ValidTokens).To(gomega.Equal(0), "no token may be issued in the background")
			g.Expect(w.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.OutcomeFault)).To(gomega.Equal(1))
		})
	}
}

func TestAFaultMayAnswerWithAPage(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, egainsim.Fault{Status: 502, Body: egainsim.HTMLBody})
	r := w.get(t, w.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User), "")
	g.Expect(r.status).To(gomega.Equal(http.StatusBadGateway))
	g.Expect(r.header.Get("Content-Type")).To(gomega.HavePrefix("text/html"))
	g.Expect(string(r.body)).To(gomega.HavePrefix("<!DOCTYPE html>"))
}

func TestAHugeBodyIsAsHugeAsAsked(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, egainsim.Fault{Body: egainsim.HugeBody, Size: 1_000_000})
	r := w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm())
	g.Expect(r.body).To(gomega.HaveLen(1_000_000))
	g.Expect(r.token(t)).NotTo(gomega.BeEmpty(), "it is valid to the end")
}

func TestTokenResponsesCanBeMutated(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault  egainsim.Fault
		member string
		want   any
	}{
		"expires_in of zero":        {egainsim.Fault{Set: raw("0")}, "expires_in", float64(0)},
		"expires_in below zero":     {egainsim.Fault{Set: raw("-1")}, "expires_in", float64(-1)},
		"expires_in beyond reason":  {egainsim.Fault{Set: raw("1e30")}, "expires_in", 1e30},
		"expires_in of letters":     {egainsim.Fault{Set: raw(`"abc"`)}, "expires_in", "abc"},
		"expires_in as a string":    {egainsim.Fault{Set: raw(`"3600"`)}, "expires_in", "3600"},
		"no expires_in":             {egainsim.Fault{Omit: []string{"expires_in"}}, "expires_in", nil},
		"no token_type":             {egainsim.Fault{Omit: []string{"token_type"}}, "token_type", nil},
		"another token_type":        {set("token_type", `"mac"`), "token_type", "mac"},
		"an empty token":            {set("access_token", `""`), "access_token", ""},
		"a token that breaks lines": {set("access_token", `"a\r\nX-Evil: 1"`), "access_token", "a\r\nX-Evil: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gomega.NewWithT(t)
			w := newWorld(t)
			w.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, tc.fault)
			r := w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm())
			g.Expect(r.status).To(gomega.Equal(http.StatusOK))
			if tc.want == nil {
				g.Expect(r.json).NotTo(gomega.HaveKey(tc.member))
				return
			}
			g.Expect(r.json).To(gomega.HaveKeyWithValue(tc.member, tc.want))
		})
	}
}

func set(member, value string) egainsim.Fault {
	return egainsim.Fault{Set: map[string]json.RawMessage{member: json.RawMessage(value)}}
}

func TestMutationsLeaveRefusalsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, set("error", `"none"`))
	r := w.post(t, w.Rigel().TokenURL(egainsim.Client), with(rigelForm(), "client_secret", "wrong"))
	gomega.NewWithT(t).Expect(r.errorCode()).To(gomega.Equal("invalid_client"))
}

func TestMetadataCanPointElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, set("token_endpoint", `"https://evil.example.com/token"`))
	r := w.get(t, w.Rigel().MetadataURL(egainsim.OAuthMetadata, egainsim.User), "")
	gomega.NewWithT(t).Expect(r.json).To(gomega.HaveKeyWithValue("token_endpoint", "https://evil.example.com/token"))
}

func TestTheExpiryInsideTheTokenCanDiffer(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	soon := start.Add(time.Minute)
	exp, err := json.Marshal(soon.Unix())
	g.Expect(err).NotTo(gomega.HaveOccurred())
	w.SetFault(egainsim.Match{}, egainsim.Fault{Times: 1, Claims: map[string]json.RawMessage{"exp": exp}})
	w.SetFault(egainsim.Match{}, egainsim.Fault{Times: 1, Claims: map[string]json.RawMessage{"exp": json.RawMessage("null")}})

	target, keys := w.Rigel().TokenURL(egainsim.Client), w.Rigel().JWKSURL(egainsim.User)
	early := w.post(t, target, rigelForm())
	none := w.post(t, target, rigelForm())
	g.Expect(early.json).To(gomega.HaveKeyWithValue("expires_in", float64(3600)))
	g.Expect(w.readClaims(t, keys, early.token(t)).Expiry).To(gomega.Equal(soon.Unix()))
	g.Expect(w.readClaims(t, keys, none.token(t)).Expiry).To(gomega.BeZero())

	w.clock.SetTime(soon)
	g.Expect(w.Introspect(early.token(t)).Active).To(gomega.BeFalse(), "the API goes by the exp claim")
	g.Expect(w.Introspect(none.token(t)).Active).To(gomega.BeTrue())
}

func TestATruncatedAnswerEndsHalfWay(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, egainsim.Fault{Body: egainsim.TruncatedBody})
	r, err := w.try(newForm(t, w.Rigel().TokenURL(egainsim.Client), rigelForm()))
	g.Expect(err).To(gomega.MatchError(io.ErrUnexpectedEOF))
	g.Expect(string(r.body)).To(gomega.HavePrefix(`{"access_token":"`))
	g.Expect(w.Stats().ValidTokens).To(gomega.Equal(1), "the token was issued, and lost on the way")
}

func TestADroppedConnectionHasNoAnswer(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, egainsim.Fault{Drop: true, Times: 1})
	_, err := w.try(newForm(t, w.Rigel().TokenURL(egainsim.Client), rigelForm()))
	g.Expect(err).To(gomega.HaveOccurred())
	g.Expect(w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm()).status).To(gomega.Equal(http.StatusOK))
}

func TestAHangingRequestEndsWhenItsClientGoesAway(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	match := egainsim.Match{Endpoint: egainsim.TokenEndpoint}
	w.SetFault(match, egainsim.Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	request := newForm(t, w.Rigel().TokenURL(egainsim.Client), rigelForm()).WithContext(ctx)
	go func() {
		_, err := w.try(request)
		done <- err
	}()
	g.Eventually(func() int { return w.Count(match, egainsim.OutcomeFault) }).Should(gomega.Equal(1))
	g.Consistently(done, "20ms").ShouldNot(gomega.Receive())
	cancel()
	g.Eventually(done).Should(gomega.Receive(gomega.MatchError(context.Canceled)))
}

func TestADelayedAnswerWaitsForTheTimer(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, egainsim.Fault{Delay: 10 * time.Second})
	request := newForm(t, w.Rigel().TokenURL(egainsim.Client), rigelForm())
	done := make(chan int, 1)
	go func() {
		r, _ := w.try(request)
		done <- r.status
	}()
	g.Eventually(w.timer.HasWaiters).Should(gomega.BeTrue())
	g.Expect(w.Stats().Counts).To(gomega.BeEmpty())
	w.timer.Step(10 * time.Second)
	g.Eventually(done).Should(gomega.Receive(gomega.Equal(http.StatusOK)))
}

func TestNoTokenIsIssuedToAClientThatDidNotWait(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, egainsim.Fault{Delay: 10 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	request := newForm(t, w.Rigel().TokenURL(egainsim.Client), rigelForm()).WithContext(ctx)
	go func() { _, _ = w.try(request) }()
	g.Eventually(w.timer.HasWaiters).Should(gomega.BeTrue())
	cancel()
	g.Eventually(func() int { return w.Count(egainsim.Match{}, egainsim.OutcomeFault) }).Should(gomega.Equal(1))
	g.Expect(w.Stats().ValidTokens).To(gomega.Equal(0))
}

func TestASlowAnswerComesByteByByte(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, egainsim.Fault{Text: "abc", ByteInterval: time.Second})
	response, err := w.http.Do(newForm(t, w.Rigel().TokenURL(egainsim.Client), rigelForm()))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	buffer := make([]byte, 3)
	for _, want := range []string{"a", "b", "c"} {
		g.Eventually(w.timer.HasWaiters).Should(gomega.BeTrue())
		w.timer.Step(time.Second)
		n, err := response.Body.Read(buffer)
		g.Expect(err).To(gomega.Or(gomega.Not(gomega.HaveOccurred()), gomega.MatchError(io.EOF)))
		g.Expect(string(buffer[:n])).To(gomega.Equal(want))
	}
}

func TestFaultsConcernOnlyWhatTheyMatch(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		match egainsim.Match
		want  int
	}{
		"everything":           {egainsim.Match{}, 418},
		"the endpoint":         {egainsim.Match{Endpoint: egainsim.TokenEndpoint}, 418},
		"another endpoint":     {egainsim.Match{Endpoint: egainsim.APIEndpoint}, 200},
		"the tenant":           {egainsim.Match{Tenant: egainsim.RigelTenantID}, 418},
		"another tenant":       {egainsim.Match{Tenant: egainsim.CommercialTenantID}, 200},
		"the client":           {egainsim.Match{ClientID: egainsim.RigelClientID}, 418},
		"another client":       {egainsim.Match{ClientID: egainsim.CommercialClientID}, 200},
		"the grant":            {egainsim.Match{Grant: "client_credentials"}, 418},
		"another grant":        {egainsim.Match{Grant: "password"}, 200},
		"the client elsewhere": {egainsim.Match{ClientID: egainsim.RigelClientID, Tenant: egainsim.CommercialTenantID}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SetFault(tc.match, egainsim.Fault{Status: http.StatusTeapot})
			r := w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm())
			gomega.NewWithT(t).Expect(r.status).To(gomega.Equal(tc.want))
		})
	}
}

func TestFaultsAtTheAPIMatchTheTokensClient(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	token := w.rigelToken(t)
	w.SetFault(egainsim.Match{Endpoint: egainsim.APIEndpoint, ClientID: egainsim.RigelClientID}, egainsim.Fault{Status: 500})
	g.Expect(w.get(t, w.APIURL()+egainsim.PortalsPath, token).status).To(gomega.Equal(http.StatusInternalServerError))
	g.Expect(w.get(t, w.APIURL()+egainsim.PortalsPath, "unknown").status).To(gomega.Equal(http.StatusUnauthorized))
}

func TestFaultsAreUsedUpInTurn(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, egainsim.Fault{Times: 2, Status: 500})
	w.SetFault(egainsim.Match{}, egainsim.Fault{Times: 1, Status: 503})
	w.SetFault(egainsim.Match{}, egainsim.Fault{Status: 418})
	var seen []int
	for range 6 {
		seen = append(seen, w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm()).status)
	}
	g.Expect(seen).To(gomega.Equal([]int{500, 500, 503, 418, 418, 418}))
	w.ClearFaults()
	g.Expect(w.post(t, w.Rigel().TokenURL(egainsim.Client), rigelForm()).status).To(gomega.Equal(http.StatusOK))
}

func TestAFaultSurvivesJSON(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	fault := egainsim.Fault{
		Times: 3, Delay: 1500 * time.Millisecond, Status: 503, RetryAfter: time.Minute, ByteInterval: time.Second,
		Body: egainsim.HTMLBody, Set: raw("1e30"), Omit: []string{"scope"}, Header: map[string]string{"Server": "x"},
	}
	encoded, err := json.Marshal(fault)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(string(encoded)).To(gomega.ContainSubstring(`"delay":"1.5s"`))
	var decoded egainsim.Fault
	g.Expect(json.Unmarshal(encoded, &decoded)).To(gomega.Succeed())
	g.Expect(decoded).To(gomega.Equal(fault))
	g.Expect(json.Unmarshal([]byte(`{"stauts":503}`), &decoded)).NotTo(gomega.Succeed())
	g.Expect(json.Unmarshal([]byte(`{"delay":"long"}`), &decoded)).NotTo(gomega.Succeed())
}

func TestAConnectionThatCannotBeDroppedIsAborted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetFault(egainsim.Match{}, egainsim.Fault{Drop: true})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, w.Rigel().TokenURL(egainsim.Client), http.NoBody)
	request.Host = strings.TrimPrefix(w.LoginURL(), "https://")
	gomega.NewWithT(t).Expect(func() { w.ServeHTTP(httptest.NewRecorder(), request) }).To(gomega.PanicWith(http.ErrAbortHandler))
}
