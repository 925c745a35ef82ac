#!/usr/bin/env bash
# Runs every test with the race detector in random order and fails if less than the given percentage of internal/ and
# controllers/ was run. Coverage counts across packages: most of what internal packages do is proven by controller tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minimum="$1"
shift
profile=coverage.out

# Before anything that takes long: test/browser and test/e2e drive the one, test/monitoring the other.
hack/browser.sh >/dev/null
hack/prometheus.sh >/dev/null
# test/chart runs it. Built by a test, its first build would count against the time of that.
hack/tools/run.sh -path helm >/dev/null

race=(-race)
if [[ "$(go env CGO_ENABLED)" != 1 ]]; then
  echo "No C compiler found: testing without the race detector." >&2
  race=()
fi

# The suite of controllers takes 5 to 10 minutes under the race detector, as it shares the machine: the default limit is 10.
hack/controlplane.sh hack/tools/run.sh gotestsum --format=pkgname -- \
  ${race[@]+"${race[@]}"} -timeout=30m -shuffle=on -covermode=atomic -coverpkg=./internal/...,./controllers/... -coverprofile="$profile" "$@" ./...

# Generated code has no tests of its own.
grep -vE '/zz_generated|/applyconfiguration/' "$profile" >"$profile.tmp"
mv "$profile.tmp" "$profile"

total="$(go tool cover -func="$profile" | awk '$1 == "total:" { sub("%", "", $NF); print $NF }')"
echo "Coverage of internal/ and controllers/: $total %, at least $minimum % wanted."
awk -v total="$total" -v minimum="$minimum" 'BEGIN { exit total < minimum }'
