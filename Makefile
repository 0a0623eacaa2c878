# `make quickstart` and `make test` are all a newcomer needs; both install everything on first use.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
# Else each of the many processes of a suite compiles what it imports anew: three seconds for torch.
unexport PYTHONDONTWRITEBYTECODE

# Files by turns to two processes, long rooms first.
BESIDE := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install quickstart evidence serve docs test lint type test-fast test-whole test-ray test-chaos \
  test-cluster bench format lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: .venv/installed  ## create .venv with the pinned packages
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' \
	  || { echo "Python 3.11 or 3.12 must be used, but got $$($(PYTHON) --version); set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

quickstart: install  ## the shipped predictor on real images: search, distil, compare
	$(BIN)/python -m jobs.quickstart fashion

evidence: install  ## the comparison on unseen datasets, from the shipped files
	$(BIN)/python -m jobs.evaluate evidence --store zoo --into runs/evidence-shipped

serve: install  ## the service on this machine: page and HTTP on port 8000, gRPC on 9000
	@port=$$(sed -nE 's/.*--port[= ]+([0-9]+).*/\1/p' <<< '$(SERVE)'); \
	  echo "the page will be at http://127.0.0.1:$${port:-8000}/"
	$(BIN)/python -m jobs.prepare micro
	$(BIN)/python -m serve.app --store runs/serve $(SERVE)

docs: install  ## the site, into site/; a warning is an error, nothing is fetched
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test: install  ## everything CI runs: lint, types and all tests without Ray side by side, then Ray
	$(MAKE) --no-print-directory --jobs 3 --output-sync=target lint type test-whole
	$(MAKE) --no-print-directory test-ray

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: install
	$(BIN)/mypy

test-fast: install  ## half of the tests in a minute: no Ray, no file that takes long
	$(BIN)/python -m pytest $(BESIDE)

test-whole: install  ## all tests that need no Ray
	$(BIN)/python -m pytest --all $(BESIDE)

test-ray: install  ## the suite that needs Ray: one cluster for the whole run
	$(BIN)/python -m pytest -m ray

test-cluster: install  ## `ray up` on three machines made of namespaces; needs root and Linux
	$(BIN)/python -m tests.hosts $(BIN)/python -m pytest -m hosts -s -x -p no:cacheprovider tests/hosts

test-chaos: install  ## two hundred faults on machines made of namespaces, some two hours; goes on where it was killed
	$(BIN)/python -m tests.chaos

bench: install  ## every claim of speed as a ratio
	for claim in start embed distill meta fleet gpu; do $(BIN)/python -m benchmarks.$$claim || exit 1; done

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install  ## pin the newest versions that fit pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-index-url --no-header \
	  --no-annotate --extra ray --extra tracing --group dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv runs site .mypy_cache .pytest_cache .ruff_cache
