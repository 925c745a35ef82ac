#!/usr/bin/env bash
# Prints the directory of the kubectl that test/guides and hack/picture.sh run. Where none is installed, hack/tools/kubectl is
# built, which takes one to five minutes once.
set -euo pipefail

if command -v kubectl >/dev/null; then
  dirname "$(command -v kubectl)"
else
  dirname "$("$(dirname "${BASH_SOURCE[0]}")/tools/run.sh" -path kubectl)"
fi
