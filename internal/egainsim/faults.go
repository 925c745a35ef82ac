package egainsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Match says which requests something is about: those whose labels equal all of its own that are not empty.
type Match = Labels

func (l Labels) matches(other Labels) bool {
	return (l.Endpoint == "" || l.Endpoint == other.Endpoint) &&
		(l.Tenant == "" || l.Tenant == other.Tenant) &&
		(l.ClientID == "" || l.ClientID == other.ClientID) &&
		(l.Grant == "" || l.Grant == other.Grant)
}

// BodyFault is a way in which the body of an answer is wrong.
type BodyFault string

// The ways.
const (
	// EmptyBody is no body at all.
	EmptyBody BodyFault = "empty"
	// HTMLBody is a page such as a gateway shows.
	HTMLBody BodyFault = "html"
	// MalformedBody claims to be JSON and is not.
	MalformedBody BodyFault = "malformed"
	// TruncatedBody is half of the answer that was due, after which the connection ends.
	TruncatedBody BodyFault = "truncated"
	// HugeBody is a JSON document of Size bytes.
	HugeBody BodyFault = "huge"
)

// defaultHuge is more than anybody should read.
const defaultHuge = 64 << 20

// Fault is a misbehaviour. Its fields add up: a 503 can be late, slow and have a Retry-After.
type Fault struct {
	// Times is how many requests it is for. Zero means every one until the faults are cleared.
	Times int `json:"times,omitempty"`
	// Delay passes before anything is done about the request.
	Delay time.Duration `json:"-"`
	// Hang never answers. It ends when the client goes away.
	Hang bool `json:"hang,omitempty"`
	// Drop closes the connection without an answer.
	Drop bool `json:"drop,omitempty"`
	// Status answers so, instead of doing what was asked. Without Body and Text, the answer is an OAuth error, or at the API
	// an error of eGain's, such as 429-001.
	Status int `json:"status,omitempty"`
	// Error is the code of that OAuth error. The default is temporarily_unavailable.
	Error string `json:"error,omitempty"`
	// Location redirects there, with status 302 unless Status has another.
	Location string `json:"location,omitempty"`
	// RetryAfter is sent in that header, in seconds, or as a date if RetryAfterDate is set.
	RetryAfter     time.Duration `json:"-"`
	RetryAfterDate bool          `json:"retryAfterDate,omitempty"`
	// Header is added to the answer, and replaces what is there.
	Header map[string]string `json:"header,omitempty"`
	// Body spoils the body. All but TruncatedBody take the place of an answer.
	Body BodyFault `json:"body,omitempty"`
	// Size is that of a huge body. The default is 64 MiB.
	Size int64 `json:"size,omitempty"`
	// Text takes the place of an answer.
	Text string `json:"text,omitempty"`
	// ByteInterval passes before each byte of the body.
	ByteInterval time.Duration `json:"-"`
	// Set replaces members of a JSON answer that grants something: any JSON for expires_in, another token_endpoint.
	Set map[string]json.RawMessage `json:"set,omitempty"`
	// Omit leaves members of such an answer out.
	Omit []string `json:"omit,omitempty"`
	// Claims replaces claims of an issued JWT, or with null leaves them out. The API honours the exp claim so made.
	Claims map[string]json.RawMessage `json:"claims,omitempty"`
}

// activeFault is a fault in force.
type activeFault struct {
	match Match
	fault Fault
	// left is how many requests it is yet for, if there is a limit.
	left int
}

// faultList holds the faults in the order in which they were set.
type faultList struct {
	mu     sync.Mutex
	active []activeFault
}

// SetFault has requests misbehave that match. Of several faults that a request matches, the one that was set first
// counts; once used up, it makes way for the next.
func (s *Simulator) SetFault(match Match, fault Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = append(s.faults.active, activeFault{match: match, fault: fault, left: fault.Times})
}

// ClearFaults ends all faults. Requests that hang already go on doing so.
func (s *Simulator) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = nil
}

// take is the fault for a request, or nil.
func (l *faultList) take(labels Labels) *Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.active, func(a activeFault) bool { return a.match.matches(labels) })
	if i < 0 {
		return nil
	}
	fault := l.active[i].fault
	if fault.Times > 0 {
		l.active[i].left--
		if l.active[i].left == 0 {
			l.active = slices.Delete(l.active, i, i+1)
		}
	}
	return &fault
}

