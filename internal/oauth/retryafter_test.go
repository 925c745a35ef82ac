package oauth

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// clocks are a server's clock, as its Date shows it, and what it is ahead of ours. The fixed clock shows 10:00:00.5.
var clocks = map[string]struct {
	date  string
	shift time.Duration
}{
	"by our clock":              {"", 0},
	"by a server's that agrees": {"Mon, 23 Nov 2026 10:00:00 GMT", -500 * time.Millisecond},
	"by a server's ahead":       {"Mon, 23 Nov 2026 11:00:00 GMT", time.Hour - 500*time.Millisecond},
	"by a server's behind":      {"Mon, 23 Nov 2026 09:00:00 GMT", -time.Hour - 500*time.Millisecond},
}

func TestRateLimitReset(t *testing.T) {
	t.Parallel()
	// The values are for a server whose clock agrees with ours; shifted ones depend on its clock.
	at := now.Add(90 * time.Second)
	tests := map[string]struct {
		format func(at time.Time) string
		want   time.Duration
	}{
		"Unix time in seconds":                     {func(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }, 90*time.Second - 500*time.Millisecond},
		"Unix time with a fraction":                {func(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) + ".5" }, 90 * time.Second},
		"Unix time in milliseconds":                {func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }, 90 * time.Second},
		"RFC 3339":                                 {layout(time.RFC3339Nano), 90 * time.Second},
		"RFC 3339 of another zone":                 {func(at time.Time) string { return at.In(time.FixedZone("", 5400)).Format(time.RFC3339Nano) }, 90 * time.Second},
		"RFC 3339 without a zone":                  {layout("2006-01-02T15:04:05.000"), 90 * time.Second},
		"RFC 3339 with seven digits of a fraction": {layout("2006-01-02T15:04:05.0000000Z07:00"), 90 * time.Second},
		"RFC 3339 in lower case":                   {layout("2006-01-02t15:04:05.000z"), 90 * time.Second},
		"RFC 3339 with a zone without a colon":     {layout("2006-01-02T15:04:05.000-0700"), 90 * time.Second},
		"a space for the T":                        {layout("2006-01-02 15:04:05.000Z07:00"), 90 * time.Second},
		"a space for the T and no zone":            {layout("2006-01-02 15:04:05.000"), 90 * time.Second},
		"a space for the T and UTC":                {layout("2006-01-02 15:04:05.000 UTC"), 90 * time.Second},
		"a space for the T and before the zone":    {layout("2006-01-02 15:04:05.000 -07:00"), 90 * time.Second},
		"an HTTP date":                             {layout(http.TimeFormat), 90*time.Second - 500*time.Millisecond},
		"an HTTP date with a fraction":             {layout("Mon, 02 Jan 2006 15:04:05.000 GMT"), 90 * time.Second},
		"RFC 1123 in UTC":                          {layout(time.RFC1123), 90*time.Second - 500*time.Millisecond},
		"RFC 1123 with a zone":                     {layout(time.RFC1123Z), 90*time.Second - 500*time.Millisecond},
		"spaces around it":                         {func(at time.Time) string { return "  " + at.Format(time.RFC3339Nano) + "\t" }, 90 * time.Second},
	}
	for name, tc := range tests {
		for whose, clock := range clocks {
			t.Run(name+" "+whose, func(t *testing.T) {
				t.Parallel()
				value := tc.format(at.Add(clock.shift))
				got := waitOf(http.StatusTooManyRequests, value, "", clock.date)
				if diff := got - tc.want; diff.Abs() > time.Second/2 {
					t.Errorf("%s %q makes a wait of %s, want %s", resetHeader, value, got, tc.want)
				}
			})
		}
	}
}

