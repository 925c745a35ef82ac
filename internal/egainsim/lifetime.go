package egainsim

import (
	"fmt"
	"time"
)

// lifetimes are how long tokens of a kind live: for every tenant, or for those that have one of their own.
type lifetimes struct {
	common   time.Duration
	byTenant map[string]time.Duration
}

func newLifetimes(common time.Duration) *lifetimes {
	return &lifetimes{common: common, byTenant: map[string]time.Duration{}}
}

// set is about every tenant without a life of its own if the id is empty.
func (l *lifetimes) set(tenantID string, lifetime time.Duration) {
	if tenantID == "" {
		l.common = lifetime
		return
	}
	l.byTenant[tenantID] = lifetime
}

func (l *lifetimes) of(t *Tenant) time.Duration {
	if lifetime, ok := l.byTenant[t.config.ID]; ok {
		return lifetime
	}
	return l.common
}

// SetLifetime sets the life of access tokens issued from now on, for every tenant without a life of its own.
func (s *Simulator) SetLifetime(lifetime time.Duration) error {
	return s.setLifetime(s.accessLifetimes, "", lifetime)
}

// SetTenantLifetime sets the life of access tokens that one tenant issues from now on.
func (s *Simulator) SetTenantLifetime(tenantID string, lifetime time.Duration) error {
	if err := s.checkTenant(tenantID); err != nil {
		return err
	}
	return s.setLifetime(s.accessLifetimes, tenantID, lifetime)
}

// SetRefreshLifetime sets the life of refresh tokens that a tenant issues from now on. An empty id means every tenant
// without a life of its own.
func (s *Simulator) SetRefreshLifetime(tenantID string, lifetime time.Duration) error {
	if tenantID != "" {
		if err := s.checkTenant(tenantID); err != nil {
			return err
		}
	}
	return s.setLifetime(s.refreshLifetimes, tenantID, lifetime)
}

func (s *Simulator) checkTenant(id string) error {
	if s.Tenant(id) == nil {
		return fmt.Errorf("no tenant %q", id)
	}
	return nil
}

func (s *Simulator) setLifetime(kind *lifetimes, tenantID string, lifetime time.Duration) error {
	if err := checkLifetime(lifetime); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kind.set(tenantID, lifetime)
	return nil
}

// checkLifetime holds lifetimes to whole seconds, since expires_in and exp have no finer unit.
func checkLifetime(lifetime time.Duration) error {
	if lifetime < time.Second || lifetime%time.Second != 0 {
		return fmt.Errorf("lifetime %s is not a positive number of whole seconds", lifetime)
	}
	return nil
}

func (s *Simulator) lifetimeOf(kind *lifetimes, t *Tenant) time.Duration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return kind.of(t)
}
