# Eight verbs. Each makes .venv from requirements.lock first if it is missing or stale.
.PHONY: demo test check bench soak docs up clean
.DEFAULT_GOAL := demo
MAKEFLAGS += --no-print-directory

VENV := @.ci/venv
BIN := .venv/bin
# Two processes test side by side: tests/support/side_by_side.py says which what.
TESTS := $(wildcard $(addprefix tests/,browser e2e integration architecture unit gpu))
SOURCES := flows tasks infra deployments tests

demo: # the main job on real data: ingest, train, promote, score, monitor, retrain
	$(VENV)
	$(BIN)/python -m deployments.demo

test: # doctests, unit, architecture, integration, e2e, browser, gpu
	$(VENV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=25 $(TESTS) flows tasks infra deployments

check: # style, types, import contracts, spelling, architecture
	$(VENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(wildcard $(SOURCES))
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m pytest -q tests/architecture

bench: # time, CPU and memory against a plain script, side by side
	$(VENV)
	$(BIN)/python -m deployments.bench

soak: # chaos for half an hour: kills by the hundred, memory that stays flat, GPUs that are booked once
	$(VENV)
	$(BIN)/python -m pytest --durations=15 tests/soak

docs: # screenshots and figures
	$(VENV)
	$(BIN)/python -m deployments.docs

up: # the embedded stack, to browse what is there
	$(VENV)
	$(BIN)/perennial up

clean: # stop the stack; remove .venv, .perennial and what tools left
	@if $(BIN)/python -c '' 2>/dev/null; then \
		env -u PERENNIAL_HOME $(BIN)/python -c "import sys; from infra.stack.erasing import main; sys.exit(main())"; \
	elif [ -e .perennial/stack/keeper.pid ]; then \
		echo "There is no Python in .venv to stop the stack with: run 'make up' and clean again." >&2; exit 1; \
	fi
	@if grep -qs '^# Written by `perennial up`' prefect.toml; then rm prefect.toml; fi
	rm -rf .venv .perennial build *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