func TestRateLimitResetIsBounded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value string
		want  time.Duration
	}{
		"seconds from now":                  {"120", 2 * time.Minute},
		"seconds from now with a fraction":  {"1.5", 1500 * time.Millisecond},
		"spaces around seconds":             {" 120 ", 2 * time.Minute},
		"the most seconds from now":         {"999999999", time.Hour},
		"the least Unix time":               {"1000000000", 0},
		"the most Unix time in seconds":     {"999999999999", time.Hour},
		"the least Unix time in ms":         {"1000000000000", 0},
		"10^18":                             {"1000000000000000000", time.Hour},
		"more than 64 bits hold":            {"99999999999999999999", time.Hour},
		"more than a float holds":           {strings.Repeat("9", 400), time.Hour},
		"a date beyond a duration":          {"9999-12-31T23:59:59Z", time.Hour},
		"a date before a duration":          {"0001-01-01T00:00:00Z", 0},
		"zero":                              {"0", 0},
		"negative":                          {"-5", 0},
		"signed":                            {"+5", 0},
		"an exponent":                       {"1e18", 0},
		"hexadecimal":                       {"0x10", 0},
		"not a number":                      {"NaN", 0},
		"infinite":                          {"Inf", 0},
		"words":                             {"in a minute", 0},
		"nothing":                           {"", 0},
		"a date in the past":                {"2026-11-23T09:59:00Z", 0},
		"a date of a zone that only a name": {"Mon, 23 Nov 2026 10:01:00 EST", 0},
		"half a date":                       {"2026-11-23 ", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := waitOf(http.StatusTooManyRequests, tc.value, "", ""); got != tc.want {
				t.Errorf("%s %q makes a wait of %s, want %s", resetHeader, tc.value, got, tc.want)
			}
		})
	}
	for _, date := range []string{"Sun, 01 Jan 9999 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		for _, value := range []string{"1795428000", "99999999999999999999", "2026-11-23T10:01:00Z"} {
			if got := waitOf(429, value, "", date); got < 0 || got > time.Hour {
				t.Errorf("%q at %s makes a wait of %s", value, date, got)
			}
		}
	}
}

func TestTheLaterWaitCounts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status       int
		reset, after string
		want         time.Duration
	}{
		"the reset of 429":              {429, "120", "60", 2 * time.Minute},
		"the reset of 503":              {503, "120", "60", 2 * time.Minute},
		"Retry-After if it is later":    {429, "60", "120", 2 * time.Minute},
		"Retry-After alone":             {429, "", "60", time.Minute},
		"the reset alone":               {429, "60", "", time.Minute},
		"the reset if the other is odd": {429, "60", "soon", time.Minute},
		"no reset of another failure":   {500, "120", "60", time.Minute},
		"no reset of a refusal":         {400, "120", "", 0},
		"no reset of a success":         {200, "120", "", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := waitOf(tc.status, tc.reset, tc.after, ""); got != tc.want {
				t.Errorf("the wait is %s, want %s", got, tc.want)
			}
		})
	}
}

// Every kind of request honours the header: for tokens, documents and revocations.
func TestEveryRequestHonoursTheReset(t *testing.T) {
	t.Parallel()
	p := newProvider(t, reply(http.StatusTooManyRequests, "text/plain", canary, resetHeader, "2026-11-23T10:02:00Z", "Date", "Mon, 23 Nov 2026 10:00:00 GMT"))
	hc, c := p.client(t), &Client{Now: fixed}
	requests := map[string]func() error{
		"token": func() error { _, err := issue(t, hc, p.URL); return err },
		"document": func() error {
			_, err := read(t.Context(), &Directory{Now: fixed}, hc, p.URL)
			return err
		},
		"revocation": func() error { return c.Revoke(t.Context(), hc, p.URL, Credentials{}, AccessToken, "tok") },
	}
	for name, send := range requests {
		if f := fault.Of(send()); f == nil || f.RetryAfter != 2*time.Minute {
			t.Errorf("%s: got %+v, want a wait of two minutes", name, f)
		}
	}
}

func FuzzRateLimitReset(f *testing.F) {
	for _, seed := range []string{
		"120", "", "-1", "1e18", "NaN", "1000000000000000000", "99999999999999999999", "1795428060", "1795428060123", "1.5", "\x00",
		"2026-11-23T10:01:00Z", "2026-11-23 10:01:00", "2026-11-23 10:01:00.5 +01:00", "Mon, 23 Nov 2026 10:01:00 UTC", "9999-12-31t23:59:59z", " UTC",
	} {
		f.Add(seed, "60", "Mon, 23 Nov 2026 10:00:00 GMT")
		f.Add(seed, "", "Sun, 01 Jan 9999 00:00:00 GMT")
		f.Add(seed, "", "")
	}
	f.Fuzz(func(t *testing.T, reset, after, date string) {
		got := waitOf(http.StatusTooManyRequests, reset, after, date)
		if got < retryAfter(http.Header{"Retry-After": {after}, "Date": {date}}, now) || got < 0 || got > time.Hour {
			t.Errorf("%q and %q at %q make a wait of %s", reset, after, date, got)
		}
	})
}

// waitOf is the wait that an answer requests.
func waitOf(status int, reset, after, date string) time.Duration {
	return RequestedWait(&http.Response{StatusCode: status, Header: http.Header{"X-Ratelimit-Reset": {reset}, "Retry-After": {after}, "Date": {date}}}, now)
}

func layout(l string) func(time.Time) string {
	return func(at time.Time) string { return at.UTC().Format(l) }
}
