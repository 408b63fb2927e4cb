# Each target makes its environment when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check
# Training a recurrent generator needs no GPU. Where the package index offers torch with gigabytes of CUDA, ask for the
# build without: make check TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

.PHONY: demo test check fast bench clean

demo: $(VENV)/base
	@if [ -d releases/diabetes-screening ]; then echo "releases/diabetes-screening is there already; remove it to make it anew."; \
	$(BIN)/manikin verify releases/diabetes-screening; \
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

$(VENV)/base: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install $(PIP_FLAGS) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt $(VENV)/base
	@$(BIN)/pip install $(PIP_FLAGS) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --constraint constraints.txt --editable '.[dev]'
	@touch $@
