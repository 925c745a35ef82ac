#!/usr/bin/env bash
# Runs the tests of what uses cryptography, and the operator as it is shipped, with GODEBUG=fips140=only: what is not approved
# fails or panics. The control plane runs without: etcd does not start with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

assets="$(hack/controlplane.sh)"
without="$(mktemp -d)"
trap 'rm -rf "$without"' EXIT
for program in etcd kube-apiserver kube-controller-manager; do
  printf '#!/bin/sh\nunset GODEBUG\nexec %q "$@"\n' "$assets/$program" >"$without/$program"
  chmod +x "$without/$program"
done
runner="$(hack/tools/run.sh -path gotestsum)"
KUBEBUILDER_ASSETS="$without" GODEBUG=fips140=only "$runner" --format=pkgname -- -timeout=30m -shuffle=on -count=1 "$@" \
  ./internal/oauth/... ./internal/transport/... ./internal/election/... ./controllers/... ./test/smoke
