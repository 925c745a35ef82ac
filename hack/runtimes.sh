#!/usr/bin/env bash
# Prints a PATH on which python3, node, curl and nginx are, which test/workloads runs the examples with. What is missing comes
# from Debian, whose release fixes the versions: nginx is unpacked into a cache of the user, so that no daemon is started; the
# others are installed, if this may be done.
set -euo pipefail

cache="${XDG_CACHE_HOME:-$HOME/.cache}/egain-operator/nginx"
log() { echo "runtimes: $*" >&2; }

# unpack_nginx puts Debian's nginx into the cache.
unpack_nginx() {
  local new
  mkdir -p "$cache"
  exec 9>"$cache/.lock"
  if command -v flock >/dev/null; then flock 9; fi
  if [[ -x "$cache/usr/sbin/nginx" ]]; then return; fi
  log "unpacking Debian's nginx, this first time only"
  rm -rf "$cache"/.new.* # what a killed run left
  new="$(mktemp -d "$cache/.new.XXXXXX")"
  chmod 755 "$new"
  (
    cd "$new"
    if ! apt-get -o APT::Sandbox::User=root -qq download nginx >&2; then
      apt-get -qq update >&2
      apt-get -o APT::Sandbox::User=root -qq download nginx >&2
    fi
  )
  dpkg-deb -x "$new"/nginx_*.deb "$new"
  "$new/usr/sbin/nginx" -v
  rm -rf "$cache/usr"
  mv "$new/usr" "$cache/usr"
  rm -rf "$new"
}

path="$PATH:/usr/sbin"
if ! PATH="$path" command -v nginx >/dev/null; then
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    log "no nginx is installed, which a test drives: install one"
    exit 1
  fi
  unpack_nginx
  path="$path:$cache/usr/sbin"
fi

missing=()
command -v python3 >/dev/null || missing+=(python3)
command -v node >/dev/null || missing+=(nodejs)
command -v curl >/dev/null || missing+=(curl)
if ((${#missing[@]} > 0)); then
  if ! command -v apt-get >/dev/null || [[ "$(id -u)" != 0 ]]; then
    log "a test drives these, which are not installed: ${missing[*]}"
    exit 1
  fi
  log "installing Debian's ${missing[*]}"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}" >&2
fi
echo "$path"
