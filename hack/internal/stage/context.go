package stage

import (
	"context"
	"errors"
	"os"
	"time"
)

// WhileParentLives returns a context that also ends with the process that started this one: `go run` does not pass SIGTERM
// on, and what it leaves behind would run for ever.
func WhileParentLives(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	parent := os.Getppid()
	go Every(ctx, time.Second/2, func() {
		if os.Getppid() != parent {
			cancel(errors.New("the parent process ended"))
		}
	})
	return ctx, func() { cancel(context.Canceled) }
}

// Repeat calls f at once, and then in intervals until the context ends.
func Repeat(ctx context.Context, interval time.Duration, f func()) {
	f()
	Every(ctx, interval, f)
}

// Every calls f in intervals until the context ends.
func Every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			f()
		}
	}
}
