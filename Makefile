# redeemd: `make help` lists what there is. Everything lives in .venv and var; `make clean` removes both.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench fuzz kills simulate lock boot test-devices vectors openapi schemathesis clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements-dev.lock pyproject.toml scripts/setup
	@PYTHON=$(PYTHON) scripts/setup $(VENV)
	@touch $@

demo: $(STAMP) ## play one day at a till, then stay up (ONCE=1: play it, check it, exit)
	@$(BIN)/redeemd demo $(if $(ONCE),--once)

test: $(STAMP) lint ## lint, type-check and run every test
	@$(BIN)/python -m pytest -n $(JOBS)

lint: $(STAMP) ## ruff, mypy, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache

format: $(STAMP) ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP) ## measure; prints a table and writes var/bench.json
	@$(BIN)/python -m benchmarks

fuzz: $(STAMP) ## fuzz what reads hostile input (FUZZ_SECONDS=60)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(FUZZ_SECONDS),60)

kills: $(STAMP) ## kill a till at every step of 200 sales' lives (KILLS=200)
	@REDEEMD_SALE_KILLS=$(or $(KILLS),200) $(BIN)/python -m pytest -q -s -n 0 --timeout 3000 tests/faults/test_sales_killed.py

schemathesis: $(STAMP) ## let schemathesis try the till's API for longer (EXAMPLES=100 an operation)
	@REDEEMD_SCHEMATHESIS_EXAMPLES=$(or $(EXAMPLES),100) $(BIN)/python -m pytest -q -s -n 0 --timeout 3000 tests/integration/test_api_schemathesis.py

simulate: $(STAMP) ## play tills and cloud under many seeds (SEEDS=10000, FIRST=0; two at a time)
	@half=$$(( ($(or $(SEEDS),10000) + 1) / 2 )); first=$(or $(FIRST),0); \
	$(BIN)/python -m tests.simulation.world $$half $$first & other=$$!; \
	$(BIN)/python -m tests.simulation.world $$half $$((first + half)) && wait $$other && \
	$(BIN)/python -m tests.simulation.sync_seeds $(or $(SEEDS),10000) $$first

vectors: $(STAMP) ## write tests/vectors anew
	@$(BIN)/python -m tests.vectors.generate

openapi: $(STAMP) ## write docs/openapi.yaml anew, from agent/api
	@$(BIN)/python -m tests.openapi_page

lock: $(STAMP) ## pin what pyproject.toml asks for, with hashes and without a registry's name
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--extra camera -c requirements-dev.lock pyproject.toml -o requirements-camera.lock
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--extra issuer -c requirements-dev.lock pyproject.toml -o requirements-issuer.lock
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--extra cloud -c requirements-dev.lock pyproject.toml -o requirements-cloud.lock

boot: $(STAMP) ## boot a whole till under systemd in a container (root; systemd-container, mmdebstrap)
	@scripts/test-boot

test-devices: $(STAMP) ## boot a machine with scanners and a camera in qemu, plug and unplug them (SHORT=1: each once)
	@scripts/test-devices $(if $(SHORT),--short)

clean: ## remove the virtual environment and everything the demo wrote
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .import_linter_cache
