# Every target makes and uses .venv by itself; a bare machine needs Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PROTOS := $(wildcard protos/scoreline/v1/*.proto)
DEMO ?=
BENCH ?=
QUALITY ?=
RECIPES ?=
MUTANTS ?= --help
# A run that is not over by then is ended, whatever holds it: 8 minutes on a quiet machine, more on a busy one.
TEST_SECONDS ?= 2400
export SCORELINE_DATA ?= $(abspath $(wildcard ../shared/data))

.PHONY: help demo test conformance acceptance image-test sizes check mutants docs reference layers proto bench bench-profiles quality recipes bench-peers clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/.demo  ## train, publish, route, serve, swap and score, on synthetic customers; DEMO=guardian or DEMO=churn for decisions
	@$(BIN)/scoreline demo $(DEMO)

test: $(VENV)/.dev  ## every test that fits in 8 minutes
	@timeout --kill-after 30 $(TEST_SECONDS) $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

conformance: $(VENV)/.dev  ## against the standards and clients of others
	@$(BIN)/python -m pytest -q -m conformance

acceptance: $(VENV)/.dev  ## the long form of what `make test` shows in small
	@$(BIN)/python -m pytest -q -m acceptance --timeout 1800

image-test: $(VENV)/.dev  ## build the container image, run it and ask it from outside; says by which means
	@sh .ci/image-tools
	@$(BIN)/python -m pytest -q -m image --timeout 1200 tests/deploy

sizes: $(VENV)/.dev  ## how large the client, the server and the image are, each against its bar
	@sh .ci/image-tools || true
	@$(BIN)/python -m tests.deploy.sizes

check: $(VENV)/.dev  ## lint, format, types, order of imports, generated code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@PATH="$(abspath $(BIN)):$$PATH" sh .ci/generated-is-current $(PROTOS)

mutants: $(VENV)/.dev  ## which changes of some modules no test notices: MUTANTS="MODULE... --tests TEST..."
	@$(BIN)/python -m tests.mutants $(MUTANTS)

docs: $(VENV)/.docs  ## build the documentation into .site; a broken link fails it
	@$(BIN)/zensical build --clean --strict

reference: $(VENV)/.dev  ## regenerate the pages and figures of docs/ that are made by code
	@$(BIN)/python -m tests.docs.generated
	@$(BIN)/python -m tests.docs.figures

layers: $(VENV)/.dev  ## draw the order of imports of each package to docs/figures
	@$(BIN)/python -m tests.docs.layers

proto: $(VENV)/.dev  ## regenerate the code under clients/scoreline/v1
	@PATH="$(abspath $(BIN)):$$PATH" sh .ci/generate clients $(PROTOS)

bench: $(VENV)/.dev  ## how fast the server is, against others on this machine; BENCH=--quick for a first look
	@$(BIN)/python -m tests.benchmarks $(BENCH)
	@$(BIN)/python -m tests.benchmarks.families

bench-profiles: $(VENV)/.dev  ## events and features of live profiles, beside Feast's online store; PROFILES="--events 10000"
	@$(BIN)/python -m tests.benchmarks.profiles $(PROFILES)

quality: $(VENV)/.dev  ## how well families predict real tables, beside other libraries on the same folds; hours
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.quality $(QUALITY)

recipes: $(VENV)/.dev  ## train the packaged recipes with 100,000 customers each; an hour or two
	@OMP_NUM_THREADS=2 $(BIN)/python -m tests.benchmarks.recipes $(RECIPES)

bench-peers: $(VENV)/.dev  ## install what is measured against under .bench
	@$(BIN)/python -m tests.benchmarks.installing

clean:  ## remove .venv, .bench and caches
	rm -rf $(VENV) .bench .mutants .site .cache .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Scoreline needs Python 3.11 or newer; set PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) (once)"
	@$(PIP) -e '.[server,trainers]'
	@touch $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing what builds the documentation (once)"
	@$(PIP) -e '.[docs]'
	@touch $@

# torch comes by itself and exactly: another version pulls gigabytes of GPU packages.
$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) for development (once)"
	@$(PIP) torch==2.13.0
	@$(PIP) -e '.[server,deep,dev]'
	@touch $@ $(VENV)/.demo
