# GNU make. Everything goes into .venv here and into the private tool folder; see `make help`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
# One more than the processors of a small machine: many tests wait for programs of theirs.
JOBS ?= 3
PYTEST_ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet

.PHONY: help setup demo test lint check bench chaos agents test-page docs dist clean

help:
	@echo 'make setup   a .venv with everything pinned, and jj and git where the system lacks them'
	@echo 'make demo    the main job on a generated repository: agents work, results land'
	@echo 'make test    setup, then the tests (PYTEST_ARGS="-k name", JOBS=3)'
	@echo 'make lint    setup, then ruff (rules and format), mypy and the layers'
	@echo 'make check   lint, then test'
	@echo 'make bench   setup, then the benchmarks'
	@echo 'make chaos   setup, then what kills, starves or breaks a real system; writes docs/CHAOS.md'
	@echo 'make agents  setup, then real agents, which npm brings, with a model that follows a script'
	@echo 'make test-page  setup, then the page in a headless Chromium, which your system brings'
	@echo 'make docs    setup, then docs/reference from the code'
	@echo 'make dist    setup, then the wheel and the source distribution in dist/'
	@echo 'make clean   removes .venv, .agents, dist/ and caches; the tool folder stays'

# --- Setup: each stamp is newer than what it was made from, so a second run only asks for jj. ------

setup: $(VENV)/.project
	@$(PY) -m oya_vcs.adapters.toolbox

# Where ensurepip is missing (Debian without python3-venv) the system's own pip fills the venv.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'error: $(PYTHON) is older than Python 3.11, or is not there.'; \
	  echo 'hint: name a newer one: make setup PYTHON=python3.12'; exit 2; } >&2
	@rm -rf $(VENV)
	@if $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  $(PYTHON) -m venv $(VENV); \
	elif $(PYTHON) -c 'import pip, venv' 2>/dev/null; then \
	  $(PYTHON) -m venv --without-pip $(VENV); \
	  $(PYTHON) -m pip --disable-pip-version-check --quiet --python $(PY) install pip; \
	else \
	  echo 'error: $(PYTHON) can make no virtual environment: ensurepip is missing.'; \
	  echo 'hint: on Debian and Ubuntu: apt-get install python3-venv'; exit 2; fi >&2
	@touch $@

$(VENV)/.dependencies: $(VENV)/.made requirements/dev.txt
	@echo 'Installing the pinned requirements.'
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.project: $(VENV)/.dependencies pyproject.toml hatch_build.py oya_vcs/__init__.py
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# --- Work ------------------------------------------------------------------------------------------

demo: setup
	@$(VENV)/bin/oya-vcs demo

test: setup
	@$(PY) -m pytest -n $(JOBS) $(PYTEST_ARGS)

lint: setup
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

check: lint test

bench: setup
	@$(VENV)/bin/oya-vcs bench

chaos: setup
	@$(PY) -m pytest -n $(JOBS) -m chaos -p tests.chaos.report --chaos-report docs/CHAOS.md \
	  $(PYTEST_ARGS)
	@$(PY) -m pytest -n $(JOBS) --hypothesis-profile=search tests/properties

# Pinned by integrity in requirements/agents; no script of a package is run.
# OYA_OPENCODE names an opencode that is there already.
agents: setup
	@opencode="$${OYA_OPENCODE:-}"; \
	if test -z "$$opencode"; then \
	  command -v npm > /dev/null || { \
	    echo 'error: npm is not there.'; \
	    echo 'hint: install it, or name an opencode: make agents OYA_OPENCODE=/path/to/opencode'; \
	    exit 2; } >&2; \
	  mkdir -p .agents && cp requirements/agents/package*.json .agents/; \
	  npm ci --prefix .agents --ignore-scripts --no-audit --no-fund --loglevel=error; \
	  opencode="$$(ls "$$PWD"/.agents/node_modules/opencode-*/bin/opencode 2> /dev/null | tail -n 1)"; \
	  test -n "$$opencode" || { \
	    echo 'error: the pinned opencode is for Linux on x64.'; \
	    echo 'hint: name another one: make agents OYA_OPENCODE=/path/to/opencode'; exit 2; } >&2; \
	fi; \
	OYA_OPENCODE="$$opencode" $(PY) -m pytest $(PYTEST_ARGS) tests/integration/test_opencode_real.py \
	  tests/integration/test_opencode_spoken.py

test-page: setup
	@$(PY) -m pytest -m page -s tests/page $(PYTEST_ARGS)

docs: setup
	@$(PY) -m tests.reference

dist: setup
	@rm -rf dist
	@$(PY) -m build --no-isolation --outdir dist .

clean:
	@rm -rf $(VENV) .agents dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache \
	  .import_linter_cache
