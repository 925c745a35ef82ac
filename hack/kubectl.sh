#!/usr/bin/env bash
# Prints the directory of the kubectl that test/tutorial runs. Where none is installed it builds one from the Kubernetes that
# hack/controlplane has, into a cache of the user.
set -euo pipefail

if command -v kubectl >/dev/null; then
  dirname "$(command -v kubectl)"
  exit
fi
module="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/controlplane"
version="$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$module/go.mod")"
dir="${XDG_CACHE_HOME:-$HOME/.cache}/egain-operator/kubectl/$version"
mkdir -p "$dir"
exec 9>"$dir/.lock"
if command -v flock >/dev/null; then flock 9; fi
if [[ ! -x "$dir/kubectl" ]]; then
  echo "kubectl: building $version, this first time only" >&2
  CGO_ENABLED=0 GOWORK=off go -C "$module" build -trimpath -buildvcs=false -o "$dir/kubectl.new" k8s.io/kubernetes/cmd/kubectl >&2
  mv "$dir/kubectl.new" "$dir/kubectl"
fi
echo "$dir"
