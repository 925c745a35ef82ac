package main

import (
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
	if err != nil || o.tokenLife != 30*time.Second {
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
