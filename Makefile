# Second Look. `make demo` and `make test` are all a newcomer needs; each sets up what is missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
VENV := build/venv
DETECTOR_VENV := build/venv-detector
BIN := $(VENV)/bin
UV := $(BIN)/uv
LOCK := $(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
SEED ?= 7
# me: the reviews wait for you at the Review Desk; otherwise simulated reviewers answer.
REVIEWERS ?= simulated
NIGHTS ?= 60
# What the user gives is one word of the shell, as typed: neither make nor the shell finds a variable in it.
unexport DATA SEED REVIEWERS NIGHTS
# Services start often here, and compile their code once instead of at every start.
unexport PYTHONDONTWRITEBYTECODE
as_typed = '$(subst ','\'',$(value $(1)))'
ifneq ($(findstring :,$(CURDIR)),)
$(error The path of this checkout, $(CURDIR), has a colon in it, which PYTHONPATH cannot have: move it to another folder)
endif
export PYTHONPATH := $(CURDIR)/plugins:$(CURDIR)
export UV_SYSTEM_CERTS := 1
# Material for MkDocs warns of a MkDocs that is not out yet.
export NO_MKDOCS_2_WARNING := 1
# An environment is tied to its place and to its Python: a moved checkout or a removed Python needs a new one.
# One that is linked from another checkout is left to that.
$(shell for venv in $(VENV) $(DETECTOR_VENV); do [ -L $$venv ] || { \
	[ "$$(cat $$venv/.ready 2>/dev/null)" = "$(CURDIR)" ] && [ -x $$venv/bin/python ]; } || rm -f $$venv/.ready; done)
WATCH := $(BIN)/python -m include.setup.watch
# The files that take longest come first: tests/support/order.py.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo up backfill faults test unit server airflow browser coverage test-distributed bench large-night docs check lock clean
help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(VENV)/.ready $(DETECTOR_VENV)/.ready ## set up both environments from their lock files

demo up: STARTED := $(shell date +%s)
demo: setup ## three nights on this machine, from drawn images or DATA=<PASCAL VOC folder>; REVIEWERS=me: you review; report in build/demo
	$(BIN)/python -m include.demo demo --started $(STARTED) --seed $(call as_typed,SEED) --reviewers $(call as_typed,REVIEWERS) $(if $(value DATA),--data $(call as_typed,DATA))

up: setup ## the same services, kept running until Ctrl-C; state in build/up survives
	$(BIN)/python -m include.demo up --started $(STARTED) --seed $(call as_typed,SEED) --reviewers $(call as_typed,REVIEWERS) $(if $(value DATA),--data $(call as_typed,DATA))

faults: setup ## every fault at every remote call of a night, replayed to the end; table, and counts in build/faults.json
	$(BIN)/python tests/faults

backfill: setup ## NIGHTS=60 nights by Airflow's backfill, twice, 8 at a time; counts in build/backfill.json
	@$(WATCH) "The programs of this test" bash tests/system_packages.sh postgresql
	$(BIN)/python tests/benchmarks/backfill.py --seed $(call as_typed,SEED) --nights $(call as_typed,NIGHTS)

test: setup ## all tests, against real servers on this machine
	@$(WATCH) "The programs of the tests" bash tests/system_packages.sh
	$(PYTEST)

unit: $(VENV)/.ready ## the tests that need Python alone, in a minute
	$(PYTEST) -m unit

server: ## the tests against servers and other programs of this machine
airflow: ## the tests against Airflow itself
browser: ## the tests of the Desk's pages in Chromium
server airflow browser: setup
	@$(WATCH) "The programs of the tests" bash tests/system_packages.sh
	$(PYTEST) -m $@

coverage: setup ## the share of the code that each lane of tests runs
	@$(WATCH) "The programs of the tests" bash tests/system_packages.sh
	$(BIN)/python tests/coverage_by_lane.py $(PYTEST)

test-distributed: setup ## nights on CeleryExecutor, Redis and PostgreSQL while workers are killed; table and build/distributed.json
	@$(WATCH) "The programs of this test" bash tests/system_packages.sh postgresql redis-server
	$(BIN)/python tests/distributed/run.py --seed $(call as_typed,SEED)

bench: setup ## the Review Desk under load, as ratios within one run
	$(BIN)/python tests/benchmarks/desk_load.py

large-night: setup ## memory of the tasks for nights of 10,000 and 100,000 images; 40 minutes; build/large_night.json
	$(BIN)/python tests/benchmarks/large_night.py

docs: setup ## the documentation site, in build/site
	$(BIN)/mkdocs build --strict --quiet
	@echo "Open build/site/index.html, or serve it: $(BIN)/python -m http.server --directory build/site"

check: setup ## lint, format, types, documentation, Dockerfiles, requirements that contradict each other, advisories, licenses
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy plugins include dags
	@# Valid for the next Pythons too, though the packages bind both environments to 3.11: docs/how-to/set-up.md.
	$(BIN)/mypy --python-version 3.13 plugins include dags
	$(UV) pip check --python $(BIN)/python
	$(UV) pip check --python $(DETECTOR_VENV)/bin/python
	$(BIN)/mkdocs build --strict --quiet
	$(BIN)/hadolint Dockerfile include/deploy/review-desk.Dockerfile
	@# The first says so where the source of advisories cannot be reached; the second writes build/licenses.txt.
	$(BIN)/python -m include.setup.advisories
	$(BIN)/python -m include.setup.licenses

lock: $(VENV)/.ready ## resolve the lock files anew
	$(LOCK) --upgrade --all-extras pyproject.toml -o requirements.lock
	$(LOCK) --upgrade --extra services --extra distributed --constraint requirements.lock pyproject.toml -o requirements.txt
	$(LOCK) --upgrade --constraint requirements.lock include/review_desk/requirements.in -o include/review_desk/requirements.txt
	$(LOCK) --upgrade include/detector/requirements.in -o include/detector/requirements.txt

clean: ## remove everything that was built
	rm -rf build

$(VENV)/.ready: requirements.lock
	@bash include/setup/start.sh airflow
	@echo "$(CURDIR)" >$@

$(DETECTOR_VENV)/.ready: include/detector/requirements.txt include/detector/system_libraries.sh $(VENV)/.ready
	@bash include/setup/start.sh detector
	@echo "$(CURDIR)" >$@
