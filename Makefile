# `make quickstart` and `make test` are all the set-up there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Copies of the field's published lists, for the parity tests; without them those tests skip.
VGGSS_REFERENCE_DATA ?= $(abspath $(wildcard ../shared/data))
export VGGSS_REFERENCE_DATA

.PHONY: help quickstart test lint types unit perf wheel clean

help:
	@echo "make quickstart   walk the whole way on a sample world; results in ./quickstart/"
	@echo "make test         lint, types, tests with coverage"
	@echo "make lint types unit   each part of it alone"
	@echo "make perf         benchmarks, as ratios against a naive baseline"
	@echo "make wheel        build the wheel into dist/"
	@echo "make clean        remove what these commands made, but not the results"

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

quickstart: $(VENV)/installed
	$(BIN)/vggss quickstart --out quickstart

test: lint types unit

lint: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/installed
	$(BIN)/mypy

unit: $(VENV)/installed
	$(BIN)/pytest --cov --cov-report=term:skip-covered

perf: $(VENV)/installed
	for bench in tests/perf/bench_*.py; do $(BIN)/python $$bench || exit 1; done

wheel: $(VENV)/installed
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
