package main

import (
	"context"
	"net/http"
	"time"

	"github.com/egain-operator/egain-operator/hack/chaos/internal/report"
	"github.com/egain-operator/egain-operator/hack/chaos/internal/tcpproxy"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// soon bounds a recovery: once a provider is well again, its clients are within seconds.
const soon = 10 * time.Second

// tries is how often a client may fail in a time: with a token that is about to expire, every two seconds.
func tries(d time.Duration) float64 { return d.Seconds()/2 + 1 }

func providerScenarios(life time.Duration) []scenario {
	return concat("provider", life, answers(), networks(life), promises())
}

// concat completes scenarios of a group.
func concat(group string, life time.Duration, lists ...[]scenario) []scenario {
	var all []scenario
	for _, list := range lists {
		for _, s := range list {
			s.group, s.life = group, life
			all = append(all, s)
		}
	}
	return all
}

// answers are the scenarios in which the provider's answers are no tokens.
func answers() []scenario {
	const limit = 5 * time.Second
	var all []scenario
	for _, a := range []struct {
		name  string
		short bool
		fault egainsim.Fault
	}{
		{"HTTP 503 in bursts", true, egainsim.Fault{Status: http.StatusServiceUnavailable}},
		{"HTTP 500 in bursts", false, egainsim.Fault{Status: http.StatusInternalServerError, Body: egainsim.EmptyBody}},
		{"HTTP 429 with Retry-After in seconds", false, egainsim.Fault{Status: http.StatusTooManyRequests, RetryAfter: limit}},
		{"HTTP 429 with Retry-After as a date", false, egainsim.Fault{Status: http.StatusTooManyRequests, RetryAfter: limit, RetryAfterDate: true}},
		{"HTTP 503 with Retry-After in seconds", false, egainsim.Fault{Status: http.StatusServiceUnavailable, RetryAfter: limit}},
		{"HTTP 503 with Retry-After as a date", false, egainsim.Fault{Status: http.StatusServiceUnavailable, RetryAfter: limit, RetryAfterDate: true}},
	} {
		all = append(all, scenario{
			name: a.name, short: a.short, run: steps(atRenewal, bursts(a.fault)),
			expect: report.Expectation{Recovery: soon, Failed: tries(limit)},
		})
	}
	for _, a := range []struct {
		name  string
		fault egainsim.Fault
	}{
		{"answers that are truncated", egainsim.Fault{Body: egainsim.TruncatedBody}},
		{"answers that are HTML", egainsim.Fault{Body: egainsim.HTMLBody}},
		{"answers that are empty", egainsim.Fault{Body: egainsim.EmptyBody}},
		{"answers of 64 MiB", egainsim.Fault{Body: egainsim.HugeBody}},
		{"answers at one byte per second", egainsim.Fault{ByteInterval: time.Second}},
		{"requests that are never answered", egainsim.Fault{Hang: true}},
	} {
		expect := brief()
		if a.fault.ByteInterval > 0 || a.fault.Body == egainsim.TruncatedBody {
			expect.Extra = 1 // The provider issues tokens whose answers do not come through whole.
		}
		all = append(all, scenario{name: a.name + ", for 30 % of a life", run: steps(atRenewal, misbehave(a.fault), healthy), expect: expect})
	}
	return all
}

// brief is what is expected of an outage of 30 % of a life: no token expires.
func brief() report.Expectation {
	return report.Expectation{Recovery: soon, Failed: tries(longLife * 3 / 10)}
}

// networks are the scenarios in which the provider cannot be reached.
func networks(life time.Duration) []scenario {
	long := brief()
	long.Longest, long.Because = 3*life+soon, "the provider is down for three lives"
	long.Failed, long.Peak = tries(3*life), 60
	lost := brief()
	// Requests that the network held up arrive all the same, when no one waits for their answers any more: as many as are under way to
	// a host at once by the operator's default, and once, since the circuit is open after them. How many are on a connection that
	// was there before, so that they can arrive, is chance.
	lost.Extra = 16. / clientsPerTenant
	lostByOne := lost
	lostByOne.Extra /= 3
	crowd := long
	// One request at a time, of one client for all: five to open the circuit, some more that were under way, and then one
	// each two seconds. 200 come back in a second, and a few by the burst.
	crowd.Failed, crowd.Peak = (16+3*life.Seconds()/2)/1000, 250
	return []scenario{
		{name: "connections refused for 30 % of a life", short: true, run: steps(atRenewal, cut(tcpproxy.Refuse, 0.3), healthy), expect: brief()},
		{name: "connections reset for 30 % of a life, twice", run: steps(atRenewal, cut(tcpproxy.Reset, 0.3), healthy, cut(tcpproxy.Reset, 0.3)), expect: brief()},
		{name: "packets lost for 30 % of a life", run: steps(atRenewal, cut(tcpproxy.Stall, 0.3), healthy), expect: lost},
		{name: "connections reset for three lives", run: steps(cut(tcpproxy.Reset, 3)), expect: long},
		{name: "connections of 1,000 clients of one tenant reset for three lives", alone: true, crowd: 1000, run: steps(cut(tcpproxy.Reset, 3)), expect: crowd},
		{
			name: "ten tenants of thirteen never answer, for one and a half lives", arrange: addOthers(10),
			run: steps(atRenewal, stallOthers, deleteOthers), expect: report.Expectation{Recovery: soon},
		},
		{name: "one tenant of three cannot be reached for 30 % of a life", run: steps(atRenewal, cutFirst(tcpproxy.Stall), healthy), expect: lostByOne},
		{name: "name not found for 30 % of a life", alone: true, run: steps(atRenewal, forget, healthy), expect: brief()},
		{name: "certificate of another authority, for 30 % of a life", run: steps(atRenewal, certify(egainsim.Certificate{Untrusted: true}), healthy), expect: brief()},
		{name: "certificate that has expired, for 30 % of a life", run: steps(atRenewal, certify(egainsim.Certificate{NotAfter: time.Now().Add(-time.Minute)}), healthy), expect: brief()},
	}
}

// promises are the scenarios in which tokens live otherwise than was said.
func promises() []scenario {
	return []scenario{
		{
			name: "all tokens revoked early", run: steps(wait(2*time.Second), revoke),
			expect: report.Expectation{
				Longest: longLife * 2 / 3, Recovery: longLife * 2 / 3,
				Because: "the operator is not notified: the next renewal replaces the tokens",
			},
		},
		{
			name: "lives shrink from 60 s to 15 s", run: shrink(15 * time.Second),
			// Those of 15 s are replaced after 6 to 7.5 s, and so ten times in a minute instead of once or twice.
			expect: report.Expectation{Recovery: soon, Extra: 12},
		},
		{name: "clock 30 s ahead", arrange: skew(30 * time.Second), run: steps(healthy, healthy), expect: report.Expectation{Recovery: soon}},
		{name: "clock 30 s behind", arrange: skew(-30 * time.Second), run: steps(healthy, healthy), expect: report.Expectation{Recovery: soon}},
	}
}

// fault has the token endpoints of all tenants misbehave for a time.
func (l *lane) fault(ctx context.Context, f egainsim.Fault, d time.Duration) error {
	l.struck()
	if err := l.sim.SetFault(ctx, egainsim.Match{Endpoint: egainsim.TokenEndpoint}, f); err != nil {
		return err
	}
	if err := l.hold(ctx, d); err != nil {
		return err
	}
	defer l.repaired()
	return l.sim.ClearFaults(ctx)
}

// bursts has a fault come and go every five seconds.
func bursts(f egainsim.Fault) func(context.Context, *lane) error {
	burst := func(ctx context.Context, l *lane) error { return l.fault(ctx, f, 5*time.Second) }
	return steps(burst, wait(5*time.Second), burst, wait(5*time.Second), burst)
}

func misbehave(f egainsim.Fault) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error { return l.fault(ctx, f, l.outage()) }
}

