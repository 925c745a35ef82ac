package stage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAwait(t *testing.T) {
	done := errors.New("done")
	if err := Await(t.Context(), time.Minute, "it", func(context.Context) (bool, error) { return false, done }); !errors.Is(err, done) {
		t.Errorf("error %v", err)
	}
	err := Await(t.Context(), time.Millisecond, "it", func(context.Context) (bool, error) { return false, nil })
	if err == nil || err.Error() != "it took more than 1ms" {
		t.Errorf("error %v", err)
	}
}

func TestProcess(t *testing.T) {
	logs := t.TempDir()
	p, err := StartProcess(t.Context(), LogFile(logs, "sh"), nil, "sh", "-c", "echo one; echo two; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	err = Await(t.Context(), 10*time.Second, "writing", func(context.Context) (bool, error) {
		return len(Tail(LogFile(logs, "sh"), 5)) == 2, p.Exited()
	})
	if err != nil {
		t.Error(err)
	}
	if got := Tail(LogFile(logs, "sh"), 1); len(got) != 1 || got[0] != "two" {
		t.Errorf("tail %q", got)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if err := p.Exited(); err == nil || !strings.Contains(err.Error(), "sh ended by itself") {
		t.Errorf("after the end: %v", err)
	}
	if _, err := StartProcess(t.Context(), LogFile(logs, "none"), nil, "no-such-program"); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func TestEvery(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	Repeat(ctx, time.Millisecond, func() {
		if calls++; calls == 3 {
			cancel()
		}
	})
	if calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}
