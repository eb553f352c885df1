# Each target does all of its own set-up: a virtual environment inside the checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: solve test check evidence clean

solve: $(READY)
	$(BIN)/controller solve "A farmer has 4 pens with 6 sheep in each. He sells 9 sheep. How many sheep are left?"

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/pytest

evidence: $(READY)
	$(BIN)/python -m tests.benchmarks.evidence --data ../shared/data
	$(BIN)/python -m tests.benchmarks.evidence --per-kind 100 --intervals
	$(BIN)/python -m tests.benchmarks.sampling --out docs/evidence/sampling.json
	$(BIN)/python -m tests.benchmarks.cost --out docs/evidence/cost.json
	$(BIN)/python -m tests.benchmarks.table --write

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV)
