package oauth

import (
	"net/http"
	"time"
)

// clockReading is what an answer says about the server's clock.
type clockReading struct {
	// sent and received are when the request was sent and the answer's header had come, by our clock.
	sent, received time.Time
	// date is the answer's Date; zero if it has none that can be read. It has no fractions (RFC 9110 section 6.6.1).
	date time.Time
}

func readClock(h http.Header, sent, received time.Time) clockReading {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		date = time.Time{}
	}
	return clockReading{sent: sent, received: received, date: date}
}

// skew is how far the server's clock is ahead of ours, or behind it if negative, as far as that is certain: the Date was
// written at some time between the request and its answer. It is nil if there is no Date.
func (d clockReading) skew() *time.Duration {
	if d.date.IsZero() {
		return nil
	}
	ahead, behind := d.date.Sub(d.received), d.date.Add(time.Second).Sub(d.sent)
	switch {
	case ahead > 0:
		return &ahead
	case behind < 0:
		return &behind
	default:
		return new(time.Duration)
	}
}

// serverTime is the latest that the server's clock may have shown when the request was sent; zero if there is no Date. Where
// the clocks agree as far as can be told, ours says more than a Date without fractions.
func (d clockReading) serverTime() time.Time {
	switch skew := d.skew(); {
	case skew == nil:
		return time.Time{}
	case *skew != 0:
		return d.date.Add(time.Second)
	case d.date.After(d.sent):
		return d.date
	default:
		return d.sent
	}
}
