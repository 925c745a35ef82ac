package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// simulatorStart is how long the simulator may take to generate its keys and listen.
const simulatorStart = 20 * time.Second

// Simulator is a simulated eGain in a process of its own.
type Simulator struct {
	*egainsim.AdminClient
	Process     *Process
	Description egainsim.Description
}

// StartSimulator starts a simulator and waits until it serves. Its description, which holds its secrets, goes to a file that
// does not exist yet, and its output to a log file.
func StartSimulator(ctx context.Context, binary, file, log string, tokenLife time.Duration) (*Simulator, error) {
	p, err := StartProcess(ctx, log, nil, binary, "-description-file="+file, "-token-lifetime="+tokenLife.String())
	if err != nil {
		return nil, err
	}
	s := &Simulator{Process: p}
	err = Await(ctx, simulatorStart, "starting the simulator", func(context.Context) (bool, error) {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return false, p.Exited()
		}
		var err error
		s.Description, err = egainsim.ReadDescription(file)
		return true, err
	})
	if err == nil {
		s.AdminClient, err = egainsim.NewAdminClient(s.Description)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the simulator: %w", err), p.Stop())
	}
	return s, nil
}
