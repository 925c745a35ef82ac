// Package tcpproxy is a TCP proxy on the loopback interface that can be told to behave as a network that fails.
package tcpproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Mode is a way of treating connections.
type Mode string

// The modes.
const (
	// Forward passes everything on.
	Forward Mode = "forward"
	// Refuse closes the port and resets what is open, as a machine does on which a process was killed.
	Refuse Mode = "refuse"
	// Reset accepts connections and resets them at once, as a load balancer without a backend does. Unlike with Refuse, the
	// attempts can be counted.
	Reset Mode = "reset"
	// Stall passes nothing on and answers nothing, as a network that drops all packets. What is on its way goes on, late, when
	// the mode ends.
	Stall Mode = "stall"
)

// Proxy forwards connections to one address.
type Proxy struct {
	address, target string

	mu       sync.Mutex
	changed  *sync.Cond
	mode     Mode
	listener net.Listener
	// conns are both ends of what is open.
	conns    map[*net.TCPConn]struct{}
	attempts int
	delay    time.Duration
	closed   bool
}

// Start starts a proxy on a free port.
func Start(target string) (*Proxy, error) {
	p := &Proxy{target: target, mode: Forward, conns: map[*net.TCPConn]struct{}{}, address: "127.0.0.1:0"}
	p.changed = sync.NewCond(&p.mu)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.listen(); err != nil {
		return nil, err
	}
	p.address = p.listener.Addr().String()
	return p, nil
}

// Address is where the proxy listens; it stays the same.
func (p *Proxy) Address() string { return p.address }

// Attempts is how many connections were accepted since the start.
func (p *Proxy) Attempts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.attempts
}

// Set changes the mode.
func (p *Proxy) Set(mode Mode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
	p.changed.Broadcast()
	if mode == Refuse || mode == Reset {
		p.resetAll()
	}
	if mode == Refuse {
		return p.unlisten()
	}
	return p.listen()
}

// Delay has what the client sends arrive late: each piece by this time.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

func (p *Proxy) delayed() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay
}

// Close stops listening and resets what is open.
func (p *Proxy) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.changed.Broadcast()
	p.resetAll()
	return p.unlisten()
}

// listen opens the port unless it is open. The lock is held.
func (p *Proxy) listen() error {
	if p.listener != nil || p.closed {
		return nil
	}
	listener, err := net.Listen("tcp4", p.address) //nolint:noctx // Binding to the loopback interface does not take time.
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	p.listener = listener
	go p.serve(listener)
	return nil
}

// unlisten closes the port. The lock is held.
func (p *Proxy) unlisten() error {
	if p.listener == nil {
		return nil
	}
	err := p.listener.Close()
	p.listener = nil
	return err
}

// resetAll ends all connections as if the other side had died. The lock is held.
func (p *Proxy) resetAll() {
	for conn := range p.conns {
		reset(conn)
	}
}

func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

func (p *Proxy) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go p.handle(conn.(*net.TCPConn))
	}
}

func (p *Proxy) handle(client *net.TCPConn) {
	if !p.admit(client) {
		return
	}
	defer p.drop(client)
	if !p.pass() {
		return
	}
	conn, err := net.Dial("tcp4", p.target) //nolint:noctx // Connecting on the loopback interface does not take time.
	if err != nil {
		reset(client)
		return
	}
	server := conn.(*net.TCPConn)
	defer p.drop(server)
	if !p.track(server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, p.delayed) })
	both.Go(func() { p.copy(client, server, func() time.Duration { return 0 }) })
	both.Wait()
}

// admit counts a connection, and resets it unless the mode admits it.
func (p *Proxy) admit(conn *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts++
	if p.mode == Refuse || p.mode == Reset || p.closed {
		reset(conn)
		return false
	}
	p.conns[conn] = struct{}{}
	return true
}

func (p *Proxy) track(conn *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = struct{}{}
	return !p.closed
}

func (p *Proxy) drop(conn *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	_ = conn.Close()
}

// pass waits until something may be passed on; it returns false if that will not be.
func (p *Proxy) pass() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.mode == Stall && !p.closed {
		p.changed.Wait()
	}
	return !p.closed && p.mode == Forward
}

// copy passes on what one side sends until it ends.
func (p *Proxy) copy(to, from *net.TCPConn, delay func() time.Duration) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		time.Sleep(delay())
		if !p.pass() {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				_ = from.Close()
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = to.CloseWrite()
			return
		case err != nil:
			reset(to)
			return
		}
	}
}
