#!/usr/bin/env bash
# Obtains etcd, kube-apiserver, kube-controller-manager, kube-scheduler and, on Linux, kubelet. Prints their directory and
# nothing else on stdout; with arguments, runs those as a command that has the directory in KUBEBUILDER_ASSETS. KUBERNETES_VERSION
# (such as 1.34.4) asks for another version than that of hack/controlplane/go.mod.
#
# In this order: KUBEBUILDER_ASSETS if set; the cache of the user (the checkout would lose it with every clone); a
# download; a build of hack/controlplane, which needs no more of the network than the Go module proxy.
set -euo pipefail

hack="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
module="$hack/controlplane"
# Most tests need the first three.
programs=(etcd kube-apiserver kube-controller-manager kube-scheduler)
if [[ "$(uname -s)" == Linux ]]; then programs+=(kubelet); fi

log() { echo "controlplane: $*" >&2; }

# missing prints which programs directory $1 lacks, of the first $2 if that is given.
missing() {
  local program
  for program in "${programs[@]:0:${2:-${#programs[@]}}}"; do
    if [[ ! -x "$1/$program" ]]; then echo "$program"; fi
  done
}

# finish prints directory $1, or runs the rest with it.
finish() {
  export KUBEBUILDER_ASSETS="$1"
  shift
  if (($# > 0)); then exec "$@"; fi
  echo "$KUBEBUILDER_ASSETS"
  exit
}

if [[ -n "${KUBEBUILDER_ASSETS:-}" ]]; then
  lacking="$(missing "$KUBEBUILDER_ASSETS" 3 | xargs)"
  if [[ -n "$lacking" ]]; then
    log "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which lacks: $lacking."
    log "setup-envtest brings no kube-controller-manager; put one of the same version there, or unset KUBEBUILDER_ASSETS."
    exit 1
  fi
  finish "$(cd "$KUBEBUILDER_ASSETS" && pwd)" "$@"
fi

required() { awk -v path="$1" '$1 == path { print $2; exit }' "$module/go.mod"; }
kubernetes="$(required k8s.io/kubernetes)"
etcd="$(required go.etcd.io/etcd/server/v3)"
platform="$(go env GOHOSTOS GOHOSTARCH | xargs)"
read -r os arch <<<"$platform"
if [[ -n "${KUBERNETES_VERSION:-}" ]]; then
  if [[ ! "$KUBERNETES_VERSION" =~ ^1\.[0-9]+\.[0-9]+$ ]]; then
    log "KUBERNETES_VERSION is $KUBERNETES_VERSION, not a version such as 1.34.4"
    exit 1
  fi
  kubernetes="v$KUBERNETES_VERSION" etcd=its-own
fi
hash="$(cat "$module"/go.mod "$module"/go.sum "$module"/*.go | git hash-object --stdin)"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/egain-operator/controlplane"
assets="$cache/kubernetes-$kubernetes-etcd-$etcd-$os-$arch-${hash:0:12}"

if [[ -z "$(missing "$assets")" ]]; then finish "$assets" "$@"; fi

mkdir -p "$cache"
exec 9>"$cache/.lock"
if command -v flock >/dev/null; then
  if ! flock -n 9; then
    log "waiting for another run that is obtaining the control plane"
    flock 9
  fi
  if [[ -z "$(missing "$assets")" ]]; then
    exec 9>&-
    finish "$assets" "$@"
  fi
  rm -rf "$cache"/.new.* # what a killed run left
fi

# Filled beside its final place and renamed when whole, so that no interruption leaves a broken cache.
new="$(mktemp -d "$cache/.new.XXXXXX")"
trap 'chmod -R u+w "$new" && rm -rf "$new"' EXIT

# download fills $new from what upstream has built. The bundles of setup-envtest hold etcd, kube-apiserver and kubectl, and
# not every patch release has one: the others come from the Kubernetes release of the bundle's version, which exists for Linux
# only.
download() {
  local bundle version program url sum
  if [[ "$os" != linux ]] || ! command -v curl >/dev/null; then return 1; fi
  "$hack/tools/run.sh" setup-envtest version >/dev/null 2>&1 9>&- || return
  version="${kubernetes#v}"
  log "trying to download a control plane of Kubernetes ${version%.*} (three minutes at most)"
  bundle="$(timeout 60 "$hack/tools/run.sh" setup-envtest use "${version%.*}.x" -p path --bin-dir "$new/bundle" 9>&-)" || return
  version="$("$bundle/kube-apiserver" --version)" || return
  version="${version#Kubernetes }"
  for program in "${programs[@]:2}"; do
    url="https://dl.k8s.io/release/$version/bin/linux/$arch/$program"
    sum="$(curl -fsSL --max-time 20 "$url.sha256")" || return
    curl -fsSL --max-time 120 -o "$new/$program" "$url" || return
    sha256sum --check --quiet <<<"$sum  $new/$program" >&2 || return
    chmod +x "$new/$program" || return
  done
  cp "$bundle/etcd" "$bundle/kube-apiserver" "$new/" || return
  chmod -R u+w "$new" && rm -rf "$new/bundle"
}

# another_version has the build use a copy of hack/controlplane that requires version $kubernetes, and the etcd of its choice.
another_version() {
  local its staging="v0.${kubernetes#v1.}"
  its="$(controlplane_go mod download -json "k8s.io/kubernetes@$kubernetes" | awk -F'"' '$2 == "GoMod" { print $4 }')"
  etcd="$(awk '$1 == "go.etcd.io/etcd/client/v3" { print $2 }' "$its")"
  mkdir "$new/module"
  cp "$module"/*.go "$new/module/"
  module="$new/module"
  {
    echo "module controlplane"
    awk '$1 == "go" { print }' "$its"
    echo "require k8s.io/kubernetes $kubernetes"
    echo "require k8s.io/component-base $staging"
    echo "require go.etcd.io/etcd/server/v3 $etcd"
    awk -v staging="$staging" '$2 == "=>" && $3 ~ /^\.\/staging\// { print "replace " $1 " => " $1 " " staging }' "$its"
  } >"$module/go.mod"
  mod=-mod=mod
}

# build fills $new from hack/controlplane.
build() {
  local program package flags date mod=-mod=readonly
  if [[ -n "${KUBERNETES_VERSION:-}" ]]; then another_version; fi
  log "building Kubernetes $kubernetes and etcd $etcd from source, this first time only: 5 to 10 minutes on 2 cores"
  date="$(controlplane_go list "$mod" -m -f '{{with .Time}}{{.Format "2006-01-02T15:04:05Z"}}{{end}}' k8s.io/kubernetes)"
  flags="-s -w"
  # A module has no commit to stamp. Its tree is what the Kubernetes build calls an archive.
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$kubernetes -X $package.gitCommit= -X $package.gitTreeState=archive"
    flags+=" -X $package.gitMajor=$(cut -d. -f1 <<<"${kubernetes#v}") -X $package.gitMinor=$(cut -d. -f2 <<<"$kubernetes")"
    flags+=" -X $package.buildDate=${date:-1970-01-01T00:00:00Z}"
  done
  controlplane_go build "$mod" -v -trimpath -buildvcs=false -ldflags "$flags" -o "$new/controlplane" . 2>&1 | progress >&2
  for program in "${programs[@]}"; do ln -s controlplane "$new/$program"; done
  rm -rf "$new/module"
}

# controlplane_go runs the go command on hack/controlplane, for this machine, whatever the caller builds for.
controlplane_go() {
  env -u GOFLAGS CGO_ENABLED=0 GOWORK=off GOOS="$os" GOARCH="$arch" go -C "$module" "$@"
}

# progress turns a line per module and package of `go build -v` into one now and then, and lets every other line through.
progress() {
  awk '
    /^go: downloading / { if (++modules % 50 == 0) say(modules " modules downloaded"); next }
    /^[^ :#]+$/ { if (++packages % 200 == 0) say(packages " of some 2500 packages compiled"); next }
    { print; fflush() }
    function say(what) { print "controlplane: " what; fflush() }'
}

failed="$cache/.download-failed"
if [[ -z "$(find "$failed" -mtime -1 2>/dev/null)" ]]; then
  if download; then
    rm -f "$failed"
  else
    log "no download from here; not tried again for a day"
    touch "$failed"
    chmod -R u+w "$new"
    rm -rf "${new:?}"/*
  fi
fi
if [[ -n "$(missing "$new")" ]]; then build; fi

# The last check before the cache is trusted: each starts and says what it is.
for program in "${programs[@]}"; do
  version="$("$new/$program" --version)"
  log "${version%%$'\n'*}"
done
chmod 755 "$new"
rm -rf "$assets"
mv "$new" "$assets"
trap - EXIT
exec 9>&-
finish "$assets" "$@"
