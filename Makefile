# Every recipe does its own set-up, the first time only. `make help` lists them.
.DEFAULT_GOAL := help
.SUFFIXES:
BIN := .venv/bin
SEED ?= 1
N ?= 100000
JOBS ?= 3

.PHONY: help demo test check thorough format simulate mutants bench lock pictures clean

help: ## list the recipes
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 20

demo: .venv/set-up.run ## start a site, kill everything in turn, print what survived
	@$(BIN)/tierhost demo

test: .venv/set-up.run ## everything that can be wrong: format, lint, types, all tests
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/pytest -m "not thorough" -n $(JOBS) --dist loadfile

check: .venv/set-up.run ## the quick part of it: format, lint, types, unit and architecture tests that take less than a second
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/pytest -q -m "not slow" tests/unit tests/architecture

thorough: .venv/set-up.run ## the tests that take long: a Linux with device-mapper, started for one of them
	$(BIN)/pytest -m thorough

format: .venv/set-up.run ## let the formatter and the linter change what they can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

simulate: .venv/set-up.run ## the core against SEED=n with N=m fault events; a failure prints the seed that repeats it
	$(BIN)/python -m tests.simulation --seed $(SEED) --events $(N)

mutants: .venv/set-up.run ## plant each known bug in a copy and run the drills that must see it; then runs without a fault (takes an hour)
	$(BIN)/python -m tests.mutants

bench: .venv/set-up.run .venv/set-up.bench ## measure us beside our peers, in one run, into build/bench.json
	$(BIN)/python -m tests.benchmarks

pictures: .venv/set-up.run ## draw the pictures in the documents again from the code
	$(BIN)/python -m tests.docs.pictures

lock: ## pin every dependency again, by hash, for every Python we run on
	python3 -m venv build/lock
	build/lock/bin/pip install --quiet uv
	@echo '# Everything `make` installs, for Python 3.11 to 3.14, pinned by hash. Written by `make lock`; do not edit.' > requirements.lock
	build/lock/bin/uv pip compile --quiet --universal --upgrade --python-version 3.11 --all-extras --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml >> requirements.lock

clean: ## remove what make made
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis tierhost.egg-info

.venv/set-up.%: .ci/set-up .ci/debian-packages requirements.lock pyproject.toml
	@.ci/set-up $*
