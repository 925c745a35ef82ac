package oauth

import (
	"fmt"
	"io"
)

// redacted stands for a secret wherever one is printed.
const redacted = "[redacted]"

// Secret is a string that does not print: fmt, encoding/json, log/slog and zap all show "[redacted]". Convert it to a
// string to use it.
type Secret string

// Format writes a placeholder for every verb: with String alone, fmt shows the value for verbs that do not fit, as %d.
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// MarshalText returns a placeholder, for the encoders that look for it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
