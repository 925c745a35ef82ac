package egainsim

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serve answers a call, as well as the faults allow. What became of it is recorded before its client can know.
func (s *Simulator) serve(ctx context.Context, w http.ResponseWriter, c *call) {
	c.fault = s.faults.take(c.labels)
	if c.fault == nil {
		a := c.route.answer(s, c)
		s.recorder.add(c, a)
		c.deliver(w, a)
		return
	}
	if gone := !s.wait(ctx, c.fault.Delay); gone || c.fault.Hang || c.fault.Drop {
		s.recorder.add(c, answer{outcome: OutcomeFault})
		leave(ctx, w, c.fault)
		return
	}
	c.now = s.now()
	a := s.faultyAnswer(c)
	s.recorder.add(c, a)
	c.fault.addHeaders(a.header, c.now)
	s.deliverBadly(ctx, w, c, a)
}

func (s *Simulator) faultyAnswer(c *call) answer {
	if c.fault.replaces() {
		return c.fault.replacement(c.labels.Endpoint)
	}
	return c.fault.mutate(c.route.answer(s, c))
}

// wait lets time pass. It reports false if the client went away before the end.
func (s *Simulator) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := s.timer.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// leave ends a call without an answer.
func leave(ctx context.Context, w http.ResponseWriter, fault *Fault) {
	if fault.Hang {
		<-ctx.Done()
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	reset(conn)
}

// reset closes a connection as a crashed server's kernel would: without the courtesies of TLS or TCP.
func reset(conn net.Conn) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// deliver writes an answer.
func (c *call) deliver(w http.ResponseWriter, a answer) {
	c.writeHeader(w, a, int64(len(a.body)))
	_, _ = w.Write(a.body)
}

func (c *call) writeHeader(w http.ResponseWriter, a answer, length int64) {
	header := w.Header()
	maps.Copy(header, a.header)
	// By the simulator's clock, so that a client which compares clocks sees the one that dates tokens.
	header.Set("Date", c.now.UTC().Format(http.TimeFormat))
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	w.WriteHeader(a.status)
}

// deliverBadly writes an answer as far and as fast as the fault allows.
func (s *Simulator) deliverBadly(ctx context.Context, w http.ResponseWriter, c *call, a answer) {
	if c.fault.Body == HugeBody {
		c.deliverHuge(w, a)
		return
	}
	c.writeHeader(w, a, int64(len(a.body)))
	if c.fault.Body == TruncatedBody {
		s.write(ctx, w, c.fault, a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	s.write(ctx, w, c.fault, a.body)
}

// write writes a body, a byte at a time if the fault is slow.
func (s *Simulator) write(ctx context.Context, w http.ResponseWriter, fault *Fault, body []byte) {
	if fault.ByteInterval <= 0 {
		_, _ = w.Write(body)
		return
	}
	flusher := http.NewResponseController(w)
	_ = flusher.Flush()
	for i := range body {
		if !s.wait(ctx, fault.ByteInterval) {
			return
		}
		_, _ = w.Write(body[i : i+1])
		_ = flusher.Flush()
	}
}

// deliverHuge streams valid JSON, which a client without a limit would read to the end.
func (c *call) deliverHuge(w http.ResponseWriter, a answer) {
	const start, end = `{"token_type":"Bearer","expires_in":3600,"access_token":"`, `"}`
	size := c.fault.Size
	if size == 0 {
		size = defaultHuge
	}
	size = max(size, int64(len(start)+len(end)))
	c.writeHeader(w, a, size)
	_, _ = w.Write([]byte(start))
	chunk := []byte(strings.Repeat("a", 32<<10))
	for left := size - int64(len(start)+len(end)); left > 0; left -= int64(len(chunk)) {
		if _, err := w.Write(chunk[:min(left, int64(len(chunk)))]); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte(end))
}
