// Package auditlog counts what an API server was asked for, by its audit log. It is pure except for reading the file.
package auditlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Policy has an API server log one line for each request of a user that was answered, and for no other user.
func Policy(user string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"audit.k8s.io/v1","kind":"Policy","omitStages":["RequestReceived","ResponseStarted"],`+
		`"rules":[{"level":"Metadata","users":[%q]},{"level":"None"}]}`, user)
}

// Call is what was asked for.
type Call struct {
	Verb string
	// Resource is resource.group or resource, with /subresource if there is one; the path if the request names none.
	Resource string
}

func (c Call) String() string { return c.Verb + " " + c.Resource }

// Writes reports whether it changes something.
func (c Call) Writes() bool { return c.Verb != "get" && c.Verb != "list" && c.Verb != "watch" }

// event is what is read of a line.
type event struct {
	Verb                     string
	Stage                    string
	RequestURI               string
	RequestReceivedTimestamp time.Time
	ObjectRef                *struct{ Resource, APIGroup, Subresource string }
}

func (e *event) call() Call {
	if e.ObjectRef == nil {
		return Call{e.Verb, e.RequestURI}
	}
	resource := e.ObjectRef.Resource
	if e.ObjectRef.APIGroup != "" {
		resource += "." + e.ObjectRef.APIGroup
	}
	if e.ObjectRef.Subresource != "" {
		resource += "/" + e.ObjectRef.Subresource
	}
	return Call{e.Verb, resource}
}

// Count counts the requests that were received in a time. The last line may be half written, and is then left out.
func Count(r io.Reader, from, to time.Time) (map[Call]int, error) {
	counts := map[Call]int{}
	lines := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF):
			return counts, nil
		case err != nil:
			return nil, fmt.Errorf("reading the audit log: %w", err)
		case len(bytes.TrimSpace(line)) == 0:
			continue
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		at := e.RequestReceivedTimestamp
		if e.Stage == "ResponseComplete" && !at.Before(from) && at.Before(to) {
			counts[e.call()]++
		}
	}
}
