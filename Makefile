# All commands of this project; `make help` lists them. Works with GNU Make 3.81 (macOS) and later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAGE ?= dev
export ENGINE
READY := $(VENV)/.ready
export PYTHONDONTWRITEBYTECODE = 1

# The packages alone; with the face model, which is built once, the environment is ready.
PACKAGES := $(VENV)/.packages

LINT_VENV := .venv-lint
LINT_BIN := $(LINT_VENV)/bin
LINT_READY := $(LINT_VENV)/.ready
# A file of tests stays in one process, and a process has one local cloud at a time; slow files come first.
PARALLEL := -n logical --dist loadfile --no-loadscope-reorder
# Tests start hundreds of interpreters, each of which would compile the project again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
# pip refuses a package whose hash differs from the locked one.
PIP := --quiet --disable-pip-version-check --require-hashes

.PHONY: help run up test test-fast check lint fix bench bench-leak bench-scale deploy remove upload download status redrive replay image test-image soak fuzz storm repeat matrix permissions lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## Blur the demo clip on this machine, or your video or folder: VIDEO=my.mp4 [OUT=blurred.mp4]
	@$(BIN)/python -m local_cloud run $(if $(VIDEO),--video "$(VIDEO)") $(if $(OUT),--out "$(OUT)")

up: $(READY) ## Start the local cloud and print the variables to export; Ctrl-C ends it
	@$(BIN)/python -m local_cloud up

test: $(READY) ## Run all tests on all processors; ARGS="-k blur" selects
	@$(PYTEST) $(PARALLEL) $(ARGS)

test-fast: $(READY) ## Run the tests without videos and clouds; takes a minute
	@$(PYTEST) $(PARALLEL) tests/unit tests/contract $(ARGS)

check: $(READY) lint ## Check style, types, templates, policies, Dockerfile and state machine
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/cfn-lint --regions us-east-1 eu-west-1 us-gov-west-1 -- statemachine/foundation.yaml statemachine/pipeline.yaml
	@$(BIN)/python -m pytest -q tests/contract

# Linters with their own environment. One that cannot be installed is reported and skipped; in CI that is an error.
lint: $(READY)
	@if $(MAKE) --no-print-directory $(LINT_READY) && [ -e $(LINT_READY) ]; then \
	    $(LINT_BIN)/checkov --config-file .checkov.yaml --directory statemachine && \
	    $(LINT_BIN)/checkov --config-file .checkov.yaml --file blur_container/Dockerfile && \
	    $(LINT_BIN)/hadolint blur_container/Dockerfile && echo "hadolint: blur_container/Dockerfile is clean" && \
	    $(BIN)/python -m tests.linting.policies | $(LINT_BIN)/python tests/linting/iam.py; \
	elif [ -n "$(CI)" ]; then exit 1; \
	else echo "Skipped: checkov, hadolint and parliament cannot be installed here."; fi
	@if command -v npx >/dev/null 2>&1; then \
	    for partition in aws aws-us-gov; do \
	        npx --yes asl-validator@4.0.0 --json-definition "$$(sed "s/\$${Partition}/$$partition/" statemachine/blur_faces.asl.json)" \
	            || exit 1; \
	    done; \
	elif [ -n "$(CI)" ]; then echo "asl-validator needs Node.js" >&2; exit 1; \
	else echo "Skipped: asl-validator needs Node.js (npx)."; fi

deploy: $(READY) ## Deploy to AWS; STAGE=dev, DRY_RUN=1 to show the changes only
	@$(BIN)/python -m deploy up --stage $(STAGE) $(if $(DRY_RUN),--dry-run)

remove: $(READY) ## Remove a stage; BUCKETS=delete also its videos, RUNNING=stop, DRY_RUN=1
	@$(BIN)/python -m deploy remove --stage $(STAGE) $(if $(DRY_RUN),--dry-run) \
	    $(if $(BUCKETS),--buckets $(BUCKETS)) $(if $(RUNNING),--running $(RUNNING))

upload: $(READY) ## Upload VIDEO=my.mp4 to a stage; KEY=... names it otherwise there
	@$(BIN)/python -m deploy upload --stage $(STAGE) --video "$(VIDEO)" $(if $(KEY),--key "$(KEY)")

download: $(READY) ## Download what a stage made of KEY=my.mp4, into out/ or OUT=blurred.mp4
	@$(BIN)/python -m deploy download --stage $(STAGE) --key "$(KEY)" $(if $(OUT),--out "$(OUT)")

status: $(READY) ## List executions with their status and cause of failure; KEY=my.mp4 for one upload
	@$(BIN)/python -m deploy status --stage $(STAGE) $(if $(KEY),--key "$(KEY)")

redrive: $(READY) ## Start failed uploads again; KEY=my.mp4 for one
	@$(BIN)/python -m deploy redrive --stage $(STAGE) $(if $(KEY),--key "$(KEY)")

