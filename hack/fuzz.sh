#!/usr/bin/env bash
# Runs every fuzz target, one after another, for the time given each. What a target finds is left in testdata/fuzz beside it,
# to be committed: go test runs it as a test from then on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

duration="$1"
# By default go test spends up to a minute on making each input that it finds interesting smaller, and tries nothing new
# meanwhile.
minimize=10x

# Package and name of each target, found by their sources.
targets="$(git grep --untracked --only-matching --no-color -E '^func Fuzz[A-Za-z0-9]+' -- '*_test.go' | sed -E 's|^(.*)/[^/]+:func |\1 |')"
if [[ -z "$targets" ]]; then
  echo "No fuzz target found." >&2
  exit 1
fi

output="$(mktemp)"
trap 'rm -f "$output"' EXIT

failed=()
while read -r package target; do
  echo "=== $package $target"
  if ! go test "./$package/" -run='^$' -fuzz="^$target\$" -fuzztime="$duration" -fuzzminimizetime="$minimize" </dev/null 2>&1 | tee "$output"; then
    # Before Go 1.27 go test at times calls it a failure that the time is up: https://go.dev/issue/75804.
    if ! grep -qx ' *context deadline exceeded' "$output" || grep -q 'Failing input' "$output"; then
      failed+=("$package $target")
    fi
  fi
done <<<"$targets"

if ((${#failed[@]} > 0)); then
  printf 'Failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
