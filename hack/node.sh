#!/usr/bin/env bash
# Runs a command where a kubelet can run: hack/node.sh COMMAND [ARGUMENT...]
# It has mounts, a network, processes, a host name and IPC of its own, and containerd runs beside it. Its environment has
#   NODE_DIR      a directory of the node's own. bin in it has the operator and test/node/workload, without libraries, and previous
#                 the operator of the commit NODE_PREVIOUS, if that is set.
#   NODE_CGROUP   a cgroup in each hierarchy, for the kubelet's cgroupRoot
#   NODE_ADDRESS  the node's address, which pods reach; they reach 10.0.0.1, the API server's, too
# There is no other network. Nothing of it is left when the command has ended, nor when any part of it was killed.
#
# hack/node.sh -check says why this machine cannot do so, and fails. It needs Linux, root and cgroup v1. containerd, runc and
# the CNI plugins come from Debian where they are missing: unpacked into a cache of the user, so that no daemon is started.
set -euo pipefail

hack="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/egain-operator/node"
packages=(containerd runc containernetworking-plugins)
programs=(containerd containerd-shim-runc-v2 ctr runc ip unshare setsid)
log() { echo "node: $*" >&2; }
cannot() {
  log "no node can run here: $*"
  exit 1
}

export PATH="$PATH:/usr/sbin:/sbin:$cache/usr/bin:$cache/usr/sbin"

# missing prints which programs there are none of.
missing() {
  local program
  for program in "${programs[@]}"; do
    if ! command -v "$program" >/dev/null; then echo "$program"; fi
  done
  if [[ -z "$(plugins)" ]]; then echo "CNI plugins"; fi
}

# plugins prints the directory of the CNI plugins.
plugins() {
  local dir
  for dir in /opt/cni/bin /usr/lib/cni /usr/libexec/cni "$cache/usr/lib/cni"; do
    if [[ -x "$dir/bridge" && -x "$dir/host-local" && -x "$dir/loopback" ]]; then
      echo "$dir"
      return
    fi
  done
}

unpack() {
  local new package
  mkdir -p "$cache"
  exec 9>"$cache/.lock"
  flock 9
  if [[ -n "$(missing)" ]]; then
    log "unpacking Debian's ${packages[*]}, this first time only"
    rm -rf "$cache"/.new.* # what a killed run left
    new="$(mktemp -d "$cache/.new.XXXXXX")"
    (
      cd "$new"
      if ! apt-get -o APT::Sandbox::User=root -qq download "${packages[@]}" >&2; then
        apt-get -qq update >&2
        apt-get -o APT::Sandbox::User=root -qq download "${packages[@]}" >&2
      fi
      for package in *.deb; do dpkg-deb -x "$package" .; done
    )
    rm -rf "$cache/usr"
    mv "$new/usr" "$cache/usr"
    rm -rf "$new"
  fi
  exec 9>&-
}

check() {
  [[ "$(uname -s)" == Linux ]] || cannot "this is not Linux"
  [[ "$(id -u)" == 0 ]] || cannot "it needs root"
  [[ -d /sys/fs/cgroup/memory && -d /sys/fs/cgroup/cpuset ]] || cannot "there is no cgroup v1, and v2 was not tried yet"
  unshare --mount --net --pid --uts --ipc --fork true 2>/dev/null || cannot "it may not make namespaces"
  if [[ -n "${KUBEBUILDER_ASSETS:-}" && ! -x "$KUBEBUILDER_ASSETS/kubelet" ]]; then cannot "there is no kubelet in $KUBEBUILDER_ASSETS"; fi
  if [[ -n "$(missing)" ]] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    unpack || cannot "Debian's ${packages[*]} could not be unpacked"
  fi
  [[ -z "$(missing)" ]] || cannot "there is no $(missing | paste -sd, -)"
}

