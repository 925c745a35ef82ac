#!/usr/bin/env bash
# Runs every test in random order, and fails if they run less than the given percentage of internal/ and controllers/. Only the
# tests of internal/ and cmd/ run with the race detector, which the others take twice as long with. Simulations run without it,
# too: they take one step after another, and many times as long with it. RACE=all: all with the race detector.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minimum="$1"
shift
profile=coverage.out

# Before anything that takes long: test/browser, test/e2e and test/interop drive the one, test/monitoring the other.
hack/browser.sh >/dev/null
hack/prometheus.sh >/dev/null
# test/chart runs it. Built by a test, its first build would count against the time of that.
hack/tools/run.sh -path helm >/dev/null

race=(-race)
if [[ "$(go env CGO_ENABLED)" != 1 ]]; then
  echo "No C compiler found: testing without the race detector." >&2
  race=()
fi
whole=()
if [[ "${RACE:-}" == all ]]; then whole=("${race[@]+"${race[@]}"}"); fi
simulations='^(TestSimulation_|TestTrial_|TestGate_RandomCalls$)'

# On two cores the suite of controllers takes minutes under the race detector, as it shares the machine: the default limit is 10.
run() { hack/controlplane.sh hack/tools/run.sh gotestsum --format=pkgname -- -timeout=30m -shuffle=on "$@"; }

# Coverage counts across packages: most of what internal packages do is proven by controller tests.
covered=(-covermode=atomic -coverpkg=./internal/...,./controllers/...)
run ${race[@]+"${race[@]}"} "${covered[@]}" -coverprofile="$profile.internal" -skip="$simulations" "$@" ./internal/... ./cmd/...
run ${whole[@]+"${whole[@]}"} "${covered[@]}" -coverprofile="$profile.simulations" -run="$simulations" "$@" ./internal/gate ./internal/provider
run ${whole[@]+"${whole[@]}"} "${covered[@]}" -coverprofile="$profile.controllers" "$@" ./controllers/...
# The suite that waits longest comes first, so that the others run meanwhile.
run ${whole[@]+"${whole[@]}"} "$@" ./test/security . ./api/... ./hack/... ./test/...

# One profile of all. Generated code has no tests of its own.
{
  cat "$profile.internal"
  tail -qn +2 "$profile.simulations" "$profile.controllers"
} | grep -vE '/zz_generated|/applyconfiguration/' >"$profile"
rm "$profile.internal" "$profile.simulations" "$profile.controllers"

total="$(go tool cover -func="$profile" | awk '$1 == "total:" { sub("%", "", $NF); print $NF }')"
echo "Coverage of internal/ and controllers/: $total %, at least $minimum % wanted."
awk -v total="$total" -v minimum="$minimum" 'BEGIN { exit total < minimum }'
