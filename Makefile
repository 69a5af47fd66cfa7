# Every target works on a fresh machine: what is missing is installed first, and named (see scripts/setup).

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The tests of one run share a broker and a database server; more threads than this only make them wait for each other.
export RUST_TEST_THREADS ?= 4

# One set of features for both targets of tests, so that one build serves both.
TESTED := failpoints,otlp,demo,msk-iam

.PHONY: help demo setup build test test-ops test-kubernetes test-cluster test-matrix soak bench lint

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-15s %s\n", $$1, $$2}'

demo: ## See the service at work, with nothing to set up: make demo [ARGS="--keep"]
	@scripts/setup demo >&2
	@cargo build --locked --profile demo --no-default-features --features demo --bin demo
	@target/demo/demo $(ARGS)

setup: ## Install what building and testing need
	@scripts/setup

build: setup ## Build the program
	cargo build --locked --release

test: setup ## Run all tests, against a real Kafka and a real PostgreSQL that they start themselves
	cargo test --locked --features $(TESTED) --doc
	cargo test --locked --features $(TESTED) --lib --bins --tests -- --skip ops:: --skip kubernetes:: --skip cluster::

test-ops: ## Test what runs around the program: manifests, alerts, registry, TLS, the page in a browser
	@scripts/setup ops
	cargo test --locked --features $(TESTED) --test promises -- ops::

test-kubernetes: ## Test the manifests on an API server, which is built first (some minutes)
	@scripts/setup kubernetes
	cargo test --locked --features $(TESTED) --test promises -- kubernetes::

test-cluster: setup ## Test failovers, dead brokers and silent networks on three brokers and a primary with its standby
	RUST_TEST_THREADS=1 cargo test --locked --features $(TESTED) --test promises -- --nocapture cluster::

test-matrix: ## Run the short tests on every supported version of PostgreSQL and Kafka: make test-matrix [CELL="PostgreSQL 14"]
	@scripts/setup matrix
	@TESTED=$(TESTED) scripts/test-matrix "$(CELL)"

soak: setup ## Faults in a random order for an hour: make soak [SOAK_SECONDS=600] [SOAK_SEED=1]
	SOAK_SECONDS=$(or $(SOAK_SECONDS),3600) SOAK_SEED=$(or $(SOAK_SEED),$(shell date +%s)) cargo test --locked --features $(TESTED) --test promises -- --nocapture kills:: faults:: cluster::soak

bench: setup ## Measure everything, on servers that it starts itself: make bench [BENCH="quick scale"], [BENCH=paired BASE=program], [BENCH=migration USERS=1000000]
	$(if $(filter migration,$(BENCH)),@scripts/setup bench)
	$(if $(filter paired migration,$(BENCH)),,cargo bench --locked --bench micro -- --noplot $(if $(filter quick,$(BENCH)),--quick))
	BASE=$(abspath $(BASE)) USERS=$(USERS) cargo bench --locked --bench promises_of_speed -- $(BENCH)

lint: setup ## Check the format, the words and all lints
	scripts/retired-words
	cargo fmt --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
