package metrics

import (
	"net/url"
	"strings"
	"sync"
)

const (
	// MaxHosts bounds the hosts that have label values of their own. All others share one.
	MaxHosts = 256
	// MaxHostsPerNamespace bounds those that the EgainClients of one namespace bring, by a tenant that they describe themselves.
	MaxHostsPerNamespace = 16
	// OtherHost is the label value of hosts beyond that.
	OtherHost = "other"
	// maxHost is the longest name of DNS with a port.
	maxHost = 253 + len(":65535")
	// maxStates bounds the pairs of egain_clients. The reasons of the operator are fewer; a status may have been written by others.
	maxStates = 256
)

// hosts are those that have label values of their own, by the namespace that brought them; empty for EgainTenants. It is safe for
// concurrent use.
type hosts struct {
	mu     sync.Mutex
	owners map[string]string
	shares map[string]int
}

// label is the label value of a host that something in a namespace uses.
func (h *hosts) label(namespace, host string) string {
	host = strings.ToLower(host)
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.owners[host]; known {
		return host
	}
	full := len(h.owners) >= MaxHosts || (namespace != "" && h.shares[namespace] >= MaxHostsPerNamespace)
	if full || host == "" || len(host) > maxHost {
		return OtherHost
	}
	if h.owners == nil {
		h.owners, h.shares = map[string]string{}, map[string]int{}
	}
	h.owners[host] = namespace
	h.shares[namespace]++
	return host
}

// known is the label value of a host that was used before.
func (h *hosts) known(host string) string {
	host = strings.ToLower(host)
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.owners[host]; known {
		return host
	}
	return OtherHost
}

// retain forgets the hosts that are not used any more, and returns them.
func (h *hosts) retain(used map[string]bool) (gone []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for host, namespace := range h.owners {
		if used[host] {
			continue
		}
		gone = append(gone, host)
		delete(h.owners, host)
		if h.shares[namespace]--; h.shares[namespace] == 0 {
			delete(h.shares, namespace)
		}
	}
	return gone
}

// addHosts adds the hosts of URLs to a set.
func addHosts(set map[string]bool, urls ...string) {
	for _, address := range urls {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			set[strings.ToLower(u.Host)] = true
		}
	}
}
