# make demo: the whole pipeline in minutes.  make test: lint, types, doctests, tests, documentation, wheel.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint types tests docs wheel clean

demo: .venv/pipeline.installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/demo.py

test: lint types tests docs wheel

lint: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.installed
	$(BIN)/mypy

tests: .venv/dev.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

# the guide, into site/index.html; a warning is an error
docs: .venv/docs.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# what users install: built from the source archive, looked at, installed alone
wheel: .venv/dev.installed
	$(BIN)/python -m tests.package dist

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is too old: ARC needs Python >= 3.11; try make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv

# torch comes first and alone: what follows finds it there and brings no second one
.venv/%.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) torch
	$(PIP) -e '.[$*]'
	touch $@

clean:
	rm -rf .venv build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
