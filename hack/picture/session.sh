#!/usr/bin/env bash
# What hack/picture.sh records: it types commands as a person does and runs them, on the cluster and in the namespace of the
# kubeconfig. It ends in the middle of the last one, so that a picture of it ends with what that shows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# write shows a prompt and types a command.
write() {
  local i
  printf '\e[32m$\e[0m '
  sleep 0.5
  for ((i = 0; i < ${#1}; i += 4)); do
    printf '%s' "${1:i:4}"
    sleep 0.1
  done
  sleep 0.4
  echo
}

# show types a command and runs it, and leaves $2 seconds to read what it prints.
show() {
  write "$1"
  bash -euo pipefail -c "$1"
  sleep "$2"
}

# remark shows a line that is no command.
remark() { printf '\e[36m# %s\e[0m\n' "$1"; }

remark 'app.env has the id and secret of a client application, from the eGain console.'
show 'kubectl create secret generic sync-app --from-env-file=app.env' 0.5
remark 'An EgainClient says which token we want.'
show 'cat client.yaml' 2.5
show 'kubectl apply -f client.yaml' 0.2
show 'kubectl wait --for=condition=Ready egainclient/knowledge-sync' 0.2
show 'kubectl get egainclient knowledge-sync' 2
remark 'The token is in a Secret of that name, for workloads to mount. eGain accepts it.'
show 'kubectl get secret knowledge-sync' 1
show 'kubectl egain call knowledge-sync /knowledge/portalmgr/v4/portals' 3
remark 'Every token is replaced before it expires. Here they live for 30 seconds.'
write 'kubectl egain status -A --watch'
timeout --foreground --signal=KILL 12 kubectl egain status -A --watch || (($? == 137))
