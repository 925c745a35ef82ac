#!/usr/bin/env bash
# Records what hack/picture/session.sh does on the demo's control plane, and writes it as an animation to docs/terminal.svg, whose
# still shows the token in use. It runs the demo itself, from the binaries in bin. asciinema, which records, and termtosvg, which
# draws, are of Debian, whose release fixes the versions; what is missing is installed, if this may be done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

picture=docs/terminal.svg
# As much as a page should load for it, in bytes.
limit=300000

missing=()
for tool in asciinema termtosvg; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]} > 0)); then
  if ! command -v apt-get >/dev/null || [[ "$(id -u)" != 0 ]]; then
    echo "The picture takes these, which are not installed: ${missing[*]}" >&2
    exit 1
  fi
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}" >&2
fi
PATH="$(hack/kubectl.sh):$PATH"

scratch="$(mktemp -d)"
hack/controlplane.sh bin/demo -token-life=30s >"$scratch/demo.log" &
demo=$!
trap 'kill -INT "$demo" 2>/dev/null && wait "$demo"; rm -rf "$scratch"' EXIT

# has succeeds as soon as the demo has printed $1.
has() {
  until grep -q "$1" "$scratch/demo.log"; do
    if ! kill -0 "$demo" 2>/dev/null; then
      cat "$scratch/demo.log" >&2
      return 1
    fi
    sleep 0.2
  done
}
has 'export KUBECONFIG='
has '\b\([0-9][0-9]*\) of \1 clients ready'
eval "$(grep -o 'export KUBECONFIG=.*' "$scratch/demo.log")"
kubectl config set-context --current --namespace=knowledge >/dev/null

# A terminal that is known to everybody, in a language that has bars.
export TERM=xterm LC_ALL=C.UTF-8
asciinema rec --quiet --cols=108 --rows=24 --command="hack/picture/session.sh && touch $scratch/done" "$scratch/terminal.cast" </dev/null
if [[ ! -f "$scratch/done" ]]; then
  cat "$scratch/terminal.cast" >&2
  exit 1
fi
termtosvg render "$scratch/terminal.cast" "$scratch/terminal.svg" \
  --template=hack/picture/template.svg --min-frame-duration=100 --loop-delay=5000 >&2

# The still is the frame before the remark on renewals. It shows for 5 seconds before the animation starts, and wherever none runs.
remark="$(grep -oP '<g id="\K[^"]+(?="><text[^>]*># Every token is replaced)' "$scratch/terminal.svg")"
height="$(grep -oPm1 'translateY\(-\K[0-9]+' "$scratch/terminal.svg")"
below="$(grep -oP "xlink:href=\"#$remark\" y=\"\K[0-9]+" "$scratch/terminal.svg" | head -1)"
sed -i -e "s/<g id=\"screen_view\">/<g id=\"screen_view\" transform=\"translate(0,-$(((below / height - 1) * height)))\">/" \
  -e '/id="user-style"/a #screen_view {animation-delay: 5s} @media (prefers-reduced-motion: reduce) {#screen_view {animation: none}}' "$scratch/terminal.svg"

if grep -Fn -e "$HOME" -e "$PWD" -e "$scratch" -e "$(dirname "$KUBECONFIG")" -e "$(uname -n)" "$scratch/terminal.svg" | cut -c1-200; then
  echo "The picture shows something of this machine." >&2
  exit 1
fi
size="$(wc -c <"$scratch/terminal.svg")"
if ((size > limit)); then
  echo "The picture has $size bytes, more than $limit." >&2
  exit 1
fi
mv "$scratch/terminal.svg" "$picture"
echo "$picture: $size bytes"