# start makes what namespaces do not hold, and a process of another session that removes it: it ends when the process
# with the write end of its pipe has ended, be it by kill -9.
start() {
  local dir name cleaner
  name="egain-node-$$-$RANDOM"
  dir="${TMPDIR:-/tmp}/$name"
  cleaner='
    trap "" HUP INT TERM
    mkdir -m 700 "$1"
    cat >/dev/null
    groups() { find /sys/fs/cgroup/*/"$2" -depth -type d 2>/dev/null; }
    for _ in {1..300}; do
      groups "$@" | xargs -r rmdir 2>/dev/null
      if [[ -z "$(groups "$@")" ]] && rm -rf "$1"; then exit; fi
      sleep 0.1
    done'
  exec 8> >(exec setsid bash -c "$cleaner" cleaner "$dir" "$name" >/dev/null 2>&1)
  until [[ -d "$dir" ]]; do sleep 0.01; done

  export NODE_DIR="$dir" NODE_CGROUP="/$name" NODE_ADDRESS=10.88.0.1 NODE_PLUGINS
  NODE_PLUGINS="$(plugins)"
  mkdir "$dir/bin" "$dir/tmp" "$dir/state"
  # With the packages that every test is built of, linked to need no library: CGO_ENABLED=0 would have all of them compiled again.
  local static=()
  if [[ "$(go env CGO_ENABLED)" == 1 ]]; then static=(-ldflags='-linkmode=external -extldflags=-static'); fi
  local said # the linker warns of what resolves names, which nothing here has
  if ! said="$(cd "$hack/.." && TMPDIR="$dir/tmp" go build ${static[@]+"${static[@]}"} -o "$dir/bin/" . ./test/node/workload 2>&1)"; then
    log "$said"
    exit 1
  fi
  if [[ -n "${NODE_PREVIOUS:-}" ]]; then
    mkdir "$dir/source"
    git -C "$hack/.." archive "$NODE_PREVIOUS" | tar -x -C "$dir/source"
    (cd "$dir/source" && TMPDIR="$dir/tmp" go build ${static[@]+"${static[@]}"} -o "$dir/previous/" . 2>"$dir/tmp/said") || {
      log "$(cat "$dir/tmp/said")"
      exit 1
    }
    rm -rf "$dir/source"
  fi
  find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d -exec mkdir "{}/$name" ';'
  exec unshare --mount --net --pid --uts --ipc --fork --kill-child --mount-proc -- "$BASH" "$hack/node.sh" -inside "$@"
}

# inside runs as the first process of the namespaces: with it all others end.
inside() {
  local state="$NODE_DIR/state" file
  export TMPDIR="$NODE_DIR/tmp"
  hostname node
  mount --make-rshared /
  mount -t tmpfs tmpfs "$state"
  mount -t tmpfs tmpfs /run
  mkdir "$state"/{upper,work,net.d}
  mount -t overlay -o "lowerdir=/var,upperdir=$state/upper,workdir=$state/work" overlay /var
  # The kubelet sets these of the whole machine.
  for file in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    echo "${file#*=}" >"$state/sysctl"
    mv "$state/sysctl" "$state/sysctl-$(tr / - <<<"${file%=*}")"
    mount --bind "$state/sysctl-$(tr / - <<<"${file%=*}")" "/proc/sys/${file%=*}"
  done

  ip link set lo up
  ip address add 10.0.0.1/32 dev lo # the API server's, as that of its Service: no kube-proxy is needed
  ip link add cni0 type bridge
  ip address add "$NODE_ADDRESS/24" dev cni0
  ip link set cni0 up
  ip route add default dev cni0 # the kubelet looks for one

  cat >"$state/net.d/bridge.conflist" <<END
{"cniVersion": "0.4.0", "name": "node", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
  "ipam": {"type": "host-local", "dataDir": "$state/leases", "ranges": [[{"subnet": "10.88.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
  # Without CAP_SYS_RESOURCE no score for the OOM killer can be lowered.
  cat >"$state/containerd.toml" <<END
version = 2
root = "$state/containerd"
state = "/run/containerd"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/workload:node"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$NODE_PLUGINS"
conf_dir = "$state/net.d"
END
  containerd --config "$state/containerd.toml" >"$NODE_DIR/containerd.log" 2>&1 &
  until ctr version >/dev/null 2>&1; do
    kill -0 $! || {
      cat "$NODE_DIR/containerd.log" >&2
      exit 1
    }
    sleep 0.1
  done
  "$@"
}

case "${1:-}" in
-check) check ;;
-inside) inside "${@:2}" ;;
*)
  check
  start "$@"
  ;;
esac
