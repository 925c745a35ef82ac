package egress

import (
	"crypto/sha256"
	"net/http"
	"sync"
)

// maxClients bounds how many profiles have a client. Beyond it they take turns, each making its connections and counting
// its limits anew, so it is well above the tenants of one cluster. Idle connections are closed after a minute anyway.
const maxClients = 1024

// pool keeps one client per profile; the least recently used ones go first.
type pool struct {
	mu      sync.Mutex
	turn    uint64 // grows with every use
	clients map[[sha256.Size]byte]*pooled
}

type pooled struct {
	client *http.Client
	used   uint64
}

func newPool() *pool {
	return &pool{clients: map[[sha256.Size]byte]*pooled{}}
}

// get returns the client of a key, which it makes if there is none. It makes one at a time, so that those who ask for one
// key together share one client.
func (p *pool) get(key [sha256.Size]byte, newClient func() (*http.Client, error)) (*http.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	if c, ok := p.clients[key]; ok {
		c.used = p.turn
		return c.client, nil
	}
	client, err := newClient()
	if err != nil {
		return nil, err
	}
	p.clients[key] = &pooled{client: client, used: p.turn}
	p.evict()
	return client, nil
}

func (p *pool) evict() {
	if len(p.clients) <= maxClients {
		return
	}
	var oldest [sha256.Size]byte
	least := p.turn
	for key, c := range p.clients {
		if c.used < least {
			oldest, least = key, c.used
		}
	}
	p.clients[oldest].client.CloseIdleConnections()
	delete(p.clients, oldest)
}
