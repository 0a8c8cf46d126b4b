# Entry points for people. GNU make 3.81 (macOS) reads this too.
# Needed: git, make, and python3 3.11 or newer with venv. `make help` says what there is.

VENV := .venv
PYTHON := $(VENV)/bin/python
QD := $(VENV)/bin/qd
DISTRIBUTIONS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml cli/pyproject.toml)
TESTED := libs services cli tests examples
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@sh hack/help.sh $(MAKEFILE_LIST)

.PHONY: venv
venv: $(VENV)/.installed-demo ## Make .venv with what the platform and the example need

.PHONY: venv-dev
venv-dev: $(VENV)/.installed-dev ## The same with tests, linters and generators

$(VENV)/.installed-demo: requirements/demo.txt $(DISTRIBUTIONS) hack/venv.sh hack/find_python.sh
	@sh hack/venv.sh demo $(VENV)

$(VENV)/.installed-dev: requirements/dev.txt $(DISTRIBUTIONS) hack/venv.sh hack/find_python.sh
	@sh hack/venv.sh dev $(VENV)

.PHONY: demo
demo: venv ## A bookkeeper's morning: match payments with invoices (NEW=1 begins anew)
	@$(QD) demo $(if $(NEW),--new) $(ARGS)

.PHONY: up
up: venv ## Start the platform and stay: five services in one process
	@$(QD) up $(ARGS)

.PHONY: doctor
doctor: venv ## Check this machine and the platform
	@$(QD) doctor

.PHONY: test
test: venv-dev ## Run all tests (ARGS="-k name" for some of them)
	@sh hack/bridge.sh test
	$(PYTHON) -m pytest $(wildcard $(TESTED)) --ignore tests/cluster $(ARGS)

.PHONY: bridge
bridge: ## Build the program that tool pods get injected into build/bridge
	@sh hack/bridge.sh build

.PHONY: services
services: ## Start PostgreSQL, Redis and RabbitMQ for tests, with throw-away data; prints their URLs
	@"$$(sh hack/find_python.sh)" -m hack.services start

.PHONY: services-stop
services-stop: ## Stop those and remove their data
	@"$$(sh hack/find_python.sh)" -m hack.services stop

.PHONY: cluster-up
cluster-up: ## Make a Kubernetes cluster ($KUBECONFIG, else kind, else our own, as root); prints its kubeconfig
	@hack/cluster/cluster up

.PHONY: cluster-down
cluster-down: ## Take away the cluster that cluster-up made
	@hack/cluster/cluster down

.PHONY: cluster-status
cluster-status: ## Say how that cluster does
	@hack/cluster/cluster status

.PHONY: images
images: ## Build the images and load them where the cluster is (ARGS="gateway memory" for some of them)
	@hack/images/build $(ARGS)

.PHONY: deploy
deploy: venv-dev ## Deploy the platform to the cluster and wait until it serves
	@hack/cluster/deploy $(ARGS)

.PHONY: test-cluster
test-cluster: venv-dev ## Test what is deployed in the cluster (ARGS="-k name" for some of it)
	KUBECONFIG="$$(hack/cluster/kubeconfig)" $(PYTHON) -m pytest tests/cluster --ignore tests/cluster/test_from_nothing.py $(ARGS)

.PHONY: test-cluster-from-nothing
test-cluster-from-nothing: venv-dev ## Make a cluster and take it down: nothing may be left
	$(PYTHON) -m pytest tests/cluster/test_from_nothing.py

.PHONY: web
web: ## Build the console into web/dist; the gateway serves it at /console
	@sh hack/web.sh build

.PHONY: test-web
test-web: ## Check the types of the console and run its tests
	@sh hack/web.sh test

.PHONY: simulate
simulate: venv-dev ## Run the engine under a seeded adversary: SEEDS=2000 seeds from FIRST=0 on, JOBS=2 processes
	$(PYTHON) -m quarterdeck.runtime.simulation --seeds $(or $(SEEDS),2000) --first $(or $(FIRST),0) --processes $(or $(JOBS),2) $(ARGS)

.PHONY: kill-test
kill-test: venv-dev ## Kill the running demo 20 times (QD_KILLS=N): the ledger must come out the same
	QD_KILLS=$(or $(QD_KILLS),20) $(PYTHON) -m pytest tests/e2e/test_e2e_kills.py $(ARGS)

.PHONY: chaos
chaos: venv-dev ## Break a deployment with three workers on real servers (ARGS="--kills 1000 --others 3")
	PYTHONPATH=tests/chaos:tests/e2e:. $(PYTHON) -m chaos_kit $(ARGS)

.PHONY: security
security: venv-dev ## Fuzz REST, gRPC and parsers for long (EXAMPLES=20, SECONDS=60 a parser), then look at what is locked
	QD_TEST_SECURITY=$(or $(EXAMPLES),20) $(PYTHON) -m pytest tests/security -p no:cacheprovider $(ARGS)
	@sh hack/fuzz.sh $(PYTHON) $(or $(SECONDS),60)
	@sh hack/audit.sh $(PYTHON)

.PHONY: fresh-clone
fresh-clone: ## Clone what is committed into a temporary folder and run the demo there
	@sh hack/fresh_clone.sh

.PHONY: format
format: venv-dev ## Format the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix --select I .

.PHONY: lint
lint: venv-dev ## Check style, layers and the wire contracts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" lint-imports
	cd proto && PATH="$(CURDIR)/$(VENV)/bin:$$PATH" buf lint

.PHONY: type
type: venv-dev ## Check types with mypy, strictly
	@sh hack/type.sh $(PYTHON)

.PHONY: proto
proto: venv-dev ## Generate libs/proto from proto/
	PYTHON=$(PYTHON) sh hack/generate_proto.sh

.PHONY: generate
generate: proto ## Generate everything that is generated: wire code, CRDs, schemas, reference pages
	@sh hack/generate.sh $(PYTHON)

.PHONY: lock
lock: venv-dev ## Resolve requirements/*.in into hash-pinned requirements/*.txt
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh hack/lock.sh

.PHONY: bench
bench: venv-dev ## Run every benchmark beside its peer
	@sh hack/bench.sh $(PYTHON) all

bench-%: venv-dev ## Run one benchmark: bench-NAME is bench/NAME.py or bench/NAME/
	@sh hack/bench.sh $(PYTHON) $*

.PHONY: clean
clean: ## Remove .venv and caches; data stays
	@sh hack/clean.sh

.PHONY: purge
purge: clean ## Remove the platform's data in .quarterdeck as well
	rm -rf .quarterdeck
