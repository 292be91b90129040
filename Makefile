# What one does with this repository. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
# Passed on to the program that a target runs, as in: make bench ARGS=--quick
ARGS ?=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Install what is missing, build, and run every check on a private PostgreSQL (or on DATABASE_URL)
	@scripts/install-packages.sh demo
	@echo 'holdfast: building (a minute or two the first time)'
	@$(CARGO) build --release --features cli --bin holdfast
	@$(CARGO) run --quiet --release --features cli --bin holdfast -- verify $(ARGS)

.PHONY: test
test: deps lint doc unit ## Install what is missing, then check everything: format, lints, documentation, all tests

.PHONY: deps
deps: ## Install what is missing for building, testing and benchmarks
	@scripts/install-packages.sh test

.PHONY: lint
lint: deps
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	$(CARGO) clippy --lib -- -D warnings
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; fi

.PHONY: doc
doc: lint
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --all-features

# Last, so that the output ends with the counts.
.PHONY: unit
unit: doc
	$(CARGO) test --all-features --no-fail-fast $(ARGS) 2>&1 | awk -f scripts/count-tests.awk

.PHONY: bench
bench: deps ## Measure, against other pools in the same run; ARGS are passed on
	$(CARGO) bench --features embedded --bench holdfast -- $(ARGS)

.PHONY: readme
readme: ## Write the options reference in README.md anew
	HOLDFAST_WRITE_README=1 $(CARGO) test --quiet --test readme
