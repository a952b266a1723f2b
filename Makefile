# Second Look. `make demo` and `make test` are all a newcomer needs; each sets up what is missing.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := build/venv
DETECTOR_VENV := build/venv-detector
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.lock)
export PYTHONPATH := $(CURDIR)/plugins:$(CURDIR)
LOCK := $(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

.PHONY: help setup lock
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(VENV)/.ready $(DETECTOR_VENV)/.ready ## set up both environments from their lock files

$(VENV)/.ready: requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	touch $@

$(DETECTOR_VENV)/.ready: include/detector/requirements.txt $(VENV)/.ready
	$(PYTHON) -m venv --without-pip $(DETECTOR_VENV)
	$(UV) pip install --quiet --python $(DETECTOR_VENV)/bin/python --compile-bytecode --require-hashes -r include/detector/requirements.txt
	touch $@

lock: $(VENV)/.ready ## resolve the lock files anew
	$(LOCK) --all-extras pyproject.toml -o requirements.lock
	$(LOCK) --extra services --constraint requirements.lock pyproject.toml -o requirements.txt
	$(LOCK) include/detector/requirements.in -o include/detector/requirements.txt
