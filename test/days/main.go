// Command days plays thirty days of 10,000 EgainClients in minutes, with hosts that fail and an operator that restarts. It
// decides with the operator's own code: rotation.Decide says what to do and when to reconcile again, fault.Error.RetryTime when
// to retry a failed request, gate.Gate which client may send now, and status.Wake when a queued client polls. Kubernetes and the
// network are left out, and a clock of its own runs as fast as it can. Nothing in it is random, so that each run has the same
// figures. It fails if one is out of its bound.
package main

import (
	"flag"
	"os"
	"time"
)

// herdLives are enough for clients that march in step to meet again.
const herdLives = 120

func main() {
	var s scenario
	flag.IntVar(&s.clients, "clients", 10_000, "how many EgainClients there are")
	days := flag.Int("days", 30, "how many days are played, at least 2: the first, in which some live their first life, is left out of the busiest minute")
	flag.Parse()
	if flag.NArg() > 0 || s.clients < 1 || *days < 2 {
		flag.Usage()
		os.Exit(2)
	}
	s.length = time.Duration(*days) * day
	f := measure(s, herdLives)
	f.print(os.Stdout)
	if len(f.broken()) > 0 {
		os.Exit(1)
	}
}
