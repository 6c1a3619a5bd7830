# Two commands do everything on a fresh machine: `make demo` and `make test`. Both need Python 3.11 or later, nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test check tests env env-demo format docs-pictures clean

demo: env-demo  ## an edited clip and a before/after strip, made with the shipped model
	$(BIN)/python examples/demo.py

test: env check tests  ## every check and every test

check: env  ## lint, format, types, import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

tests: env
	$(BIN)/pytest

env: $(VENV)/.complete  ## the environment of developers and CI
env-demo: $(VENV)/.demo

$(VENV)/.complete: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing PyTorch and the tools into $(VENV): minutes on the first call"
	$(PIP) "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(PIP) --editable ".[dev]"
	touch $@ $(VENV)/.demo

$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): about a minute on the first call"
	$(PIP) --editable ".[demo]"
	touch $@

docs-pictures: demo  ## the pictures in README.md
	mkdir -p docs/pictures
	cp demo/before-after.png demo/sliders.png docs/pictures/

format:
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) demo build dist
