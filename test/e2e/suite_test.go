// Package e2e_test lives through a session as people and a cluster do: a user runs kubectl egain login and logs in at a real
// Chromium, and after that the operator's binary keeps the session on a real control plane, though it is killed again and
// again.
package e2e_test

import (
	"testing"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/browser"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// suite is what the tests share: a cluster with the operator installed, a user's terminal, an eGain and a browser.
type suite struct {
	*testbed.Installation
	sim     *egainsim.Simulator
	browser *browser.Browser
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{Installation: testbed.Install(t, "../.."), sim: testbed.StartSimulator(t, egainsim.Config{})}
	s.Create(testbed.CABundle(s.sim))
	var err error
	s.browser, err = browser.Start(t.Context(), s.sim.LoginURL(), s.sim.CABundle())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(s.browser.Close)
	return s
}
