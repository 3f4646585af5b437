# The one door to this project: `make help`. Works with GNU Make 3.81 (macOS) and later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help run up test check fix bench bench-leak lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## Blur the demo clip on this machine; VIDEO=my.mp4 [OUT=blurred.mp4] for your own
	@$(BIN)/python -m local_cloud run $(if $(VIDEO),--video "$(VIDEO)") $(if $(OUT),--out "$(OUT)")

up: $(READY) ## Keep the local cloud running and print the environment to export
	@$(BIN)/python -m local_cloud up

test: $(READY) ## Run all tests
	@$(BIN)/python -m pytest

check: $(READY) ## Lint, types, templates, state machine
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@# W3002: DefinitionS3Location is a local path on purpose, `aws cloudformation package` uploads it.
	@$(BIN)/cfn-lint --ignore-checks W3002 -- statemachine/foundation.yaml statemachine/pipeline.yaml
	@$(BIN)/python -m pytest -q tests/contract

fix: $(READY) ## Format, and mend what the linter can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(READY) ## Measure the pipeline's own overhead
	@$(BIN)/python -m benchmarks.overhead

bench-leak: $(READY) ## Measure which faces stay bare between detections, method by method
	@$(BIN)/python -m benchmarks.leak --picture docs/img/leak.png

lock: $(READY) ## Write the pinned requirements files anew
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-header \
	    requirements-dev.in -o requirements-dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.13 --no-header --generate-hashes \
	    blur_container/requirements.in -o blur_container/requirements.txt

clean: ## Remove everything that the other commands made
	@rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis .chalice/deployments
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements-dev.txt requirements-assets.txt
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	    echo "face-blur needs Python 3.10 or later: install it, or name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "face-blur needs Python 3.10 or later, $(PYTHON) is older: name another, make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "face-blur needs Python's venv module (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up $(VENV), once: about a minute and 700 MB ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-assets.txt
	@touch $@
