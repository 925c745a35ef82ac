#!/usr/bin/env bash
# Runs a tool of hack/tools/go.mod: hack/tools/run.sh NAME [ARGUMENT...]
# With -path before the name it prints where the tool is, for who runs it many times.
#
# A tool is built when it is first asked for, into a cache of the user rather than of the checkout, so that a fresh clone
# starts at once and the demo never waits for the linter. A tool that has a module of its own, hack/tools/NAME/go.mod, is
# built from that: its versions bind no other tool, and a change of them has no other built again.
set -euo pipefail

run=exec
if [[ "$1" == -path ]]; then
  run=echo
  shift
fi
module="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
name="$1"
shift
if [[ -f "$module/$name/go.mod" ]]; then module="$module/$name"; fi

platform="$(go -C "$module" env GOHOSTOS GOHOSTARCH GOVERSION | xargs)"
read -r os arch _ <<<"$platform"
# The Go version is part of the key: linters and generators read the export data of the Go release they were built with.
shopt -s nullglob
key="$(cat "$module"/go.mod "$module"/go.sum "$module"/golangci-lint/*.go - <<<"$platform" | git hash-object --stdin)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/egain-operator/tools/${key:0:16}"

# tools_go runs the go command on this module, for this machine, whatever the caller builds for.
tools_go() {
  env -u GOFLAGS CGO_ENABLED=0 GOWORK=off GOOS="$os" GOARCH="$arch" go -C "$module" "$@"
}

build() {
  local package tmp
  if ! package="$(tools_go list tool | grep -E "/$name(/v[0-9]+)?\$")"; then
    echo "${module#"${module%/hack/tools*}/"}/go.mod has no tool called $name" >&2
    exit 1
  fi
  rm -rf "$cache"/.build-"$name".* # what a killed build left
  tmp="$(mktemp -d "$cache/.build-$name.XXXXXX")"
  # shellcheck disable=SC2064 # tmp is local: expand it now
  trap "rm -rf '$tmp'" EXIT
  echo "Building $name: once, up to five minutes." >&2
  tools_go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$tmp/" "$package" >&2
  mv "$tmp/$name" "$cache/$name"
  rmdir "$tmp"
}

if [[ ! -x "$cache/$name" ]]; then
  mkdir -p "$cache"
  exec 9>"$cache/.lock-$name"
  if command -v flock >/dev/null; then flock 9; fi
  if [[ ! -x "$cache/$name" ]]; then build; fi
  exec 9>&-
fi
"$run" "$cache/$name" "$@"
