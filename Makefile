SHELL = /usr/bin/env bash -o pipefail
.SHELLFLAGS = -ec
.DEFAULT_GOAL = help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IMG ?= egain-operator:$(VERSION)
PLATFORMS ?= linux/amd64,linux/arm64
# For example --push, or --load for a single platform.
BUILDX_FLAGS ?=
# Percentage of internal/ and controllers/ that the tests must run.
COVERAGE ?= 85
# How long each fuzz target runs.
FUZZTIME ?= 60s
# More arguments for the operator (run), the demo (demo), what breaks things (chaos), what measures (bench), the simulation (days) and go test (test, test-unit).
ARGS ?=

# The user's own: its version follows the cluster's.
KUBECTL ?= kubectl
TOOL = hack/tools/run.sh

##@ General

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*##"; printf "Usage:\n  make \033[36m<target>\033[0m\n"} \
	  /^[a-zA-Z0-9_-]+:.*?##/ { printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2 } \
	  /^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) }' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo
demo: build ## Watch EgainClients rotate tokens on a real API server. ONCE=1: until each has rotated twice.
	go build -o bin/demo ./hack/demo
	hack/controlplane.sh bin/demo $(if $(ONCE),-once) $(ARGS)

.PHONY: chaos
chaos: build ## Break everything under 51 EgainClients at a time, and see that tokens stay valid. SHORT=1: in 3 minutes.
	go build -o bin/chaos ./hack/chaos
	hack/controlplane.sh bin/chaos $(if $(SHORT),-short) -report bin/chaos.json $(ARGS)

.PHONY: bench
bench: ## Measure the operator against what the API server allows, in half an hour. SMALL=1: see in 4 minutes that it works.
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/release/ . ./cmd/egainsim
	go build -o bin/bench ./hack/bench
	hack/controlplane.sh bin/bench $(if $(SMALL),-small) -bin bin/release -output bin/bench-report $(ARGS)

.PHONY: bounds
bounds: build ## Measure in two minutes what the worst EgainClient, ConfigMaps and templates cost.
	go build -o bin/bounds ./hack/bounds
	hack/controlplane.sh bin/bounds $(ARGS)
	go test ./internal/target -run='^TestTarget_(ATemplateIs|TheWorkOf)' -count=1 -v | awk '/^--- / { print "| " $$3 " | " $$4 " |" }'

.PHONY: controlplane
controlplane: ## Obtain the programs of a control plane and a kubelet (5 to 10 minutes, the first time only).
	@hack/controlplane.sh

.PHONY: run
run: manifests ## Run the operator against the cluster of the current kubeconfig.
	go run . --leader-elect=false $(ARGS)

##@ Development

.PHONY: build
build: ## Build the binaries into bin/.
	go build -o bin/ . ./cmd/...

.PHONY: test
test: ## Run all tests, and check coverage. RACE=all: every test with the race detector, not only those of internal/ and cmd/.
	RACE=$(RACE) hack/test.sh $(COVERAGE) $(ARGS)

# Those that touch the API server.
KUBERNETES_TESTS = ./controllers/... ./cmd/kubectl-egain/... ./test/api ./test/chart ./test/cli ./test/config ./test/gitops ./test/node ./test/security ./test/smoke ./test/upgrade

.PHONY: test-kubernetes
test-kubernetes: ## Run the tests that touch the API server on another Kubernetes, such as VERSION=1.34.4. It is built the first time.
	KUBERNETES_VERSION=$(VERSION) hack/controlplane.sh hack/tools/run.sh gotestsum --format=pkgname -- -count=1 -timeout=30m -shuffle=on $(ARGS) $(KUBERNETES_TESTS)

.PHONY: node
node: ## Run the chart on a kubelet through an upgrade from the previous commit, and measure how long a mounted file lags: 8 minutes.
	NODE_PREVIOUS=HEAD~1 EGAIN_NODE=required hack/controlplane.sh go test -tags=long -count=1 -timeout=30m -v -run=TestTheChart ./test/node
	EGAIN_NODE=required hack/controlplane.sh go test -tags=long -count=1 -timeout=30m -v -run=TestHowLong ./test/node

.PHONY: node-leftovers
node-leftovers: ## Kill the test of a node at several moments, and fail if it leaves anything on this machine.
	hack/node-leftovers.sh

.PHONY: test-unit
test-unit: ## Run the fast tests, which need no control plane.
	go test -shuffle=on $(ARGS) ./internal/... ./api/...

