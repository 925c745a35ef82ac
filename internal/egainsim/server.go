package egainsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
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

// maxPorts is how many main ports are tried until one is free at ElsewhereHost too.
const maxPorts = 10

// listener is the simulator's place on the network: a main port, one for every deployment, and if users of some tenant log
// in elsewhere, the main port at ElsewhereHost.
type listener struct {
	mu     sync.Mutex
	server *http.Server
	// serving are the sockets that are served until the server is closed.
	serving sync.WaitGroup
	port    atomic.Int32
	// elsewhere reports whether ElsewhereHost is served.
	elsewhere bool
	// generation counts what connections must be new for.
	generation atomic.Int32
}

// Start serves TLS on addr, whose host is localhost or 127.0.0.1 and whose port may be 0. A simulator that was closed
// can be started again, also on its former port: it still knows the tokens that it issued. Deployments keep their ports.
func (s *Simulator) Start(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("reading the address: %w", err)
	}
	if host != loginHost && host != apiHost {
		return fmt.Errorf("address %q is not on localhost or 127.0.0.1, the only hosts served", addr)
	}
	return s.server.start(addr, s)
}

func (l *listener) start(addr string, s *Simulator) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server != nil {
		return errors.New("the simulator is started already")
	}
	sockets, err := listenAll(addr, s.deployed())
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           s,
		TLSConfig:         s.authority.tlsConfig(),
		ReadHeaderTimeout: 10 * time.Second,
		Protocols:         new(http.Protocols),
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, generationKey{}, l.generation.Load())
		},
	}
	// A fault acts on a connection, which HTTP/2 would share between unconcerned requests.
	server.Protocols.SetHTTP1(true)
	l.port.Store(portOf(sockets.main))
	l.server, l.elsewhere = server, sockets.elsewhere != nil
	sockets.assign()
	l.serve(sockets.all()...)
	return nil
}

// serve serves sockets until the server is closed. The lock is held.
func (l *listener) serve(sockets ...net.Listener) {
	server := l.server
	for _, socket := range sockets {
		l.serving.Go(func() { _ = server.ServeTLS(socket, "", "") })
	}
}

// whileAdding registers a tenant, and if the simulator is started, serves the tenant's deployment.
func (l *listener) whileAdding(t *Tenant, register func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server == nil || t.config.Deployment == nil {
		return register()
	}
	sockets := socketSet{}
	err := sockets.addDeployment(t)
	if err == nil && t.config.Deployment.UsersElsewhere && !l.elsewhere {
		sockets.elsewhere, err = listenElsewhere(l.port.Load())
	}
	if err == nil {
		sockets.assign()
		err = register()
	}
	if err != nil {
		sockets.close()
		return err
	}
	l.elsewhere = l.elsewhere || sockets.elsewhere != nil
	l.serve(sockets.all()...)
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
	l.serving.Wait()
	l.server, l.elsewhere = nil, false
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

// deployed are the tenants with a Deployment.
func (s *Simulator) deployed() []*Tenant {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.deployments)
}

// url leaves the port out until there is one, so that a Simulator serves as a bare http.Handler too.
func (l *listener) url(host string) string {
	if port := l.port.Load(); port != 0 {
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	return "https://" + host
}
