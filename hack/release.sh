#!/usr/bin/env bash
# Makes a release of the tag that is checked out: images, their SBOMs and signatures, the installer, the chart, the archives of
# the plugin and its krew manifest. It needs syft and cosign, a login to the registry of IMAGE, and GITHUB_TOKEN.
#
# With --check it does what takes none of these, for the commit that is checked out, and leaves the result in dist and
# bin/artifacts: archives and krew manifest of a snapshot, installer and chart. It is what CI can try before there is a tag.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tool=hack/tools/run.sh
export IMAGE="${IMAGE:-ghcr.io/egain-operator/egain-operator}"

# artifacts writes the installer and the chart of version $1 to bin/artifacts.
artifacts() {
  rm -rf bin/artifacts
  mkdir -p bin/artifacts
  hack/render.sh default "$IMAGE:$1" >bin/artifacts/install.yaml
  local chart
  chart="$(mktemp -d)"
  # shellcheck disable=SC2064 # chart is local: expand it now
  trap "rm -rf '$chart'" RETURN
  cp -R charts/egain-operator "$chart/"
  # The image that this release pushes is the chart's default.
  sed -i.bak "s|^  repository: .*|  repository: $IMAGE|" "$chart/egain-operator/values.yaml"
  rm "$chart/egain-operator/values.yaml.bak"
  "$tool" helm package "$chart/egain-operator" --version="${1#v}" --app-version="$1" --destination=bin/artifacts >&2
}

if [[ "${1:-}" == --check ]]; then
  "$tool" goreleaser check
  version="v0.0.0-$(git rev-parse --short=12 HEAD)"
  artifacts "$version"
  # A tag of its own, known to goreleaser only: the checkout may have none, or one that is old.
  GORELEASER_CURRENT_TAG=v0.0.0 "$tool" goreleaser release --snapshot --clean --skip=ko,sbom,sign
  "$tool" validate-krew-manifest -skip-install -manifest=dist/krew/egain.yaml
  "$tool" helm lint --strict bin/artifacts/*.tgz
  exit
fi

for needed in cosign syft; do
  if ! command -v "$needed" >/dev/null; then
    echo "A release needs $needed, which is not installed." >&2
    exit 1
  fi
done
if ! tag="$(git describe --exact-match --tags --match='v[0-9]*' HEAD 2>/dev/null)"; then
  echo "The commit that is checked out has no tag: git tag v1.2.3 && git push origin v1.2.3" >&2
  exit 1
fi
artifacts "$tag"
"$tool" goreleaser release --clean