// cut breaks the networks of all tenants for a part of a life.
func cut(mode tcpproxy.Mode, part float64) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		return l.cut(ctx, l.tenants, mode, time.Duration(part*float64(l.life)))
	}
}

// cutFirst breaks the network of one tenant.
func cutFirst(mode tcpproxy.Mode) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error { return l.cut(ctx, l.tenants[:1], mode, l.outage()) }
}

func (l *lane) cut(ctx context.Context, tenants []*tenant, mode tcpproxy.Mode, d time.Duration) error {
	l.struck()
	for _, t := range tenants {
		l.attempts -= t.network.Attempts()
		if err := t.network.Set(mode); err != nil {
			return err
		}
	}
	if err := l.hold(ctx, d); err != nil {
		return err
	}
	defer l.repaired()
	for _, t := range tenants {
		l.attempts += t.network.Attempts()
		if err := t.network.Set(tcpproxy.Forward); err != nil {
			return err
		}
	}
	return nil
}

// certify has the simulator use another certificate for 30 % of a life.
func certify(c egainsim.Certificate) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		l.struck()
		if err := l.sim.SetCertificate(ctx, c); err != nil {
			return err
		}
		if err := l.hold(ctx, l.outage()); err != nil {
			return err
		}
		defer l.repaired()
		return l.sim.SetCertificate(ctx, egainsim.Certificate{})
	}
}

func revoke(ctx context.Context, l *lane) error {
	l.struck()
	defer l.repaired()
	return l.each(ctx, func(ctx context.Context, c *tokenClient) error {
		_, err := l.sim.RevokeAll(ctx, c.id)
		return err
	})
}

// shrink has tokens live shorter for twice as long as they lived before.
func shrink(to time.Duration) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		l.struck()
		if err := l.sim.SetLifetime(ctx, "", to); err != nil {
			return err
		}
		if err := l.hold(ctx, 2*l.life); err != nil {
			return err
		}
		defer l.repaired()
		return l.sim.SetLifetime(ctx, "", l.life)
	}
}

func skew(by time.Duration) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error { return l.sim.SetClockSkew(ctx, by) }
}
