package oauth

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// maxRequestedWait bounds the wait that a server may request: package fault honours an hour at most.
	maxRequestedWait = time.Hour
	// resetHeader is where eGain's API says when its limit of requests is reset. Whether the token endpoint sends it too is not
	// public.
	resetHeader = "X-RateLimit-Reset"
	// firstUnixSeconds is the least number of resetHeader that is a Unix time: it is in the year 2001 as such, and a wait of 31
	// years as seconds from now.
	firstUnixSeconds = 1e9
	// firstUnixMilliseconds is the least number that counts milliseconds: in seconds it is more than 30,000 years from now.
	firstUnixMilliseconds = 1e12
)

// RequestedWait returns how long the server of an answer asks its clients to wait, from 0, if it does not say, to an hour. It is
// the later of Retry-After (RFC 9110 section 10.2.3) and, with status 429 or 503, X-RateLimit-Reset. Dates are by the server's
// clock, which the answer's own Date shows.
func RequestedWait(resp *http.Response, now time.Time) time.Duration {
	wait := retryAfter(resp.Header, now)
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		wait = max(wait, rateLimitReset(resp.Header, now))
	}
	return wait
}

// retryAfter reads Retry-After, in seconds or as a date: from 0, if it is absent or unreadable, to an hour.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return boundedWait(time.Duration(seconds) * time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return boundedWait(at.Sub(serverNow(h, now)))
	}
	return 0
}

// plainNumber is a number as JSON writes it, without a sign and an exponent.
var plainNumber = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// rateLimitReset reads X-RateLimit-Reset: seconds from now, a Unix time, or a date and time. The bounds are those of retryAfter.
func rateLimitReset(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get(resetHeader))
	if !plainNumber.MatchString(value) {
		if at, ok := parseDateTime(value); ok {
			return boundedWait(at.Sub(serverNow(h, now)))
		}
		return 0
	}
	number, err := strconv.ParseFloat(value, 64)
	switch {
	case err != nil: // out of range
		return maxRequestedWait
	case number >= firstUnixMilliseconds:
		return secondsUntil(number/1000, serverNow(h, now))
	case number >= firstUnixSeconds:
		return secondsUntil(number, serverNow(h, now))
	default:
		return boundedWait(time.Duration(number * float64(time.Second)))
	}
}

// secondsUntil is the wait until a Unix time, which may be too late for a time.Time.
func secondsUntil(unix float64, now time.Time) time.Duration {
	left := min(max(0, unix-float64(now.Unix())-float64(now.Nanosecond())/1e9), maxRequestedWait.Seconds())
	// To the millisecond, which is as exact as the header and as floating point numbers of this size are.
	return boundedWait(time.Duration(left * float64(time.Second)).Round(time.Millisecond))
}

func boundedWait(wait time.Duration) time.Duration { return min(max(0, wait), maxRequestedWait) }

// serverNow is the answer's Date; our own clock if it has none.
func serverNow(h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return now
}

// dateTimes are the layouts of a date and time, beside those of HTTP. Each takes fractional seconds too.
var dateTimes = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05",
	// As Java prints them: OffsetDateTime leaves out seconds that are 0, and Date has the zone before the year.
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "Mon Jan _2 15:04:05 MST 2006",
	time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 GMT", "Mon, 2 Jan 2006 15:04:05",
}

// parseDateTime reads a date of HTTP or RFC 3339, the latter also with a space in place of the T. Without a zone it is UTC.
func parseDateTime(value string) (time.Time, bool) {
	value = strings.Trim(value, `"`)
	value, _, _ = strings.Cut(value, "[") // the name of the zone, as Java's ZonedDateTime prints it
	if zoneless, is := strings.CutSuffix(value, "UTC"); is {
		value = strings.TrimSpace(zoneless) + " GMT"
	}
	if at, err := http.ParseTime(value); err == nil {
		return at, true
	}
	value = strings.TrimSuffix(value, " GMT")
	if len(value) > 10 && value[4] == '-' && (value[10] == ' ' || value[10] == 't') {
		value = value[:10] + "T" + strings.Replace(value[11:], " ", "", 1)
	}
	if utc, is := strings.CutSuffix(value, "z"); is {
		value = utc + "Z"
	}
	for _, layout := range dateTimes {
		if at, err := time.Parse(layout, value); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
