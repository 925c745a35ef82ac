package egainsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// loginHost and apiHost are two names of the loopback interface, so that a token sent to the wrong one shows.
	loginHost = "localhost"
	apiHost   = "127.0.0.1"
)

// listener is the simulator's place on the network.
type listener struct {
	mu     sync.Mutex
	server *http.Server
	done   chan struct{}
	port   atomic.Int32
	// generation counts what connections must be new for.
	generation atomic.Int32
}

// Start serves TLS on addr, whose host is localhost or 127.0.0.1 and whose port may be 0. A simulator that was closed
// can be started again, also on its former port: it still knows the tokens that it issued.
func (s *Simulator) Start(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("reading the address: %w", err)
	}
	if host != loginHost && host != apiHost {
		return fmt.Errorf("address %q is not on localhost or 127.0.0.1, the only hosts served", addr)
	}
	return s.server.start(addr, s, s.authority.tlsConfig())
}

func (l *listener) start(addr string, handler http.Handler, config *tls.Config) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server != nil {
		return errors.New("the simulator is started already")
	}
	// The API's URL has the IPv4 address in it, so the name localhost must not come to mean ::1 here.
	socket, err := net.Listen("tcp4", addr) //nolint:noctx // Binding to the loopback interface does not take time.
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		Protocols:         new(http.Protocols),
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, generationKey{}, l.generation.Load())
		},
	}
	// A fault acts on a connection, which HTTP/2 would share between unconcerned requests.
	server.Protocols.SetHTTP1(true)
	l.port.Store(int32(socket.Addr().(*net.TCPAddr).Port)) //nolint:gosec // A port fits.
	l.server, l.done = server, make(chan struct{})
	go func() {
		defer close(l.done)
		_ = server.ServeTLS(socket, "", "")
	}()
	return nil
}

// Close stops listening and closes every connection, which ends the requests in flight.
func (s *Simulator) Close() error {
	l := &s.server
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server == nil {
		return nil
	}
	err := l.server.Close()
	<-l.done
	l.server = nil
	return err
}

// generationKey is where the context of a connection has the generation that it is of.
type generationKey struct{}

// newGeneration has every connection that there is serve one more request at most.
func (l *listener) newGeneration() { l.generation.Add(1) }

// current reports whether a request came over a connection of the current generation, or over none of this listener.
func (l *listener) current(r *http.Request) bool {
	generation, ok := r.Context().Value(generationKey{}).(int32)
	return !ok || generation == l.generation.Load()
}

// LoginURL is the base URL of the authorization server.
func (s *Simulator) LoginURL() string { return s.server.url(loginHost) }

// APIURL is the base URL of the API.
func (s *Simulator) APIURL() string { return s.server.url(apiHost) }

// url leaves the port out until there is one, so that a Simulator serves as a bare http.Handler too.
func (l *listener) url(host string) string {
	if port := l.port.Load(); port != 0 {
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	return "https://" + host
}

// hostOf is the name that a request asks for, without a port.
func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}
