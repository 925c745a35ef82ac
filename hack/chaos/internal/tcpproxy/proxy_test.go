package tcpproxy

import (
	"bufio"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// echo is a server that repeats what it hears, behind a proxy.
func echo(t *testing.T) *Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					_, _ = conn.Write(append(lines.Bytes(), '\n'))
				}
			}()
		}
	}()
	p, err := Start(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// say sends a line and returns what comes back within a time.
func say(conn net.Conn, line string, limit time.Duration) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(limit))
	if _, err := conn.Write([]byte(line + "\n")); err != nil {
		return "", err
	}
	return hear(conn)
}

func hear(conn net.Conn) (string, error) {
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return "", err
	}
	return answer[:len(answer)-1], nil
}

func set(t *testing.T, p *Proxy, mode Mode) {
	t.Helper()
	if err := p.Set(mode); err != nil {
		t.Fatal(err)
	}
}

func wantHeard(t *testing.T, conn net.Conn, line string) {
	t.Helper()
	if got, err := say(conn, line, 10*time.Second); err != nil || got != line {
		t.Errorf("said %q, heard %q, %v", line, got, err)
	}
}

func TestRefuseClosesThePortAndForwardOpensItAgain(t *testing.T) {
	t.Parallel()
	p := echo(t)
	conn := dial(t, p)
	wantHeard(t, conn, "before")
	set(t, p, Refuse)
	if _, err := say(conn, "during", 10*time.Second); err == nil {
		t.Error("an open connection went on")
	}
	if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", p.Address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling: %v", err)
	}
	set(t, p, Forward)
	wantHeard(t, dial(t, p), "after")
}

func TestResetCountsTheAttempts(t *testing.T) {
	t.Parallel()
	p := echo(t)
	set(t, p, Reset)
	for range 3 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", p.Address())
		if err != nil {
			continue // it was reset even before it was known to be open
		}
		if _, err := say(conn, "during", 10*time.Second); err == nil {
			t.Error("a connection was not reset")
		}
		_ = conn.Close()
	}
	if got := p.Attempts(); got != 3 {
		t.Errorf("%d attempts, want 3", got)
	}
}

func TestWhatStallsGoesOnLate(t *testing.T) {
	t.Parallel()
	p := echo(t)
	conn := dial(t, p)
	wantHeard(t, conn, "before")
	set(t, p, Stall)
	if _, err := say(conn, "during", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("during the stall: %v", err)
	}
	set(t, p, Forward)
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if got, err := hear(conn); err != nil || got != "during" {
		t.Errorf("heard %q, %v", got, err)
	}
}

func TestWhatIsDelayedArrivesLate(t *testing.T) {
	t.Parallel()
	p := echo(t)
	conn := dial(t, p)
	const delay = 100 * time.Millisecond
	p.Delay(delay)
	began := time.Now()
	wantHeard(t, conn, "late")
	if took := time.Since(began); took < delay {
		t.Errorf("it took %s, less than %s", took, delay)
	}
}
