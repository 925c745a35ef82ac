#!/usr/bin/env bash
# Makes a release of the tag that is checked out: images, their SBOMs and signatures, the installer, the chart, the archives of
# the plugin and its krew manifest. It needs syft and cosign, a login to the registry of IMAGE, and GITHUB_TOKEN.
#
# With --check it does what takes none of these, for the commit that is checked out, and leaves the result in dist and
# bin/artifacts: archives and krew manifest of a snapshot, installer and chart. Then it looks at them as who downloads them
# does. It is what CI can try before there is a tag.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tool=hack/tools/run.sh
export IMAGE="${IMAGE:-ghcr.io/egain-operator/egain-operator}"

# The configuration of goreleaser with the base image of the Dockerfile, which goreleaser allows no template for.
config=bin/goreleaser.yaml
mkdir -p bin
sed "s|^  base_image: .*|  base_image: $(sed -n 's/^ARG BASE=//p' Dockerfile)|" .goreleaser.yaml >"$config"

# artifacts writes the installer and the chart of version $1, and the JSON schemas of the CRDs, to bin/artifacts.
artifacts() {
  rm -rf bin/artifacts
  mkdir -p bin/artifacts
  hack/render.sh default "$IMAGE:$1" >bin/artifacts/install.yaml
  cp config/crd/schemas/*.json bin/artifacts/
  local chart
  chart="$(mktemp -d)"
  # shellcheck disable=SC2064 # chart is local: expand it now
  trap "rm -rf '$chart'" RETURN
  cp -R charts/egain-operator "$chart/"
  # The image that this release pushes is the chart's default.
  sed -i.bak "s|^  repository: .*|  repository: $IMAGE|" "$chart/egain-operator/values.yaml"
  rm "$chart/egain-operator/values.yaml.bak"
  cp "$chart/egain-operator/values.yaml" "$chart/egain-operator/files/"
  "$tool" helm package "$chart/egain-operator" --version="${1#v}" --app-version="$1" --destination=bin/artifacts >&2
}

# notes prints the section of the changelog that is about version $1, which must exist.
notes() {
  awk -v version="${1#v}" '/^## / { within = $2 == version; next } within { print; found = found || NF } END { exit !found }' CHANGELOG.md ||
    fail "CHANGELOG.md says nothing of ${1#v}"
}

fail() {
  echo "release: $*" >&2
  exit 1
}

# same fails unless $2 and $3, which are $1, are equal.
same() {
  if [[ "$2" != "$3" ]]; then fail "$1: $2, not $3"; fi
}

# check_sums holds the checksums against all files, which are in directory $1 as in a release.
check_sums() {
  (cd "$1" && sha256sum --check --strict --quiet checksums.txt) || fail "the checksums do not hold"
  same "files with a checksum" "$(awk '{ print $2 }' "$1/checksums.txt" | LC_ALL=C sort | xargs)" "$(cd "$1" && find -- * ! -name checksums.txt | LC_ALL=C sort | xargs)"
}

# check_krew holds the krew manifest, which is of tag $2, against the files in directory $1.
check_krew() {
  local manifest=dist/krew/egain.yaml uri sum
  "$tool" validate-krew-manifest -skip-install -manifest="$manifest"
  same "version of the krew manifest" "$(awk '$1 == "version:" { print $2 }' "$manifest")" "$2"
  while read -r uri sum; do
    same "tag in a URL of the krew manifest" "$(basename "$(dirname "$uri")")" "$2"
    same "checksum in the krew manifest" "$sum  $(basename "$uri")" "$(grep " $(basename "$uri")\$" "$1/checksums.txt")"
  done < <(awk '{ sub("^ *(- )?", "") } $1 == "uri:" { uri = $2 } $1 == "sha256:" { sum = $2 } uri && sum { print uri, sum; uri = sum = "" }' "$manifest")
}

# check_plugin runs the plugin of this machine's platform, from the archives of tag $2 in directory $1. It knows its commit if
# it was built in a clone; the Go toolchain does not look into the repository of a worktree.
check_plugin() {
  local unpacked="$1/unpacked" said commit
  mkdir "$unpacked"
  tar -xzf "$1/kubectl-egain_$2_$(go env GOHOSTOS)_$(go env GOHOSTARCH).tar.gz" -C "$unpacked"
  said="$("$unpacked/kubectl-egain" version)"
  commit="$(git describe --exact-match --tags --match='v[0-9]*' HEAD 2>/dev/null || git rev-parse --short=12 HEAD)"
  if [[ "$said" != "kubectl-egain "*"$commit"* ]]; then fail "the plugin of $commit says $said"; fi
  echo "$said"
}

# check_manifests holds installer and chart, which are of version $2, in directory $1 against each other: they are read, and
# name the image of that version. test/guides applies them.
check_manifests() {
  local image="$IMAGE:$2"
  (cd "$1" && printf 'resources: [install.yaml]\n' >kustomization.yaml)
  same "image of the installer" "$("$tool" kustomize build "$1" | awk '$1 == "image:" { print $2 }')" "$image"
  "$tool" helm lint --strict "$1/egain-operator-${2#v}.tgz"
  same "image of the chart" "$("$tool" helm template egain-operator "$1/egain-operator-${2#v}.tgz" | awk '$1 == "image:" { gsub("\"", ""); print $2 }')" "$image"
}

# check looks at the snapshot of tag $1, with installer and chart of version $2.
check() {
  local downloads
  downloads="$(mktemp -d)"
  # shellcheck disable=SC2064 # downloads is local: expand it now
  trap "rm -rf '$downloads'" EXIT
  cp dist/*.tar.gz dist/*.zip dist/checksums.txt bin/artifacts/* "$downloads"
  check_sums "$downloads"
  check_krew "$downloads" "$1"
  check_plugin "$downloads" "$1"
  check_manifests "$downloads" "$2"
}

if [[ "${1:-}" == --check ]]; then
  "$tool" goreleaser check "$config"
  same "base image of a release" "$(awk '$1 == "base_image:" { print $2 }' "$config")" "$(sed -n 's/^ARG BASE=//p' Dockerfile)"
  version="v0.0.0-$(git rev-parse --short=12 HEAD)"
  artifacts "$version"
  # A tag of its own, known to goreleaser only: the checkout may have none, or one that is old.
  GORELEASER_CURRENT_TAG=v0.0.0 "$tool" goreleaser release --config="$config" --snapshot --clean --skip=ko,sbom,sign
  check v0.0.0 "$version"
  exit
fi

for needed in cosign syft; do
  command -v "$needed" >/dev/null || fail "a release needs $needed, which is not installed"
done
if ! tag="$(git describe --exact-match --tags --match='v[0-9]*' HEAD 2>/dev/null)"; then
  fail "the commit that is checked out has no tag: git tag v1.2.3 && git push origin v1.2.3"
fi
notes "$tag" >bin/release-notes.md
artifacts "$tag"
"$tool" goreleaser release --config="$config" --clean --release-notes=bin/release-notes.md