func (f *Fault) claims() map[string]json.RawMessage {
	if f == nil {
		return nil
	}
	return f.Claims
}

// replaces reports whether the fault answers in the place of the endpoint.
func (f *Fault) replaces() bool {
	spoils := f.Body != "" && f.Body != TruncatedBody
	return f.Status != 0 || f.Error != "" || f.Location != "" || f.Text != "" || spoils
}

// replacement is the answer in the place of the endpoint's.
func (f *Fault) replacement(endpoint Endpoint) answer {
	status := f.Status
	if status == 0 {
		status = f.naturalStatus()
	}
	a := f.document(endpoint, status)
	a.status, a.outcome = status, OutcomeFault
	if f.Location != "" {
		a.header.Set("Location", f.Location)
	}
	return a
}

func (f *Fault) naturalStatus() int {
	switch {
	case f.Location != "":
		return http.StatusFound
	case f.Error != "":
		return refuse(f.Error, "").status
	default:
		return http.StatusOK
	}
}

const gatewayPage = "<!DOCTYPE html>\n<html><head><title>Gateway</title></head>" +
	"<body><h1>Something went wrong</h1></body></html>\n"

func (f *Fault) document(endpoint Endpoint, status int) answer {
	a := answer{header: jsonHeader()}
	switch f.Body {
	case HTMLBody:
		a.header.Set("Content-Type", "text/html; charset=utf-8")
		a.body = []byte(gatewayPage)
		return a
	case MalformedBody:
		a.body = []byte(`{"access_token":"never","token_type":`)
		return a
	case EmptyBody, HugeBody, TruncatedBody:
		return a
	}
	if f.Text != "" {
		a.header.Set("Content-Type", "text/plain; charset=utf-8")
		a.body = []byte(f.Text)
		return a
	}
	if f.Location != "" {
		return a
	}
	code := f.Error
	if code == "" {
		code = unavailable
	}
	refusal := refuseWith(status, code, "a fault was asked for")
	if endpoint == APIEndpoint {
		return answerAPIError(refusal)
	}
	return answerError(refusal)
}

// mutate changes the members of a JSON answer that grants something.
func (f *Fault) mutate(a answer) answer {
	if a.outcome != OutcomeOK || len(f.Set)+len(f.Omit) == 0 {
		return a
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(a.body, &members) != nil {
		return a
	}
	maps.Copy(members, f.Set)
	for _, name := range f.Omit {
		delete(members, name)
	}
	mutated, err := json.Marshal(members)
	if err != nil {
		return answerError(fmt.Errorf("mutating an answer: %w", err))
	}
	a.body = mutated
	return a
}

// addHeaders adds what the fault wants in the header.
func (f *Fault) addHeaders(header http.Header, now time.Time) {
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64(f.RetryAfter/time.Second), 10))
		if f.RetryAfterDate {
			header.Set("Retry-After", now.Add(f.RetryAfter).UTC().Format(http.TimeFormat))
		}
	}
	for name, value := range f.Header {
		header.Set(name, value)
	}
}

// faultJSON is a Fault with its durations in words.
type faultJSON struct {
	plainFault
	Delay        duration `json:"delay,omitzero"`
	RetryAfter   duration `json:"retryAfter,omitzero"`
	ByteInterval duration `json:"byteInterval,omitzero"`
}

// plainFault has none of Fault's methods, which would call themselves for ever.
type plainFault Fault

// MarshalJSON writes durations as in "1m30s".
func (f Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(faultJSON{
		plainFault: plainFault(f), Delay: duration(f.Delay), RetryAfter: duration(f.RetryAfter),
		ByteInterval: duration(f.ByteInterval),
	})
}

// UnmarshalJSON reads durations as in "1m30s".
func (f *Fault) UnmarshalJSON(data []byte) error {
	var read faultJSON
	if err := decodeStrictly(data, &read); err != nil {
		return err
	}
	*f = Fault(read.plainFault)
	f.Delay, f.RetryAfter = time.Duration(read.Delay), time.Duration(read.RetryAfter)
	f.ByteInterval = time.Duration(read.ByteInterval)
	return nil
}

// duration is in JSON as time.Duration prints itself.
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}
