#!/usr/bin/env bash
# Prints the directory of the prometheus and the promtool that test/monitoring runs. Where none are installed it unpacks
# Debian's package, whose release fixes the version, into a cache of the user: nothing is installed, and no daemon started.
set -euo pipefail

log() { echo "prometheus: $*" >&2; }

if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
  dirname "$(command -v prometheus)"
  exit
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  cat >&2 <<'HELP'
No prometheus and promtool are installed, which the tests of the alerts run. To install them:
  Fedora   dnf install prometheus
  macOS    brew install prometheus
HELP
  exit 1
fi

cache="${XDG_CACHE_HOME:-$HOME/.cache}/egain-operator/prometheus"
mkdir -p "$cache"
exec 9>"$cache/.lock"
if command -v flock >/dev/null; then flock 9; fi
rm -rf "$cache"/.new.* # what a killed run left

# Package lists of our own: those of the machine may be missing or stale, and renewing them takes root.
state="$cache/apt"
private=(
  -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o "Dir::State::Status=/var/lib/dpkg/status"
  -o APT::Sandbox::User=root -o Debug::NoLocking=1
)

# candidate prints the version that apt, called with the arguments, would take.
candidate() {
  apt-cache "$@" policy prometheus 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# obtain prints the directory of the version that apt, called with the arguments, would take, and fills it if need be.
obtain() {
  local version dir new
  version="$(candidate "$@")"
  [[ -n "$version" ]] || return
  dir="$cache/$version-$(dpkg --print-architecture)"
  if [[ ! -x "$dir/promtool" ]]; then
    log "unpacking Debian's prometheus $version, this first time only"
    new="$(mktemp -d "$cache/.new.XXXXXX")"
    (cd "$new" && apt-get "$@" -o APT::Sandbox::User=root -qq download "prometheus=$version" >&2) || return
    dpkg-deb --fsys-tarfile "$new"/prometheus_*.deb | tar -x -C "$new" --strip-components=3 ./usr/bin/prometheus ./usr/bin/promtool || return
    rm "$new"/prometheus_*.deb
    "$new/promtool" --version >/dev/null || return
    chmod 755 "$new"
    mv "$new" "$dir"
  fi
  echo "$dir"
}

if obtain || obtain "${private[@]}"; then exit; fi
log "fetching Debian's package lists"
mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
apt-get "${private[@]}" -qq update >&2
obtain "${private[@]}"
