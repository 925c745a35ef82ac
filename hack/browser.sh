#!/usr/bin/env bash
# Prints the path of the Chromium, or the browser made of it, that test/browser, test/e2e and test/interop drive. Where there is none it
# installs Debian's, whose release fixes the version, if it may; else it says how to install one.
set -euo pipefail

# In the order in which chromedp looks for them.
names=(
  headless_shell headless-shell chromium chromium-browser google-chrome google-chrome-stable
  /Applications/Chromium.app/Contents/MacOS/Chromium "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
)
find_browser() {
  local name
  for name in "${names[@]}"; do
    if command -v "$name"; then return; fi
  done
  return 1
}

if find_browser; then exit; fi
if command -v apt-get >/dev/null && [[ "$(id -u)" == 0 ]]; then
  echo "No Chromium is installed, which tests drive through a login: installing Debian's." >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium >&2
  find_browser
  exit
fi
cat >&2 <<'HELP'
No Chromium is installed, which tests drive through a login. To install one:
  Debian   apt-get install --no-install-recommends chromium
  Fedora   dnf install chromium
  macOS    brew install --cask chromium
HELP
exit 1
