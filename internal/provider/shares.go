package provider

import (
	"slices"
	"sync"

	"k8s.io/utils/lru"
)

const (
	// maxShare bounds the CA bundles of the HTTP clients that one namespace, or one EgainTenant, brings, in bytes. Parsed, a bundle
	// takes several times that. It holds four of the largest, or 2,000 of one certificate.
	maxShare = 4 << 20
	// maxOwners bounds those whose clients are counted.
	maxOwners = 1024
)

// client identifies an HTTP client whose CA bundle has a size.
type client struct {
	tenant, trust string
	size          int
}

// shares bounds the memory that each owner of CA bundles takes up. The zero value is ready to use.
type shares struct {
	mu     sync.Mutex
	owners *lru.Cache // name to []client, the oldest first
	// gone are the clients that have to go, until add returns them.
	gone []client
}

// add counts a client to an owner, and returns those that have to go.
func (s *shares) add(owner string, c client) []client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owners == nil {
		s.owners = lru.NewWithEvictionFunc(maxOwners, func(_ lru.Key, all any) { s.gone = append(s.gone, all.([]client)...) })
	}
	all := s.of(owner)
	if slices.Contains(all, c) {
		return nil
	}
	s.gone = nil
	all = append(slices.Clone(all), c)
	for len(all) > 1 && total(all) > maxShare {
		s.gone, all = append(s.gone, all[0]), all[1:]
	}
	s.owners.Add(owner, all)
	return s.gone
}

// held is how many bytes an owner takes up.
func (s *shares) held(owner string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return total(s.of(owner))
}

func (s *shares) of(owner string) []client {
	all, _ := s.owners.Get(owner)
	counted, _ := all.([]client)
	return counted
}

func total(all []client) int {
	sum := 0
	for _, c := range all {
		sum += c.size
	}
	return sum
}
