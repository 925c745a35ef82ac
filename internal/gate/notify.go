package gate

import "time"

// locked calls f with the lock held and wakes clients after that.
func (g *Gate) locked(f func(now time.Time)) {
	g.mu.Lock()
	f(g.options.Now())
	woken := g.woken
	g.woken = nil
	g.mu.Unlock()
	for _, key := range woken {
		g.options.Wake(key)
	}
}

// grant keeps permits for all clients that may have one. It is the only place that does.
func (g *Gate) grant(now time.Time) {
	g.limits.expire(now)
	for c := g.order.pick(&g.limits, now); c != nil; c = g.order.pick(&g.limits, now) {
		q := c.queue
		c.queue.update(c, remove)
		c.state, c.since, c.probe = kept, now, q.line.open(c.App)
		if c.probe {
			g.order.rotate(c)
			q.line.next = now.Add(probeUnanswered)
		} else {
			q.line.pace = later(q.line.pace, now).Add(time.Second / recoveryRate)
		}
		q.line.underWay++
		g.limits.count(1, q.limits[c.probe])
		g.limits.count(1, q.starts)
		g.holders = append(g.holders, c)
		g.woken = append(g.woken, c.Key)
	}
}
