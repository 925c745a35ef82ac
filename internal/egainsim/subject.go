package egainsim

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Subject is a user or a customer of a tenant. A user has a user name and an id, a customer has an email address.
type Subject struct {
	Actor    Actor  `json:"actor"`
	Username string `json:"username,omitempty"`
	UserID   string `json:"userID,omitempty"`
	Email    string `json:"email,omitempty"`
	// Password is what the subject logs in with at the login page. Without one, it cannot.
	Password string `json:"password,omitempty"`
}

// Name is the sub claim of the subject's tokens: the user name of a user, the email address of a customer.
func (s Subject) Name() string {
	if s.Actor == Customer {
		return s.Email
	}
	return s.Username
}

// logsInAs reports whether the name and the password at a login page are the subject's.
func (s Subject) logsInAs(name, password string) bool {
	return s.Password != "" && s.Name() == name && subtle.ConstantTimeCompare([]byte(s.Password), []byte(password)) == 1
}

// called reports whether the subject goes by a name.
func (s Subject) called(name string) bool {
	return name != "" && (s.Username == name || s.UserID == name || s.Email == name)
}

func (s Subject) check() error {
	if s.Actor != User && s.Actor != Customer {
		return fmt.Errorf("actor %q is neither user nor customer", s.Actor)
	}
	if s.Name() == "" {
		return errors.New("a user needs a user name, a customer an email address")
	}
	return nil
}

// AddSubject makes one more user or customer known to a tenant.
func (s *Simulator) AddSubject(tenantID string, subject Subject) error {
	if err := subject.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[tenantID]
	if t == nil {
		return fmt.Errorf("no tenant %q", tenantID)
	}
	t.subjects = append(t.subjects, subject)
	return nil
}

// Subjects are the users and customers that the tenant knows.
func (t *Tenant) Subjects() []Subject {
	t.sim.mu.RLock()
	defer t.sim.mu.RUnlock()
	return slices.Clone(t.subjects)
}

// find is the subject of an actor that satisfies is.
func (t *Tenant) find(actor Actor, is func(Subject) bool) (Subject, bool) {
	t.sim.mu.RLock()
	defer t.sim.mu.RUnlock()
	i := slices.IndexFunc(t.subjects, func(s Subject) bool { return s.Actor == actor && is(s) })
	if i < 0 {
		return Subject{}, false
	}
	return t.subjects[i], true
}

// MapSubject says which user or customer an external identity is: sub is the sub claim of its tokens, or the beginning
// of one followed by *, as in system:serviceaccount:team-a:*, of which the longest match counts. The name is a user
// name, user id or email address. An identity that is not mapped goes by its own sub.
func (s *Simulator) MapSubject(sub, name string) error {
	if strings.Trim(sub, "*") == "" || name == "" {
		return errors.New("a mapping needs a sub and a name")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.externalNames[sub] = name
	return nil
}

// localName is the name in eGain of an external identity.
func (s *Simulator) localName(sub string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if name, ok := s.externalNames[sub]; ok {
		return name
	}
	local, longest := sub, 0
	for pattern, name := range s.externalNames {
		prefix, isPattern := strings.CutSuffix(pattern, "*")
		if isPattern && strings.HasPrefix(sub, prefix) && len(prefix) > longest {
			local, longest = name, len(prefix)
		}
	}
	return local
}
