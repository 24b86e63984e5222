# `make demo` and `make test` each work alone in a fresh clone: both make the environment first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test test-all lint format clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

# Ten thousand modules are compiled here, once, rather than in the middle of the first run.
# uv installs in a minute what takes pip several; where there is no uv, pip does it.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	  f"Mirasol needs Python 3.11 or later, got {v[0]}.{v[1]}: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv || echo "no uv here: going on with pip"
	if [ -x $(BIN)/uv ]; then \
	  $(BIN)/uv pip install --python $(BIN)/python --compile-bytecode -e '.[test,xla,beam,sweep]'; \
	else \
	  $(BIN)/python -m pip install -e '.[test,xla,beam,sweep]'; \
	fi
	@touch $(STAMP)

# A process a core, and one thread each: two threads a process would wait for one another's cores.
# A file's tests stay together, with what they share; in their order, which has the slow ones midway.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=8 \
  --dist=loadfile --no-loadscope-reorder

demo: setup
	$(BIN)/python tools/demo.py

test: setup
	$(PYTEST)

test-all: setup
	$(PYTEST) -m ''

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info
