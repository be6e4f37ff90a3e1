# Stormpetrel: `make demo` shows it, `make test` proves it, `make help` lists the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
DEMO_HOME ?= demo
DATA ?= ../shared/data
BENCH_HOME ?= build/bench
# The interpreter: PYTHON=/path/to/python3.12 overrides; otherwise the first of these that is new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
# pip 23 refuses the lock: it does not see that `coverage[toml]` is pinned by `coverage`.
PIP := pip>=24.2
# uv is used when it is present; UV= switches it off.
UV ?= $(shell command -v uv 2>/dev/null)
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help setup demo test coverage test-slow test-spark ui bench lint format lock docs clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(STAMP)  ## make .venv, or bring it up to date

$(STAMP): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11, 3.12 or 3.13 found. Install one, or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 2; fi
	@if [ -n "$(UV)" ]; then \
		echo "Setting up $(VENV) with uv and $(PYTHON)"; \
		$(UV) venv --quiet --clear --seed --python "$(PYTHON)" $(VENV) && \
		$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock && \
		$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
		echo "Setting up $(VENV) with venv, pip and $(PYTHON); this takes a few minutes"; \
		$(PYTHON) -m venv --clear $(VENV) && \
		$(BIN)/python -m pip install --quiet --upgrade '$(PIP)' && \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	fi
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || { \
		echo "LightGBM cannot load. On Debian or Ubuntu: apt-get install libgomp1; on macOS: brew install libomp" >&2; exit 1; }
	@touch $(STAMP)

demo: $(STAMP)  ## the main job on a simulated market, no network and no keys
	@$(BIN)/stormpetrel demo --home $(DEMO_HOME)

# a worker that has done its half takes from the other's end: tests of a file share what they make
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test: lint  ## lint, types, import rules and tests
	$(PYTEST) -m "not slow and not spark"

coverage: $(STAMP)  ## the tests again, and the lines that none of them runs
	$(PYTEST) -m "not slow and not spark" --cov --cov-report=term-missing:skip-covered

test-slow: $(STAMP)  ## the long proofs: kill -9, null world, rebuilds
	$(PYTEST) -m slow

test-spark: $(STAMP)  ## the tape stage on PySpark, in an environment of its own
	@command -v java >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends default-jre-headless; } || { \
		echo "Java is missing. On Debian: apt-get install default-jre-headless" >&2; exit 1; }
	@if [ ! -f .venv-spark/.installed ]; then \
		if [ -n "$(UV)" ]; then \
			$(UV) venv --quiet --clear --seed --python "$(BIN)/python" .venv-spark && \
			$(UV) pip install --quiet --python .venv-spark/bin/python --require-hashes -r requirements.lock && \
			$(UV) pip install --quiet --python .venv-spark/bin/python --editable '.[spark]'; \
		else \
			$(BIN)/python -m venv --clear .venv-spark && \
			.venv-spark/bin/python -m pip install --quiet --upgrade '$(PIP)' && \
			.venv-spark/bin/python -m pip install --quiet --require-hashes -r requirements.lock && \
			.venv-spark/bin/python -m pip install --quiet --editable '.[spark]'; \
		fi && touch .venv-spark/.installed; fi
	TZ=UTC .venv-spark/bin/python -m pytest -m spark

lint: $(STAMP)  ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ui: $(STAMP)  ## the MLflow UI on 127.0.0.1, on the demo's runs unless STORMPETREL_HOME is set
	@$(BIN)/stormpetrel ui --home "$${STORMPETREL_HOME:-$$( [ -d mlruns/artifacts ] && echo . || echo $(DEMO_HOME) )}"

bench: $(STAMP)  ## every benchmark, on the market files in DATA; takes half an hour
	$(BIN)/stormpetrel import $(DATA) --home $(BENCH_HOME)
	$(BIN)/python -m benchmarks.store $(DATA)
	$(BIN)/python -m benchmarks.features $(BENCH_HOME)
	$(BIN)/python -m benchmarks.retrain $(BENCH_HOME) 2024-12-31
	$(BIN)/python -m benchmarks.score $(BENCH_HOME) 2024-12-31
	$(BIN)/python -m benchmarks.backtest $(BENCH_HOME)
	$(BIN)/python -m benchmarks.tape --events 5000000
	$(BIN)/python -m benchmarks.tape_real $(DATA)

lock: $(STAMP)  ## refresh requirements.lock (needs uv)
	@[ -n "$(UV)" ] || { echo "make lock needs uv: pip install uv" >&2; exit 2; }
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --upgrade --generate-hashes --no-header \
		--no-annotate --extra data --extra baselines --extra report --extra postgres --extra dev --quiet -o requirements.lock

clean:  ## remove the environment, caches and the demo's home; never your own home
	rm -rf .venv .venv-spark $(DEMO_HOME) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* build *.egg-info
