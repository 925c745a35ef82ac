#!/usr/bin/env bash
# Prints the manifests of config/$1, with the image $2 if given. It works on a copy: `kustomize edit` would leave the image
# of the last deployment in the tree.
set -euo pipefail
hack="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
cp -R "$hack/../config" "$copy/config"
if [[ -n "${2:-}" ]]; then
  (cd "$copy/config/manager" && "$hack/tools/run.sh" kustomize edit set image "controller=$2")
fi
"$hack/tools/run.sh" kustomize build "$copy/config/$1"
