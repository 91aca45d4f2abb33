# crmlab: `make` lists what there is to do. Only make installs packages, all from uv.lock, into .venv/.
# ARGS is passed on, e.g.  make run ARGS="tiering --language zh_CN"  or  make test ARGS="-k rfm".

PYTHON ?= python3
BIN := .venv/bin

# Container images often set it; then every kernel and command would compile all its modules anew.
unexport PYTHONDONTWRITEBYTECODE

# An environment that exists keeps its Python, unless PYTHON= names another.
ENVIRONMENT = @$(PYTHON) tools/environment.py $(if $(filter file,$(origin PYTHON)),,--this-python)

.DEFAULT_GOAL := help
.PHONY: help run test lab bench soak lint clean python environment dev-environment bench-environment

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

run: environment ## run every chapter on the bundled company and print where each report is
	$(BIN)/crmlab run $(ARGS)

test: lint ## check the code and run all tests, the notebooks too
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lab: environment ## open copies of the notebooks in JupyterLab; notebooks/ stays as it is
	$(BIN)/crmlab lab $(ARGS)

bench: bench-environment ## measure speed and memory against other packages
	$(BIN)/python benchmarks/run.py $(ARGS)

soak: dev-environment ## check over hundreds of seeds that the intervals cover the known effects
	$(BIN)/python -m tests.data.soak $(ARGS)

lint: dev-environment ## check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

clean: ## remove what make made: environment, caches, builds (reports/ stays)
	rm -rf .venv .uv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "crmlab needs Python 3.11 or newer; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 || true)" >&2; \
	  echo "Name another one, for example: make run PYTHON=python3.12" >&2; exit 1; }

environment: python
	$(ENVIRONMENT)

dev-environment: python
	$(ENVIRONMENT) --group dev

bench-environment: python
	$(ENVIRONMENT) --group dev --group bench
