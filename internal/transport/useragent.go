package transport

import (
	"regexp"
	"runtime/debug"
	"strings"
)

// notInVersion is what a product version does not contain (RFC 9110 section 10.1.5).
var notInVersion = regexp.MustCompile(`[^A-Za-z0-9!#$%&'*+.^_|~-]+`)

// UserAgent names a program and its version to servers, as program/version.
func UserAgent(program string) string {
	return program + "/" + strings.Trim(notInVersion.ReplaceAllString(Version(), "-"), "-")
}

// Version is the one that the Go toolchain wrote into the binary: the tag or, without one, the time and commit.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
