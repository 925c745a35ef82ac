package egress

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"
	"sync"
	"testing"
)

// idle counts what a pool does with a client that it evicts.
type idle struct {
	http.RoundTripper
	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }

func keyOf(i uint32) [sha256.Size]byte {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], i)
	return sha256.Sum256(b[:])
}

func TestPoolEvictsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	p := newPool()
	transports := make([]idle, maxClients+1)
	get := func(i int) (made bool) {
		t.Helper()
		_, err := p.get(keyOf(uint32(i)), func() (*http.Client, error) {
			made = true
			return &http.Client{Transport: &transports[i]}, nil
		})
		if err != nil {
			t.Fatalf("getting client %d: %v", i, err)
		}
		return made
	}
	for i := range maxClients {
		get(i)
	}
	if get(0) {
		t.Fatal("a client of a full pool was made anew")
	}
	get(maxClients)
	if got := len(p.clients); got != maxClients {
		t.Errorf("the pool holds %d clients, want %d", got, maxClients)
	}
	for i := range transports {
		want := 0
		if i == 1 { // client 0 was used since
			want = 1
		}
		if got := transports[i].closed; got != want {
			t.Errorf("the idle connections of client %d were closed %d times, want %d", i, got, want)
		}
	}
	if !get(1) {
		t.Error("the least recently used client was kept")
	}
}

func TestPoolMakesOneClientForManyWhoAskTogether(t *testing.T) {
	t.Parallel()
	p := newPool()
	made := 0
	var clients [32]*http.Client
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			c, err := p.get(keyOf(1), func() (*http.Client, error) { made++; return &http.Client{}, nil })
			if err != nil {
				t.Errorf("getting a client: %v", err)
			}
			clients[i] = c
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("%d clients were made for one key", made)
	}
	for _, c := range clients {
		if c != clients[0] {
			t.Error("the clients of one key differ")
		}
	}
}

func TestPoolForgetsAFailure(t *testing.T) {
	t.Parallel()
	p := newPool()
	broken := errors.New("broken")
	if _, err := p.get(keyOf(1), func() (*http.Client, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("get fails with %v, want %v", err, broken)
	}
	if c, err := p.get(keyOf(1), func() (*http.Client, error) { return &http.Client{}, nil }); err != nil || c == nil {
		t.Errorf("get after a failure: %v, %v", c, err)
	}
}
