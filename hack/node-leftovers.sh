#!/usr/bin/env bash
# Fails if a node of test/node leaves anything on the machine: it kills the test at several moments, as kill -9 does, lets it
# end once, and compares each time what there is before and after. On a machine where others start namespaces or mounts
# meanwhile it may find those.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../test/node"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"
go test -c -o "$work/node.test" .
assets="$(../../hack/controlplane.sh)"
../../hack/node.sh -check
kustomize="$(../../hack/tools/run.sh -path kustomize)"
[[ -x "$kustomize" ]]

marker="NODE_LEFTOVERS=$$"

# processes prints ids and names of the processes of the test with process id $1: by their environment, and those of pods, which
# have one of their own, by their cgroup.
processes() {
  local file
  for file in $(grep -lxz -- "$marker" /proc/[0-9]*/environ 2>/dev/null) $(grep -l "/egain-node-$1-" /proc/[0-9]*/cgroup 2>/dev/null); do
    echo "process $(cut -d/ -f3 <<<"$file") $(cat "$(dirname "$file")/comm" 2>/dev/null || true)"
  done
}

# state prints what a node could leave.
state() {
  processes "$1"
  sed 's/^/mount /' /proc/self/mountinfo
  find /sys/fs/cgroup -type d | sed 's/^/cgroup /'
  lsns --noheadings --output NS,TYPE | sort -u | sed 's/^/namespace /'
  ip -oneline link | awk '{ print "interface " $2 }'
  ip route show table all | sed 's/^/route /'
  if command -v iptables-save >/dev/null; then iptables-save | grep -v '^#' | sed 's/^/iptables /'; fi
  if command -v nft >/dev/null; then nft list ruleset | sed 's/^/nft /'; fi
  grep -H . /proc/sys/vm/{overcommit_memory,panic_on_oom} /proc/sys/kernel/{panic,panic_on_oops} /proc/sys/kernel/keys/root_max* /proc/sys/net/ipv4/ip_forward
  find "$work/tmp" /run /var/lib /var/log -mindepth 1 -maxdepth 1 | sort | sed 's/^/file /'
}

# try starts the test, kills it once a process called $1 runs, or waits for its end if that is empty, and compares.
try() {
  local pid before after what="${1:+a kill when $1 ran}"
  what="${what:-the end of the test}"
  before="$(state none)"
  env "$marker" KUBEBUILDER_ASSETS="$assets" TMPDIR="$work/tmp" EGAIN_NODE=required "$work/node.test" >"$work/log" 2>&1 &
  pid=$!
  if [[ -n "$1" ]]; then
    until [[ "$(processes "$pid")" == *" $1"* ]]; do
      [[ "$(cat "/proc/$pid/stat" 2>/dev/null)" != *") Z "* ]] || { cat "$work/log" && exit 1; }
      sleep 0.05
    done
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
  else
    wait "$pid" || { cat "$work/log" && exit 1; }
  fi
  for _ in {1..30}; do
    after="$(state "$pid")"
    if [[ "$before" == "$after" ]]; then
      echo "node-leftovers: nothing is left after $what"
      return
    fi
    sleep 1
  done
  echo "node-leftovers: this differs after $what:"
  diff <(echo "$before") <(echo "$after")
  exit 1
}

# The moments: the node is built, has containerd, an API server, a kubelet, a pod, the operator; the test ends.
for moment in go containerd etcd kubelet workload egain-operator ""; do try "$moment"; done
