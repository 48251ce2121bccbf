# Écluse: every target sets up what it needs, once. `make help` lists them.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-scale soak down

environment := ./tests/environment/environment.sh
run := $(environment) run --
# make test TESTS=tests/unit ARGS='-x -k name' runs less, ARGS='-n 0' all in one process.
TESTS ?= $(wildcard tests/unit tests/contracts tests/e2e)
ARGS ?=

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

demo: ## from a commit over staging to prod, with the example application; stays up until `make down`
	@$(environment) python >/dev/null
	if [ ! -x examples/demo.sh ]; then echo "make demo: examples/demo.sh is missing from this checkout" >&2; exit 2; fi
	$(environment) up >/dev/null
	if ! $(environment) swarm >/dev/null; then echo "make demo: without a swarm, staging is a container" >&2; fi
	variables=$$($(environment) env)
	eval "$$variables"
	PATH="$$PWD/.venv/bin:$$PATH" exec ./examples/demo.sh

test: ## all tests, in an environment that is taken down again if it was not there before
	@python=$$($(environment) python)
	exec $(run) "$$python" -m pytest --numprocesses auto $(TESTS) $(ARGS)

check: ## formatting, lint, types, floors
	@$(environment) python >/dev/null
	source .venv/bin/activate
	ruff check .
	ruff format --check .
	mypy
	MYPYPATH=tests mypy -p environment
	lint-imports

bench: ## the figures, beside plain docker and public peers, into docs/benchmarks.md
	@python=$$($(environment) python)
	exec $(run) "$$python" tests/bench/run.py $(ARGS)

bench-scale: ## a day of a large installation, simulated, into docs/scale.md; ARGS="--runs 2000 --workers 4"
	@python=$$($(environment) python)
	exec $(run) "$$python" tests/bench/scale.py $(ARGS)

soak: ## long fault tests
	@python=$$($(environment) python)
	exec $(run) "$$python" -m pytest tests/soak $(ARGS)

down: ## remove what the demo left, and stop what was started for it
	@variables=$$($(environment) env 2>/dev/null || true)
	eval "$$variables"
	if [ -n "$$variables" ] && [ -x examples/demo.sh ]; then PATH="$$PWD/.venv/bin:$$PATH" ./examples/demo.sh down; fi
	$(environment) down
