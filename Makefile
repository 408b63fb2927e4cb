# Each target makes its environment when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: demo test check fast bench clean

demo: $(VENV)/base
	@if [ -d releases/diabetes-screening ]; then $(BIN)/manikin verify releases/diabetes-screening; \
	else $(BIN)/manikin make diabetes-screening --patients 10000 --out releases/diabetes-screening; fi

test: $(VENV)/dev
	$(BIN)/pytest -n auto

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto -m "not slow"

bench: $(VENV)/dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/base: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install $(PIP_FLAGS) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/dev: pyproject.toml $(VENV)/base
	@$(BIN)/pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@
