#!/usr/bin/env bash
# Fails, naming the files, if something generated is not what its source says, or if sources or go.mod are not formatted
# and tidy. It compares the tree before and after instead of asking for a clean one, so that it also serves before a commit.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# snapshot prints checksum, size and name of every file that git knows or would add.
snapshot() {
  git ls-files -z --cached --others --exclude-standard | xargs -0 cksum 2>/dev/null | sort -u || true
}

failed=
before="$(snapshot)"
"${MAKE:-make}" --no-print-directory generate manifests docs
changed="$(comm -3 <(echo "$before") <(snapshot) | awk '{ print "  " $3 }' | sort -u)"

if [[ -n "$changed" ]]; then
  echo "These files were out of date. They have been generated again; commit them:"
  echo "$changed"
  failed=yes
fi
if ! hack/tools/run.sh golangci-lint fmt --diff; then
  echo "The files above are not formatted: run make fmt."
  failed=yes
fi
if ! go mod tidy -diff; then
  echo "go.mod or go.sum is not tidy: run go mod tidy."
  failed=yes
fi
[[ -z "$failed" ]]
