package egainsim

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Request is an entry of the log. It holds no secret and no token.
type Request struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	// Path is that of the endpoint; of API resources the first three segments.
	Path string `json:"path,omitempty"`
	Labels
	// Subject is whom a token was issued to, or was of.
	Subject string `json:"subject,omitempty"`
	// Status is 0 if there was no answer.
	Status  int    `json:"status,omitempty"`
	Outcome string `json:"outcome"`
	// Ignored are names of parameters that the endpoint does not know, in order: the first 16 that are at most 32 of the
	// characters A-Z, a-z, 0-9, underscore, dot and hyphen.
	Ignored []string `json:"ignored,omitempty"`
	// DomainHint is the host that an authorization request names as that of the customer.
	DomainHint string `json:"domainHint,omitempty"`
	// Faulty tells that a fault had a hand in it.
	Faulty bool `json:"faulty,omitempty"`
}

// Count is how many requests were about the same and came to the same: an outcome is ok, fault, not_found or an error
// code of OAuth's.
type Count struct {
	Labels
	Outcome string `json:"outcome"`
	Count   int    `json:"count"`
}

// Stats is what the simulator was asked since it was made, or since the record was cleared.
type Stats struct {
	Counts []Count `json:"counts"`
	// MaxConcurrent is the most requests that were in flight at once.
	MaxConcurrent map[Endpoint]int `json:"maxConcurrent"`
	// ValidTokens is how many tokens are valid now.
	ValidTokens int `json:"validTokens"`
}

// Of is how many requests matched and came to an outcome. An empty outcome means any.
func (s Stats) Of(match Match, outcome string) int {
	total := 0
	for _, count := range s.Counts {
		if match.matches(count.Labels) && (outcome == "" || outcome == count.Outcome) {
			total += count.Count
		}
	}
	return total
}

type countKey struct {
	Labels
	outcome string
}

// recorder counts requests and logs the last ones.
type recorder struct {
	mu       sync.Mutex
	counts   map[countKey]int
	inFlight map[Endpoint]int
	most     map[Endpoint]int
	// log is a ring; next is where the next entry goes.
	log  []Request
	next int
}

func newRecorder(logSize int) *recorder {
	return &recorder{
		counts: map[countKey]int{}, inFlight: map[Endpoint]int{}, most: map[Endpoint]int{},
		log: make([]Request, 0, logSize),
	}
}

func (r *recorder) begin(endpoint Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight[endpoint]++
	r.most[endpoint] = max(r.most[endpoint], r.inFlight[endpoint])
}

func (r *recorder) end(endpoint Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight[endpoint]--
}

func (r *recorder) add(c *call, a answer) {
	entry := Request{
		Time: c.now, Method: c.request.Method, Path: c.route.path, Labels: c.labels, Subject: a.subject,
		Status: a.status, Outcome: a.outcome, Faulty: c.fault != nil,
		Ignored: c.ignored, DomainHint: c.domainHint,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[countKey{c.labels, a.outcome}]++
	if len(r.log) < cap(r.log) {
		r.log = append(r.log, entry)
		return
	}
	r.log[r.next] = entry
	r.next = (r.next + 1) % len(r.log)
}

// Stats is the count of requests, in a fixed order.
func (s *Simulator) Stats() Stats {
	stats := s.recorder.stats()
	stats.ValidTokens = s.ledger.size(s.now())
	return stats
}

func (r *recorder) stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := Stats{Counts: make([]Count, 0, len(r.counts)), MaxConcurrent: maps.Clone(r.most)}
	for key, count := range r.counts {
		stats.Counts = append(stats.Counts, Count{Labels: key.Labels, Outcome: key.outcome, Count: count})
	}
	slices.SortFunc(stats.Counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Tenant, b.Tenant),
			cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Grant, b.Grant), cmp.Compare(a.Outcome, b.Outcome))
	})
	return stats
}

// Count is how many requests matched and came to an outcome. An empty outcome means any.
func (s *Simulator) Count(match Match, outcome string) int {
	return s.recorder.stats().Of(match, outcome)
}

// Requests are the last requests, oldest first.
func (s *Simulator) Requests() []Request {
	r := s.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Concat(r.log[r.next:], r.log[:r.next])
}

// ClearRecord forgets counts and log. Requests in flight still count as such.
func (s *Simulator) ClearRecord() {
	r := s.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts, r.most = map[countKey]int{}, maps.Clone(r.inFlight)
	r.log, r.next = r.log[:0], 0
}
