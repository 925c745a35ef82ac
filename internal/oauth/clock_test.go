package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// at is a time some seconds after the second of now.
func at(seconds float64) time.Time {
	return now.Truncate(time.Second).Add(time.Duration(seconds * float64(time.Second)))
}

func TestSkew(t *testing.T) {
	t.Parallel()
	seconds := func(s float64) *time.Duration { return new(time.Duration(s * float64(time.Second))) }
	tests := map[string]struct {
		sent, received float64
		date           string
		skew           *time.Duration
		serverTime     time.Time
	}{
		"clocks that agree":                                  {0.5, 0.6, at(0).Format(http.TimeFormat), seconds(0), at(0.5)},
		"a new second on the way":                            {0.9, 1.1, at(1).Format(http.TimeFormat), seconds(0), at(1)},
		"the second before, which was not over":              {1, 1.1, at(0).Format(http.TimeFormat), seconds(0), at(1)},
		"an answer that took long, dated when it was begun":  {0.5, 9, at(0).Format(http.TimeFormat), seconds(0), at(0.5)},
		"an answer that took long, dated when it was ready":  {0.5, 9, at(9).Format(http.TimeFormat), seconds(0), at(9)},
		"a clock ahead":                                      {0.5, 1, at(31).Format(http.TimeFormat), seconds(30), at(32)},
		"a clock ahead, by no more than is certain":          {0.5, 9, at(10).Format(http.TimeFormat), seconds(1), at(11)},
		"a clock behind":                                     {0.5, 1, at(-31).Format(http.TimeFormat), seconds(-30.5), at(-30)},
		"a clock behind, by no more than is certain":         {0.5, 9, at(-2).Format(http.TimeFormat), seconds(-1.5), at(-1)},
		"a clock of another age":                             {0.5, 1, at(-86400 * 365).Format(http.TimeFormat), seconds(-86400*365 - 0.5 + 1), at(-86400*365 + 1)},
		"a Date of RFC 850":                                  {0.5, 1, at(31).Format("Monday, 02-Jan-06 15:04:05 GMT"), seconds(30), at(32)},
		"no Date":                                            {0.5, 1, "", nil, time.Time{}},
		"a Date that is none":                                {0.5, 1, "soon", nil, time.Time{}},
		"a Date in another form":                             {0.5, 1, at(31).Format(time.RFC3339), nil, time.Time{}},
		"an answer at once, at the very beginning of second": {0, 0, at(0).Format(http.TimeFormat), seconds(0), at(0)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := readClock(http.Header{"Date": {tc.date}}, at(tc.sent), at(tc.received))
			if diff := cmp.Diff(tc.skew, d.skew()); diff != "" {
				t.Error("skew (-want +got):", diff)
			}
			if got := d.serverTime(); !got.Equal(tc.serverTime) {
				t.Errorf("the server's time was %s, want %s", got, tc.serverTime)
			}
		})
	}
}

// issuing is an answer of a server whose clock is skewed: the time of the claims and the Date are by its clock.
func issuing(skew, claimed time.Duration, expiresIn string) http.HandlerFunc {
	there := now.Add(skew)
	body := fmt.Sprintf(`{"access_token":%q%s}`, jwt(fmt.Sprintf(`{"iat":%d,"exp":%d}`, there.Unix(), there.Add(claimed).Unix())), expiresIn)
	return reply(http.StatusOK, "application/json", body, "Date", there.Format(http.TimeFormat))
}

// A token must be gone from the Secret when the server's clock shows its exp, whatever ours shows then.
func TestNoTokenOutlivesItselfByTheClockOfTheServer(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{
		0, 300 * time.Millisecond, -300 * time.Millisecond, time.Second, -time.Second, 30 * time.Second, -30 * time.Second,
		50 * time.Minute, -50 * time.Minute, 48 * time.Hour, -48 * time.Hour,
	} {
		for name, tc := range map[string]struct {
			claimed   time.Duration
			expiresIn string
			want      time.Duration
		}{
			"exp alone":                   {time.Hour, ``, time.Hour},
			"expires_in and exp":          {time.Hour, `,"expires_in":3600`, time.Hour},
			"expires_in shorter than exp": {time.Hour, `,"expires_in":600`, 10 * time.Minute},
			"expires_in longer than exp":  {10 * time.Minute, `,"expires_in":3600`, 10 * time.Minute},
		} {
			t.Run(fmt.Sprintf("%s, the clock ahead by %s", name, skew), func(t *testing.T) {
				t.Parallel()
				p := newProvider(t, issuing(skew, tc.claimed, tc.expiresIn))
				tok, err := issue(t, p.client(t), p.URL)
				if err != nil {
					t.Fatal(err)
				}
				exp := now.Add(skew).Add(tc.claimed).Truncate(time.Second)
				if skew.Abs() < time.Second {
					exp = exp.Add(skew.Abs()) // a Date in whole seconds does not show it
				}
				if shown := tok.ExpirationTime.Add(skew); shown.After(exp) {
					t.Errorf("when we say that it expires, the server's clock shows %s, after its exp %s", shown, exp)
				}
				if got := tok.ExpirationTime.Sub(tok.IssueTime); got > tc.want || got < tc.want-2*time.Second {
					t.Errorf("the token lives %s, want %s and no more than the two seconds less that are lost to rounding", got, tc.want)
				}
			})
		}
	}
}