replay: $(READY) ## Send the events in the dead-letter queue to their functions again
	@$(BIN)/python -m deploy replay --stage $(STAGE)

image: $(READY) ## Build the container image with docker or podman; BASE_IMAGE=..., ENGINE=...
	@$(BIN)/python -m deploy image --stage $(STAGE) $(if $(BASE_IMAGE),--base-image "$(BASE_IMAGE)")

test-image: $(READY) ## Build the image and run it as Lambda does, on a real clip
	@IMAGE_TEST=1 $(if $(BASE_IMAGE),BASE_IMAGE="$(BASE_IMAGE)") $(BIN)/python -m pytest -q -rs -s tests/image

soak: $(READY) ## Inject each fault into each call, and RUNS=500 random pairs of faults, SEED=1; takes hours
	@$(BIN)/python -m tests.faults.runs $(or $(RUNS),500) $(or $(SEED),1)

fuzz: $(READY) ## Run the container's functions on mutated videos and documents; SECONDS=600, SEED=1
	@$(BIN)/python -m tests.fuzz.soak $(or $(SECONDS),600) $(or $(SEED),1)

storm: $(READY) ## Upload 500 videos at once with a limit of 10 functions and 20 Rekognition jobs; UPLOADS=500
	@$(BIN)/python -m benchmarks.storm --uploads $(or $(UPLOADS),500)

repeat: $(READY) ## Repeat the tests with local clouds under full processor load; TIMES=20
	@$(BIN)/python -m tests.clouds.repeat $(or $(TIMES),20)

matrix: $(READY) ## Render FILES=1000 videos of all codecs, containers, rotations, rates and sounds; SEED=1
	@$(BIN)/python -m tests.checks.matrix $(or $(FILES),1000) $(or $(SEED),1)

permissions: $(READY) ## Remove one action from each IAM policy in turn, and show that a run notices; WORD=record-failure selects
	@$(BIN)/python -m tests.checks.permissions $(WORD)

fix: $(READY) ## Format the code, and fix what the linter can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(READY) ## Measure the pipeline's own overhead
	@$(BIN)/python -m benchmarks.overhead

bench-leak: $(READY) ## Measure which faces stay uncovered between detections, for each method
	@$(BIN)/python -m benchmarks.leak --picture docs/img/leak.png

bench-scale: $(READY) ## Measure segments against one function (20 min), and compute time and price on AWS
	@$(BIN)/python -m benchmarks.scale
	@$(BIN)/python -m benchmarks.scale.cost --picture docs/img/scale.png

COMPILE := $(BIN)/uv pip compile --quiet --universal --no-header --generate-hashes
lock: $(READY) ## Update the pinned requirements files
	@$(BIN)/python -m pip install --quiet uv
	@$(COMPILE) --python-version 3.10 requirements-dev.in -o requirements-dev.txt
	@$(COMPILE) --python-version 3.10 --no-deps requirements-assets.in -o requirements-assets.txt
	@$(COMPILE) --python-version 3.13 blur_container/requirements.in -o blur_container/requirements.txt
	@$(COMPILE) --python-version 3.13 --no-deps blur_container/requirements-model.in -o blur_container/requirements-model.txt
	@$(COMPILE) --python-version 3.10 requirements-lint.in -o requirements-lint.txt

clean: ## Remove all files that the other commands created
	@rm -rf $(VENV) $(LINT_VENV) .local-cloud out .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	    .chalice/deployments .chalice/deployed .chalice/stages
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): $(PACKAGES) $(wildcard blur_container/model_build/*.py)
	@echo "Building the face model, once: about half a minute ..."
	@$(BIN)/python -m blur_container.model_build
	@touch $@

$(PACKAGES): requirements-dev.txt requirements-assets.txt
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	    echo "face-blur needs Python 3.10 or later: install it, or set its path: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "face-blur needs Python 3.10 or later, $(PYTHON) is older: set another one, make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "face-blur needs Python's venv module (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@[ ! -L $(VENV) ] || { \
	    echo "$(VENV) is a link: creating it again would empty its target. Remove the link first." >&2; exit 1; }
	@echo "Setting up $(VENV), once: about a minute and 1.1 GB ..."
	@# chalice zips its own files from there, with their modes, for Lambda's user.
	@umask 022 && $(PYTHON) -m venv --clear $(VENV)
	@umask 022 && $(BIN)/python -m pip install $(PIP) -r requirements-dev.txt
	@umask 022 && $(BIN)/python -m pip install $(PIP) --no-deps -r requirements-assets.txt
	@touch $@

$(LINT_READY): requirements-lint.txt
	@[ ! -L $(LINT_VENV) ] || { echo "$(LINT_VENV) is a link: remove it first." >&2; exit 1; }
	@echo "Setting up $(LINT_VENV), once: about half a minute and 350 MB ..."
	@$(PYTHON) -m venv --clear $(LINT_VENV)
	@$(LINT_BIN)/python -m pip install $(PIP) -r requirements-lint.txt
	@touch $@
