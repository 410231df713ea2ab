# Vedette: `make demo` to see it, `make test` to know that it works.
# The environment is .venv; it is made once, and again when pyproject.toml changes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

python := .venv/bin/python
# An environment that happens to be active, or its settings, are none of ours.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH
export SOURCE

.PHONY: help
help: ## say what there is
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1\t\2/p' Makefile | expand -t 14

.PHONY: demo
demo: .venv/demo.stamp ## run on a test scene, or SOURCE=file|rtsp://…, and show the results
	@$(python) -m agent demo $${SOURCE:+--source "$$SOURCE"}

.PHONY: studio
studio: .venv/studio.stamp ## try algorithms in the browser, on a test scene or SOURCE=file|rtsp://…
	@$(python) -m agent studio $${SOURCE:+"$$SOURCE"} $(ARGS)

.PHONY: dashboard
dashboard: .venv/test.stamp ## build the page of the dashboard from dashboard/
	@$(python) -m agent schema | tools/npm run contract
	@tools/npm run build

.PHONY: test
test: .venv/test.stamp ## check, then run every test; ARGS="-k name" for some
	@tools/need
	@$(MAKE) check
	$(python) -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: soak
soak: .venv/test.stamp ## let everything go wrong for half an hour; ARGS="--minutes 5 --seed 7 --durability strict"
	@tools/need
	$(python) -m tests.chaos $(ARGS)

.PHONY: check
check: .venv/test.stamp ## lint, format, types, imports, generated documents
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	.venv/bin/python -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(python) -m agent.config.reference --check
	$(python) -m agent.contract.reference --check
	$(python) tools/timelines.py --check

.PHONY: docs
docs: .venv/test.stamp ## write the generated documents anew
	$(python) -m agent.config.reference
	$(python) -m agent.contract.reference
	$(python) tools/timelines.py

# With atheris where there is a wheel of it for this machine, else by chance alone: docs/fuzzing.md.
.PHONY: fuzz
fuzz: .venv/test.stamp ## a million hostile inputs; a quarter of an hour; ARGS="settings --runs 0.1" for some
	@$(python) -c 'import atheris' 2>/dev/null || $(python) -m pip install -q --only-binary=atheris -e '.[fuzz]' || true
	$(python) -m tests.fuzz $(ARGS)

# The benchmarks use the camera, the broker and the subscriber of the tests.
.PHONY: bench
bench: .venv-bench/bench.stamp ## measure, beside others; an hour; ARGS="demand --quick" for some, in short
	.venv-bench/bin/python -m benchmarks $(ARGS)

.PHONY: clean
clean: ## remove environments and caches
	rm -rf .venv .venv-bench dashboard/node_modules .venv-homeassistant build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find agent algos tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment of the tests can do the demo too.
.venv/demo.stamp: pyproject.toml tools/setup
	@tools/setup demo

.venv/studio.stamp: pyproject.toml tools/setup
	@tools/setup studio

.venv/test.stamp: pyproject.toml tools/setup
	@tools/setup demo,test,onnx,studio

.venv-bench/bench.stamp: pyproject.toml tools/setup
	@VENV=.venv-bench tools/setup demo,test,bench