.PHONY: days
days: ## Play thirty days of 10,000 EgainClients with failing servers and restarts, in some minutes.
	go run ./test/days $(ARGS)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME, one after another. Its seeds are also ordinary tests.
	hack/fuzz.sh $(FUZZTIME)

.PHONY: shape
shape: ## Print figures of the code's structure: its largest type, arrows that point upwards, lines, names used twice.
	@go run ./hack/shape

.PHONY: lint
lint: ## Run the linters.
	hack/words.sh
	$(TOOL) golangci-lint run $(ARGS)
	$(TOOL) actionlint -shellcheck= -pyflakes=

.PHONY: fmt
fmt: ## Format the sources.
	$(TOOL) golangci-lint fmt

.PHONY: generate
generate: ## Generate deep copies from the API.
	$(TOOL) controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: ## Generate the CRDs, for config and for the chart, and their JSON schemas, the operator's role, the PrometheusRule, and the chart's copies of its values and of the policies.
	$(TOOL) controller-gen crd:omitToolVersion=true paths=./api/... output:crd:artifacts:config=config/crd/bases
	$(TOOL) controller-gen rbac:roleName=manager-role paths=./controllers/... output:rbac:artifacts:config=config/rbac
	cp config/crd/bases/*.yaml charts/egain-operator/files/crds/
	go run ./hack/schemas
	cp charts/egain-operator/values.yaml charts/egain-operator/files/
	for policies in secrets hosts targets; do \
	  mkdir -p charts/egain-operator/files/policies/$$policies; \
	  cp config/policies/$$policies/*_policy.yaml charts/egain-operator/files/policies/$$policies/; \
	done
	go run ./hack/monitoring rule

.PHONY: docs
docs: ## Generate the references of the API, the metrics, the bounds and the values of the chart.
	@mkdir -p docs
	$(TOOL) crd-ref-docs --source-path=./api --config=hack/crd-ref-docs.yaml --renderer=markdown --output-path=docs/api.md
	go run ./hack/monitoring metrics
	go run ./hack/monitoring bounds
	$(TOOL) helm-docs --chart-search-root=charts --sort-values-order=file --log-level=warning

.PHONY: cli-docs
cli-docs: ## Generate the reference of the plugin by running its commands on a real control plane.
	hack/controlplane.sh go test ./test/cli -run=TestTheReferenceOfThePluginIsUpToDate -count=1 -update

.PHONY: picture
picture: build ## Record the picture of the front page, on a real control plane, in two minutes.
	go build -o bin/demo ./hack/demo
	hack/picture.sh

.PHONY: verify
verify: ## Fail if generated files, formatting or go.mod are not up to date.
	hack/verify.sh

.PHONY: clean
clean: ## Remove what was built in the checkout.
	rm -rf bin dist coverage.out*

##@ Install

.PHONY: install
install: ## Install the CRDs into the cluster of the current kubeconfig.
	hack/render.sh crd | $(KUBECTL) apply --server-side -f -

# EgainClients go first, while the operator is there: some have a finalizer that only it removes.
.PHONY: uninstall
uninstall: ## Remove the CRDs, and with them every EgainClient.
	if $(KUBECTL) get crd egainclients.auth.egain.com >/dev/null 2>&1; then $(KUBECTL) delete egainclients --all --all-namespaces; fi
	hack/render.sh crd | $(KUBECTL) delete --ignore-not-found -f -

.PHONY: deploy
deploy: ## Deploy the operator with image IMG.
	hack/render.sh default $(IMG) | $(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: uninstall ## Remove the operator and its CRDs.
	hack/render.sh default | $(KUBECTL) delete --ignore-not-found -f -

.PHONY: build-installer
build-installer: ## Write all manifests, with image IMG, to dist/install.yaml.
	mkdir -p dist
	hack/render.sh default $(IMG) >dist/install.yaml

.PHONY: chart
chart: ## Lint the chart and write it, as a package, to dist.
	$(TOOL) helm lint --strict charts/egain-operator
	$(TOOL) helm package charts/egain-operator --destination=dist

.PHONY: release-check
release-check: ## Make a release in dist and bin/artifacts as far as it takes no registry and no keys, and check it.
	hack/release.sh --check

.PHONY: release
release: ## Release the tag that is checked out: images, SBOMs, signatures, installer, chart, plugin, krew manifest.
	hack/release.sh

.PHONY: docker-build
docker-build: ## Build image IMG for PLATFORMS.
	docker buildx build --platform=$(PLATFORMS) --build-arg=VERSION=$(VERSION) --tag=$(IMG) $(BUILDX_FLAGS) .
