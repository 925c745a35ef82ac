#!/usr/bin/env bash
# Fails, with file and line, where text uses a word of the project's former dialect. CONTRIBUTING.md says what else makes text plain.
# usage: hack/words.sh [FILE...]; without files: all that git knows, except those in hack/words-exempt.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One pattern a line (POSIX extended, case ignored), a tab, and what to write instead.
words() {
  cat <<'LIST'
somebody|somebody's	a user, an administrator, another client
whoever	the user who, any client that
nobody	no user, no client
time and again|once again and again	repeatedly, N times in a row
anew	again
once more( [^t]|[.,:;]|$)	again
as a rule	usually
besides	also, except
but for	except
leaves? alone|left alone	circuit open; paused
waits? for (its|his|their) turns?	is queued
mends?|mended|mending	fix, repair
begins? anew	restart
tells of	reports
is told to	gets, receives
needs somebody	needs action
LIST
}

exempt=hack/words-exempt.txt
files=("$@")
if ((${#files[@]} == 0)); then
  mapfile -t files < <(git ls-files '*.go' '*.md' '*.yaml' '*.yml' '*.tpl' '*.sh' '*.txt' Makefile | grep -vxFf "$exempt" |
    grep -v -e '^hack/words' -e '/zz_generated' -e 'testdata/')
fi

failed=0
while IFS=$'\t' read -r pattern instead; do
  # http.NoBody is Go's name.
  found="$(grep -InEHi -e "(^|[^A-Za-z_-])($pattern)([^A-Za-z_]|$)" -- "${files[@]}" | grep -v 'http\.NoBody' || true)"
  [[ -z "$found" ]] && continue
  failed=1
  while IFS= read -r line; do
    echo "${line:0:180}"
    echo "    write instead: $instead"
  done <<<"$found"
done < <(words)
exit "$failed"
