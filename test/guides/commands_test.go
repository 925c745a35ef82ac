package guides_test

import (
	"strings"

	"github.com/onsi/gomega"
)

// guides are the documents whose commands are run here, after the tutorial's. docs/cli.md is made by running its own.
var guides = []string{
	"docs/operations.md", "docs/troubleshooting.md", "docs/runbook.md", "docs/gitops.md", "docs/flows.md", "docs/commercial.md", "docs/workloads.md", "README.md",
}

// unrun are parts of the commands that are not run, with the reason.
var unrun = map[string]string{
	"make docker-build":               "needs docker and a registry",
	"helm install":                    "the demo has the operator already; TestTheInstallGuideByItsCommands runs it",
	"make demo":                       "is what runs these commands",
	"make test":                       "is what runs this test",
	"deployment/egain-operator":       "the demo runs the operator as a process: there is no Deployment",
	"get deployment egain-operator":   "the demo runs the operator as a process: there is no Deployment",
	"top pods":                        "there is no node, and nothing that measures pods",
	"kubectl debug node/":             "there is no node",
	"egain create tenant acme --url":  "needs an eGain at that address",
	"annotate secret agent-session":   "needs a session, which a login makes",
	"kubectl egain login":             "needs a person at a browser; test/e2e plays one",
	"sops --encrypt":                  "needs sops and a key",
	"kubeseal":                        "needs kubeseal and a cluster with its controller",
	"create secret generic egain-app": "has values for the reader to fill in; what it makes is there already",
	"create configmap corp-ca":        "has a file for the reader to bring",
	"apply -f my-client.yaml":         "is a file of the reader's",
	"curl --header @/var/run/egain":   "needs the mount; test/workloads runs it in the sample workload",
}

// failing are commands that end with another exit code than 0 here, with the reason.
var failing = map[string]string{
	"kubectl egain doctor": "finds no Pod of the operator, which the demo runs as a process",
}

// world is what the guides speak of, besides what the demo has.
const world = `
kubectl create namespace team-a
kubectl create namespace argocd
kubectl -n argocd create configmap argocd-cm
kubectl -n knowledge get configmap egain-ca -o json | sed 's/"namespace": "knowledge"/"namespace": "team-a"/' | kubectl create -f -
kubectl -n team-a create secret generic egain-app --from-literal=client_id=portal --from-literal=client_secret=portal-secret-1
kubectl get egaintenant self-service -o json | sed 's/"name": "self-service"/"name": "production"/; s/"knowledge",/"team-a",/' | kubectl create -f -
kubectl create -f - <<YAML
apiVersion: auth.egain.com/v1alpha1
kind: EgainClient
metadata: {name: knowledge-sync, namespace: team-a}
spec:
  tenantRef: {name: production}
  credentialsSecretRef: {name: egain-app}
  scopes: [knowledge.portalmgr.manage]
---
apiVersion: auth.egain.com/v1alpha1
kind: EgainClient
metadata: {name: waiting, namespace: team-a}
spec:
  tenantRef: {name: production}
  credentialsSecretRef: {name: nobody-yet}
  scopes: [knowledge.portalmgr.manage]
YAML
kubectl config set-context --current --namespace=team-a
`

// restore has the client as the guides expect it, whatever the last command did to it.
const restore = `
kubectl -n team-a patch egainclient knowledge-sync --type=merge --patch='{"spec":{"suspend":false}}'
kubectl -n team-a wait --for=condition=TokenIssued egainclient/knowledge-sync --timeout=60s
`

// placeholders are what readers replace.
var placeholders = strings.NewReplacer(" NAME", " knowledge-sync", " PATH", " /knowledge/portalmgr/v4/portals")

func (r *reader) prepare() {
	r.t.Helper()
	for _, commands := range []string{world, restore} {
		output, err := r.run(commands)
		r.Expect(err).NotTo(gomega.HaveOccurred(), "%s", output)
	}
}

// runGuide runs what can be run of a block, and notes what is not.
func (r *reader) runGuide(b block, used map[string]bool) {
	r.t.Helper()
	for _, command := range commands(b) {
		if part := partOf(unrun, command); part != "" {
			used[part] = true
			continue
		}
		output, err := r.run(placeholders.Replace(command))
		if part := partOf(failing, command); part == "" {
			r.Expect(err).NotTo(gomega.HaveOccurred(), "%s\n%s", command, output)
		}
		output, err = r.run(restore)
		r.Expect(err).NotTo(gomega.HaveOccurred(), "after %s\n%s", command, output)
	}
}

// commands are those of a block, one by one. A block of a console has output besides.
func commands(b block) []string {
	var all []string
	joined := strings.ReplaceAll(b.text, "\\\n", "")
	for line := range strings.Lines(joined) {
		line = strings.TrimSpace(line)
		command, prompted := strings.CutPrefix(line, "$ ")
		if line != "" && (prompted || b.language == "sh") {
			all = append(all, command)
		}
	}
	return all
}

func partOf(parts map[string]string, command string) string {
	for part := range parts {
		if strings.Contains(command, part) {
			return part
		}
	}
	return ""
}
