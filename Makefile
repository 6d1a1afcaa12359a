# Needs Python 3.11 or newer with its venv module, and make. Everything else is installed into .venv from hash-pinned lists.
# Another Python: PYTHON=python3.12 make venv

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

# Which lists are installed. A change of a list or of pyproject.toml makes its stamp old.
RUN_STAMP  := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
OIDC       := $(VENV)/oidc-provider
OIDC_STAMP := $(OIDC)/.installed

# Tests mostly wait; heavy servers stay in one of the processes (tests/conftest.py). 0: one process, for debugging.
TEST_PROCESSES ?= 2

UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
              --no-emit-index-url --no-header --no-annotate --quiet

.DEFAULT_GOAL := help
.PHONY: help venv venv-test demo up down test prove bench lint lock

help: ## This list.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(RUN_STAMP) ## The virtual environment, from requirements.lock.

venv-test: $(TEST_STAMP) $(OIDC_STAMP) ## The same with everything that tests and checks need.

demo: venv ## Start the platform and take real models through their whole life.
	@$(BIN)/gatehouse demo

up: venv ## Start the platform.
	@$(BIN)/gatehouse up

down: ## Stop the platform.
	@if [ -x $(BIN)/gatehouse ]; then $(BIN)/gatehouse down; fi

test: lint ## Checks, then the whole test suite, in two processes.
	$(BIN)/python -m pytest -n $(TEST_PROCESSES)

prove: venv-test ## The full-size proof runs: crash points and matrices. Takes long.
	$(BIN)/python -m pytest -m prove

bench: venv-test ## Measure; figures to build/bench.json.
	@mkdir -p build
	$(BIN)/python -m tests.benchmarks --json build/bench.json

lint: venv-test ## Style, types, and which room may import which.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: venv-test ## Resolve pyproject.toml again into the two lists.
	$(UV_COMPILE) --output-file requirements.lock
	$(UV_COMPILE) --extra test --constraint requirements.lock --output-file requirements-test.lock

# The second list contains the first, so either one alone is enough.
$(RUN_STAMP): requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)

$(TEST_STAMP): requirements-test.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-test.lock)
	@touch $(RUN_STAMP)

# The identity provider that tests of signing in run against. Without npm these tests are skipped, and say so.
$(OIDC_STAMP): tests/fixtures/oidc/package-lock.json | $(BIN)/python
	@mkdir -p $(OIDC)
	@cp tests/fixtures/oidc/package.json tests/fixtures/oidc/package-lock.json $(OIDC)
	@if command -v npm >/dev/null; then \
	  npm ci --prefix $(OIDC) --omit=dev --ignore-scripts --no-audit --no-fund --silent && touch $@ || \
	  echo "npm could not install the OpenID provider: its tests are skipped." >&2; \
	else echo "No npm: tests with an OpenID provider are skipped." >&2; fi

define install
@echo "Installing $$(grep -c '==' $<) packages of $(1) into $(VENV) (a minute or two)"
@# The list is complete, so nothing is resolved again: pip would look for newer versions behind extras.
@$(PIP) install --no-deps --require-hashes --requirement $(1)
@echo "Installing gatehouse itself"
@$(PIP) install --no-deps --no-build-isolation --editable .
@touch $@
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Gatehouse needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	  echo "Name another one: PYTHON=python3.12 make venv" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); \
	  echo "The venv module of $(PYTHON) does not work; on Debian and Ubuntu it is in the package python3-venv." >&2; \
	  exit 1; }