func TestLifetimesByClaims(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		claims, expiresIn string // of the server, whose clock shows the second of now
		date              string // empty for none
		want              time.Duration
		wrong             string
	}{
		"without a Date, no longer than exp is after iat":      {`{"iat":%d,"exp":%d}`, `,"expires_in":7200`, "", time.Hour, ""},
		"without a Date, exp is by our clock":                  {`{"x":%d,"exp":%d}`, ``, "", time.Hour, ""},
		"without a Date or iat, exp does not bound expires_in": {`{"x":%d,"exp":%d}`, `,"expires_in":7200`, "", 2 * time.Hour, ""},
		"without an iat, no longer than until exp":             {`{"x":%d,"exp":%d}`, `,"expires_in":7200`, at(0).Format(http.TimeFormat), time.Hour, ""},
		"an iat after exp says nothing":                        {`{"x":%d,"exp":%d,"iat":9000000000}`, `,"expires_in":1800`, "", 30 * time.Minute, ""},
		"an iat that is no number says nothing":                {`{"x":%d,"exp":%d,"iat":"now"}`, `,"expires_in":1800`, "", 30 * time.Minute, ""},
		"an exp in milliseconds does not bound expires_in":     {`{"x":%d,"y":%d,"exp":1795428100000}`, `,"expires_in":1800`, at(0).Format(http.TimeFormat), 30 * time.Minute, ""},
		"an exp of another age does not bound it":              {`{"x":%d,"y":%d,"iat":1,"exp":1e300}`, `,"expires_in":1800`, at(0).Format(http.TimeFormat), 30 * time.Minute, ""},
		"a token that has expired by the server's own clock":   {`{"iat":%d,"exp":%d}`, `,"expires_in":1800`, at(3600).Format(http.TimeFormat), 0, "the exp claim of the token gives the token a lifetime of less than a second"},
		"a life of the claims of no second":                    {`{"x":%d,"y":%d,"iat":1.2,"exp":1.9}`, `,"expires_in":1800`, "", 0, "the exp claim of the token gives the token a lifetime of less than a second"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := fmt.Sprintf(`{"access_token":%q%s}`, jwt(fmt.Sprintf(tc.claims, now.Unix(), now.Unix()+3600)), tc.expiresIn)
			p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Date"] = nil // net/http would set it
				if tc.date != "" {
					w.Header().Set("Date", tc.date)
				}
				replyJSON(body)(w, r)
			})
			tok, err := issue(t, p.client(t), p.URL)
			if tc.wrong != "" {
				wantFault(t, err, fault.Retryable, fault.ReasonLifetimeInvalid)
				wantMessage(t, err, tc.wrong)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := tok.ExpirationTime.Sub(tok.IssueTime); got != tc.want {
				t.Errorf("the token lives %s, want %s", got, tc.want)
			}
		})
	}
}

func TestEveryAnswerReportsTheSkew(t *testing.T) {
	t.Parallel()
	ahead := at(31).Format(http.TimeFormat)
	for name, handler := range map[string]http.HandlerFunc{
		"a token":                 reply(200, "application/json", `{"access_token":"tok","expires_in":60}`, "Date", ahead),
		"a refusal":               reply(400, "application/json", `{"error":"invalid_client"}`, "Date", ahead),
		"a failing server":        reply(503, "text/plain", "", "Date", ahead),
		"something else":          reply(200, "text/html", "<html>", "Date", ahead),
		"a token without a life":  reply(200, "application/json", `{"access_token":"tok","expires_in":0}`, "Date", ahead),
		"an answer that ends bad": reply(200, "application/json", `{"access_token":`, "Date", ahead),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, handler)
			tok, _ := issue(t, p.client(t), p.URL)
			if want := new(30500 * time.Millisecond); !cmp.Equal(tok.Skew, want) {
				t.Errorf("the skew is %v, want %v", tok.Skew, want)
			}
		})
	}
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		hc := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") })}
		if tok, err := issue(t, hc, "https://ai.egain.cloud/token"); tok.Skew != nil || err == nil {
			t.Errorf("got a skew of %v, %v", tok.Skew, err)
		}
	})
}

func TestAnAnswerThatTookLongIsNoSkew(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		passed.Store(int64(9 * time.Second))
		reply(200, "application/json", `{"access_token":"tok","expires_in":60}`, "Date", at(9).Format(http.TimeFormat))(w, r)
	})
	c := &Client{Now: func() time.Time { return now.Add(time.Duration(passed.Load())) }}
	tok, err := c.Token(t.Context(), p.client(t), Request{Flow: ClientCredentials, TokenURL: p.URL})
	if err != nil || tok.Skew == nil || *tok.Skew != 0 {
		t.Errorf("the skew is %v, %v, want none", tok.Skew, err)
	}
}
