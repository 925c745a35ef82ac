package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil || o.tokenLife != time.Minute || o.timeout != 3*time.Minute+30*time.Second {
		t.Errorf("defaults: %+v, %v", o, err)
	}
	o, err = parse([]string{"-once"}, io.Discard)
	if err != nil || o.tokenLife != 36*time.Second {
		t.Errorf("with -once: %+v, %v", o, err)
	}
	for args, want := range map[string]string{
		"-token-life=29s":    "at least 30s",
		"-token-life=41.5s":  "whole seconds",
		"-interval=10ms":     "at least 1s",
		"surplus":            "too many: surplus",
		"-no-such-flag":      "no-such-flag",
		"-once -timeout=abc": "timeout",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestAwait(t *testing.T) {
	done := errors.New("done")
	if err := await(t.Context(), time.Minute, "it", func(context.Context) (bool, error) { return false, done }); !errors.Is(err, done) {
		t.Errorf("error %v", err)
	}
	err := await(t.Context(), time.Millisecond, "it", func(context.Context) (bool, error) { return false, nil })
	if err == nil || err.Error() != "it took more than 1ms" {
		t.Errorf("error %v", err)
	}
}

func TestProcess(t *testing.T) {
	logs := t.TempDir()
	p, err := startProcess(t.Context(), logs, "sh", "-c", "echo one; echo two; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	err = await(t.Context(), 10*time.Second, "writing", func(context.Context) (bool, error) {
		return len(tail(logFile(logs, "sh"), 5)) == 2, p.exited()
	})
	if err != nil {
		t.Error(err)
	}
	if got := tail(logFile(logs, "sh"), 1); len(got) != 1 || got[0] != "two" {
		t.Errorf("tail %q", got)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if err := p.exited(); err == nil || !strings.Contains(err.Error(), "sh ended by itself") {
		t.Errorf("after the end: %v", err)
	}
	if _, err := startProcess(t.Context(), logs, "no-such-program"); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func TestEvery(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	repeat(ctx, time.Millisecond, func() {
		if calls++; calls == 3 {
			cancel()
		}
	})
	if calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}
