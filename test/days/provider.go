package main

import (
	"fmt"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/gate"
)

const (
	// answerTime is how long a host takes to answer, and requestTimeout how long the operator waits for it at most, as its
	// flag --request-timeout does by default.
	answerTime     = 150 * time.Millisecond
	requestTimeout = 10 * time.Second
	// slowAnswerTime is how long a host that is slow takes: nearly too long.
	slowAnswerTime = 9 * time.Second
	// clientsPerHost is how many clients ask one host: eGain serves each tenant under an address of its own.
	clientsPerHost = 200
	// hostRate and hostBurst bound the requests that a host answers: five times what its clients need, so that it serves
	// them in a minute and a half after they are created.
	hostRate  = 2.0 // per second
	hostBurst = 20.0
	// rateRetryAfter is how long a host asks a client to stay away that came above its rate.
	rateRetryAfter = 5 * time.Second
	// hangingProbe is how much later than a host that fails one that hung is probed again: four seconds after a probe without an answer.
	hangingProbe = 2 * time.Second
	// faultPeriod holds one fault of each host, somewhere within: faults of one host do not run into each other.
	faultPeriod = 45 * time.Hour
)

// kind says how a host misbehaves.
type kind int

const (
	unavailable kind = iota // HTTP 503
	retryLater              // HTTP 503 with Retry-After
	tooMany                 // HTTP 429 with Retry-After
	hanging                 // no answer
	slow                    // good answers that take long
)

const kinds = int(slow) + 1

// hostFault is a time in which a host misbehaves.
type hostFault struct {
	start, end time.Duration
	kind       kind
	retryAfter time.Duration
}

// lengths are those of the faults of a host, before they are varied by a half either way. They come one per faultPeriod, in
// an order that differs from host to host.
var lengths = []time.Duration{
	20 * time.Second, time.Minute, 40 * time.Second, 2 * time.Minute, 5 * time.Minute, 30 * time.Second, 10 * time.Minute, time.Minute,
	3 * time.Minute, 40 * time.Minute, 50 * time.Second, 2 * time.Minute, 20 * time.Minute, 45 * time.Second, 4 * time.Minute, 90 * time.Second,
}

// retryAfters are what hosts ask for, in an order that differs from host to host.
var retryAfters = []time.Duration{5 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 10 * time.Minute}

// faults are the faults of a host, in their order.
func faults(number int, length time.Duration) []hostFault {
	var all []hostFault
	for k := 0; time.Duration(k)*faultPeriod < length; k++ {
		lasts := time.Duration((0.5 + fraction("lasts", number, k)) * float64(lengths[(number+7*k)%len(lengths)]))
		start := time.Duration(k)*faultPeriod + time.Duration(fraction("starts", number, k)*float64(faultPeriod-time.Hour))
		all = append(all, hostFault{
			start: start, end: start + lasts, kind: kind((number + k) % kinds), retryAfter: retryAfters[(number+2*k)%len(retryAfters)],
		})
	}
	return all
}

// host is where the clients of a tenant ask for tokens.
type host struct {
	faults []hostFault
	limits bool
	tokens float64
	at     time.Duration
	// endpoint is how the gate knows the host, and underWay are the clients that wait for its answer.
	endpoint gate.Endpoint
	underWay []*client
	// until is when a request to the host can succeed again, as far as the answers to those before tell.
	until time.Duration
}

// newHost returns a host by its number, one that is always well if nothing is to go wrong.
func (s *scenario) newHost(number int) *host {
	name := fmt.Sprintf("%d.example", number)
	h := &host{endpoint: gate.Endpoint{URL: "https://" + name + "/token", Host: name, Tenant: name}}
	if !s.calm {
		h.faults, h.limits, h.tokens = faults(number, s.length), true, hostBurst
	}
	return h
}

// answer is what a request comes to.
type answer struct {
	took  time.Duration
	fault *fault.Error
	// until is when a request can succeed again that was not answered with a token.
	until time.Duration
}

// ask sends a request to a host. Requests are to be sent in the order of time.
func (h *host) ask(now time.Duration) answer {
	a := h.answer(now)
	h.until = max(h.until, a.until)
	return a
}

func (h *host) answer(now time.Duration) answer {
	for len(h.faults) > 0 && h.faults[0].end <= now {
		h.faults = h.faults[1:]
	}
	if len(h.faults) > 0 && h.faults[0].start <= now {
		return h.faults[0].answer(now)
	}
	if !h.limits || h.admits(now) {
		return answer{took: answerTime}
	}
	return refused(now, now, fault.ReasonRateLimited, rateRetryAfter)
}

// admits is a token bucket.
func (h *host) admits(now time.Duration) bool {
	h.tokens = min(hostBurst, h.tokens+hostRate*(now-h.at).Seconds())
	h.at = now
	if h.tokens < 1 {
		return false
	}
	h.tokens--
	return true
}

func (s *hostFault) answer(now time.Duration) answer {
	switch s.kind {
	case slow:
		return answer{took: slowAnswerTime}
	case hanging:
		return answer{
			took: requestTimeout, until: s.end + hangingProbe, fault: fault.New(fault.Retryable, fault.ReasonServerUnavailable, "no answer in time"),
		}
	case tooMany:
		return refused(now, s.end, fault.ReasonRateLimited, s.retryAfter)
	case retryLater:
		return refused(now, s.end, fault.ReasonServerUnavailable, s.retryAfter)
	case unavailable:
	}
	return refused(now, s.end, fault.ReasonServerUnavailable, 0)
}

// refused is the answer of a host that is out until a time. What it asks for counts as if it were out: honouring it is
// its wish.
func refused(now, end time.Duration, reason string, retryAfter time.Duration) answer {
	f := fault.New(fault.Retryable, reason, "refused")
	f.RetryAfter = retryAfter
	return answer{took: answerTime, fault: f, until: max(end, now+answerTime+retryAfter)}
}
