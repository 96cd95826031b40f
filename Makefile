# `make book` and `make test` work from a fresh clone. Each says what it does and what it costs before it does it.

PYTHON ?= python3.11
CONSTRAINTS ?= constraints.txt
AUDIT ?= --ledger papermill_runs/audits.csv

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.NOTPARALLEL:
.PHONY: help book read test check slow audit clean say-book say-read say-test say-check say-slow say-audit

help:
	@echo "make book    the report, from the stored runs, into _build/html"
	@echo "make read    that report, opened in a browser: nothing missing, nothing too wide for a phone"
	@echo "make test    the tests, without the slow ones"
	@echo "make check   lint, format, types, layers"
	@echo "make slow    the slow tests"
	@echo "make audit   three stored runs, drawn by chance, trained again and compared"
	@echo "make clean   remove what the other commands made, except the environment"
	@echo "PYTHON=$(PYTHON) makes the environment in $(VENV); CONSTRAINTS=$(CONSTRAINTS) holds the versions."

book: say-book $(STAMP)
	$(BIN)/python -m recall.cli book

read: say-read $(STAMP)
	$(BIN)/python -m pytest -m slow tests/test_book_browser.py

test: say-test $(STAMP)
	$(BIN)/python -m pytest -n 2

check: say-check $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q --durations=0 tests/test_layers.py

slow: say-slow $(STAMP)
	$(BIN)/python -m pytest -n 2 -m slow

audit: say-audit $(STAMP)
	$(BIN)/python -m recall.cli audit $(AUDIT)

clean:
	@echo "clean: removes _build/ and the tools' caches; keeps $(VENV) and everything under papermill_runs/"
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find recall tests benchmarks book -name __pycache__ -type d -prune -exec rm -rf {} +

say-book:
	@echo "book: executes the pages from the stored runs, trains one of those again to compare, builds the report into"
	@echo "      _build/html and lists the numbers that moved. About 6 minutes on 2 cores, no network."

say-read:
	@echo "read: opens every page that \`make book\` left in chromium, as on a phone and on a desk. About 2 minutes, no network."

say-test:
	@echo "test: runs the tests, without the slow ones. About 5 minutes on 2 cores, no network."

say-check:
	@echo "check: lint, format, types and layers; changes nothing. About 1 minute, seconds when repeated."

say-slow:
	@echo "slow: runs the slow tests, which read the report that \`make book\` left. About 15 minutes on 2 cores, no network."

say-audit:
	@echo "audit: trains stored runs again, drawn by chance, in part where they are long: recall audit $(AUDIT)."
	@echo "       About 5 minutes on one core, no network."

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@echo "set-up: makes $(VENV) with $(PYTHON) and installs some 150 packages at the versions of $(CONSTRAINTS)."
	@echo "        Once, about 3 minutes and 2 GB of disk, from the network (more where PyTorch comes with CUDA)."
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here. Name a Python, 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq -c $(CONSTRAINTS) -e '.[all]'
	@touch $@
