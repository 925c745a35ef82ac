#!/bin/sh
# Runs nginx, and has it read its configuration again when the mounted Secret has changed. The kubelet replaces the link
# ..data when it replaces the files. Connections under way are not interrupted by that.
set -eu
config="${CONFIG:-/etc/nginx/nginx.conf}"
secret="${EGAIN_TOKEN_DIR:-/var/run/egain}"

seen="$(readlink "$secret/..data")"
nginx -c "$config" -g 'daemon off;' &
trap 'kill -QUIT $!' TERM INT
while kill -0 $! 2>/dev/null; do
  sleep "${INTERVAL:-10}"
  now="$(readlink "$secret/..data")"
  if [ "$now" != "$seen" ]; then
    nginx -c "$config" -s reload
    seen="$now"
  fi
done
wait $!
