# `make demo` and `make test` are all a fresh machine needs: Python 3.11+, a C++ compiler, and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Both where it is there: uv is faster, pip is enough.
UV := $(shell command -v uv 2>/dev/null)
SLOW_TIMEOUT := 1800

.PHONY: setup demo check test test-slow lock format clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "expected Python 3.11 to 3.13, found `$(PYTHON) --version`: make PYTHON=python3.12 setup"; exit 2; }
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
ifdef UV
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --no-deps --editable .
else
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
endif
	touch $(STAMP)

demo: setup
	$(BIN)/revsearch demo

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(BIN)/python -m pytest -m "not slow"

test-slow: setup
	$(BIN)/python -m pytest -m slow --timeout $(SLOW_TIMEOUT)

# What is installed here, and what of it a cluster needs; versions stay where they may. Needs uv.
COMPILE := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"
lock:
	$(COMPILE) --extra dev pyproject.toml -o requirements.lock
	$(COMPILE) --constraint requirements.lock pyproject.toml -o cluster/requirements.lock

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf demo store .pytest_cache .mypy_cache .ruff_cache
