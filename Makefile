# One command for each verb, the same at a desk and in CI. Every target does its own set-up.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Python 3.11 where it is found, else the newest that runs; a name on the path may be a shim that does not.
PYTHON ?= $(shell for python in python3.11 python3.13 python3.12 python3.10 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$python && break; done)

# The oldest and the newest; the one between by `make test-versions OTHER_VERSIONS=3.12`.
OTHER_VERSIONS := 3.10 3.13
# What needs no browser: units, virtual time, loopback.
PORTABLE_TESTS := tests/unit tests/simulation tests/integration

# Three tests at a time for every two cores, for most of them wait most of the time; those of one file one after the
# other, and files in their order: the browser's come last, for its driver keeps a loop running where the others make
# theirs.
WORKERS ?= $(shell n=$$((($$(nproc) * 3 + 1) / 2)); echo $$((n < 8 ? n : 8)))
SIDE_BY_SIDE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup check format test test-versions test-engines simulate demo bench chaos image docs lock dist clean

help:
	@echo 'make setup          make the virtual environment and install everything into it'
	@echo 'make demo           start a cluster of two nodes that works, and its dashboard'
	@echo 'make check          lint, formatting, types, layers; the dashboard by tsc and ESLint'
	@echo 'make test           every test, the browser ones too, three files at a time on two cores; WORKERS=n for others'
	@echo 'make test-versions  the portable tests under Python $(OTHER_VERSIONS), where found; the first with the oldest libraries'
	@echo 'make test-engines   tests inside Ray, torchrun and LangGraph, which are fetched first'
	@echo 'make simulate       10,000 lives of simulated clusters, 2,000 of queues; SEEDS=n QUEUE_SEEDS=n for fewer'
	@echo 'make bench          our figures beside the peers and the floors, a quarter of an hour; QUICK=1: 3 minutes'
	@echo 'make chaos          the long forms of all campaigns, some hours; QUICK=1: the short ones; ONLY=ids: some'
	@echo 'make image          the steps of the image in a bare Debian root, and a node in it; as root, without Docker'
	@echo 'make docs           build the documentation into site/'
	@echo 'make lock           choose the newest versions of all that development needs, with their hashes; and the oldest'
	@echo 'make dist           sdist, wheel and bill of materials into dist/'
	@echo 'make format         let ruff rewrite what it can'
	@echo 'make clean          remove what the other targets made'

setup: $(READY)

# The lock has what pyproject.toml asks for, by hash; the second line adds this package, and what is not locked yet.
$(READY): pyproject.toml requirements/dev.txt
	@test -n '$(PYTHON)' || { echo 'Python 3.10 or newer is needed: apt-get install python3 python3-venv' >&2; exit 1; }
	@test -x $(BIN)/python || .ci/venv $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'installing into $(VENV) (the first time takes a minute) ...'
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/kubernetes-validate --quiet --strict docs/how-to/kubernetes.yaml
	@.ci/dashboard check

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(READY)
	@.ci/need chromium chromium
	@.ci/need redis-server redis-server
	@.ci/need node nodejs
	@.ci/dashboard tools
	@.ci/need ip iproute2
	@.ci/need nft nftables
	@.ci/need prometheus prometheus
	@.ci/need nginx nginx-light
	@.ci/need caddy caddy
	$(BIN)/pytest $(SIDE_BY_SIDE)

test-versions:
	@SIDE_BY_SIDE='$(SIDE_BY_SIDE)' .ci/versions '$(OTHER_VERSIONS)' $(PORTABLE_TESTS)

test-engines:
	@PYTHON='$(PYTHON)' .ci/engines tests/engines

simulate: $(READY)
	$(BIN)/python -m tests.simulation.cluster_campaign --seeds $(or $(SEEDS),10000)
	$(BIN)/python -m tests.simulation.queue_campaign --seeds $(or $(QUEUE_SEEDS),2000)

demo: $(READY)
	@$(BIN)/pulsing demo $(DEMO_ARGS)

bench: $(READY)
	@$(BIN)/python -m pip install --quiet -e '.[bench]'
	@$(BIN)/python -m benchmarks.beside $(if $(QUICK),--quick)

chaos: $(READY)
	@$(BIN)/python -m tests.campaigns $(if $(QUICK),--quick) $(ONLY)

image:
	@.ci/need debootstrap debootstrap
	@.ci/need ip iproute2
	@.ci/image

docs: $(READY)
	$(BIN)/mkdocs build --strict --quiet
	@echo 'open site/index.html; its search wants a server: python3 -m http.server -b 127.0.0.1 -d site'

lock: $(READY)
	$(BIN)/python -m pip install --quiet -e '.[release]'
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --extra dev --generate-hashes \
		--no-annotate --custom-compile-command 'make lock' pyproject.toml --output-file requirements/dev.txt
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.10 --resolution lowest-direct --extra test \
		--generate-hashes --no-annotate --custom-compile-command 'make lock' pyproject.toml \
		--output-file requirements/oldest-3.10.txt

# The bill names what an installation of the wheel brings along under any Python that it supports, and the libraries of
# the dashboard; that every extra can be had is seen on the way.
dist: $(READY)
	$(BIN)/python -m pip install --quiet -e '.[release]'
	$(BIN)/uv pip compile --quiet --all-extras --universal --python-version 3.10 pyproject.toml >/dev/null
	$(BIN)/python -m build --outdir dist .
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes pyproject.toml \
		--output-file dist/requirements.txt >/dev/null
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON \
		--output-file dist/pulsing.cdx.json dist/requirements.txt
	$(BIN)/python .ci/bill dist/pulsing.cdx.json

clean:
	rm -rf $(VENV) .venv-* .bench .image-root site dist dashboard/dev/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
