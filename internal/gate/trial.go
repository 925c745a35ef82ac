package gate

import (
	"strconv"
	"time"
)

// refusedRetry is when credentials that a server refused are tried again although they did not change: a person may have fixed the
// client application at the server, which nothing reports.
const refusedRetry = 30 * time.Minute

// Credentials tell which requests a server accepts or refuses together. Until it accepts a version, one request at a time tries it.
// While it refuses a version, all requests with it wait.
type Credentials struct {
	// Group identifies the requests, such as those of an application with one flow; empty for requests that nothing is tried for.
	Group string
	// Version of the credentials.
	Version uint64
}

// trial is what is known of the credentials of a group.
type trial struct {
	// accepted is the version that was accepted last, and refused the one that was refused since; zero for none.
	accepted, refused uint64
	// since is when that was found out, and retry when the refused version is tried again.
	since, retry time.Time
	// cause is the refusal.
	cause error
	// asked is when a client last asked.
	asked time.Time
}

// Accepted is since when credentials are known to be accepted; zero if they are not.
func (g *Gate) Accepted(c Credentials) (since time.Time) {
	g.locked(func(time.Time) {
		if t := g.limits.trials[c.Group]; t != nil && t.accepted == c.Version {
			since = t.since
		}
	})
	return since
}

// tries is the limit of requests that try credentials.
func tries(c Credentials) []limit {
	if c.Group == "" {
		return nil
	}
	return []limit{{counter{trying, c.Group, strconv.FormatUint(c.Version, 10)}, 1}}
}

// refusal is that of credentials; nil if they are not refused.
func (m *limits) refusal(c Credentials) *trial {
	if t := m.trials[c.Group]; t != nil && t.refused == c.Version {
		return t
	}
	return nil
}

// holds reports whether requests with some credentials wait since they were refused.
func (m *limits) holds(c Credentials, now time.Time) bool {
	t := m.refusal(c)
	return t != nil && now.Before(t.retry)
}

// accepts reports whether credentials need no trial.
func (m *limits) accepts(c Credentials) bool {
	t := m.trials[c.Group]
	return t != nil && t.accepted == c.Version
}

// accept notes that the credentials of a request were accepted.
func (m *limits) accept(c *client, now time.Time) {
	if c.Group == "" || m.accepts(c.Credentials) || m.overtaken(c) {
		return
	}
	m.trials[c.Group] = &trial{accepted: c.Version, since: now, asked: now}
}

// refuse notes that the credentials of a request were refused.
func (m *limits) refuse(c *client, cause error, now time.Time) {
	if m.overtaken(c) {
		return
	}
	t := trial{refused: c.Version, since: now, retry: now.Add(refusedRetry), cause: cause, asked: now}
	if known := m.trials[c.Group]; known != nil && known.accepted != c.Version {
		t.accepted = known.accepted
	}
	m.trials[c.Group] = &t
}

// overtaken reports whether a request is older than what is known of another version.
func (m *limits) overtaken(c *client) bool {
	t := m.trials[c.Group]
	return t != nil && c.since.Before(t.since) && t.accepted != c.Version && t.refused != c.Version
}

// forget drops what is known of groups that no client asked for in a while.
func (m *limits) forget(now time.Time) {
	for group, t := range m.trials {
		if now.Sub(later(t.asked, t.retry)) > forgetAfter {
			delete(m.trials, group)
		}
	}
}
