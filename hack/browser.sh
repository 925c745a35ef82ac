#!/usr/bin/env bash
# Prints the path of the Chromium, or the browser made of it, that test/browser and test/e2e drive, or says how to install
# one.
set -euo pipefail

# In the order in which chromedp looks for them.
names=(
  headless_shell headless-shell chromium chromium-browser google-chrome google-chrome-stable
  /Applications/Chromium.app/Contents/MacOS/Chromium "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
)
for name in "${names[@]}"; do
  if command -v "$name"; then exit; fi
done
cat >&2 <<'HELP'
No Chromium is installed, which tests drive through a login. To install one:
  Debian   apt-get install --no-install-recommends chromium
  Fedora   dnf install chromium
  macOS    brew install --cask chromium
HELP
exit 1
