// Package kubesecret knows how credentials and sessions are laid out in Secrets. It is pure: it does no I/O and takes no clock.
package kubesecret

import (
	"time"

	"github.com/egain-operator/egain-operator/internal/target"
)

// Manager is the field manager of session Secrets.
const Manager = target.Manager

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
