# pixmill: `make run` and `make test` are all a newcomer needs; each sets up .venv first.
# `make help` lists the rest.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
FUZZ   := $(VENV)/.set-up-fuzz
CLUSTER := $(VENV)/.set-up-cluster
PEERS  := bench/rating/node/node_modules

IN   ?= tests/sample
OUT  ?= out
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup oracles run test test-cluster check format lint types perf soak chaos fuzz bench bench-peers bench-scaling bench-memory bench-search bench-quality sample formats-page clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv with everything in it; does nothing when up to date

$(STAMP): pyproject.toml constraints.txt hatch_build.py engine/pixmill/perception/kernel.c engine/pixmill/imaging/huffman.c
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "pixmill needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m compileall -q engine cli  # as pip does, other than for editable ones
	@touch $(STAMP)

oracles: ## install what tests compare with, as root: ImageMagick, ffmpeg, exiftool (Debian)
	@.ci/oracles

run: setup ## optimise IN (a bundled sample) into OUT with ARGS
	@$(BIN)/pixmill optimize "$(IN)" "$(OUT)" $(ARGS) || { code=$$?; \
	  if [ $$code -eq 1 ]; then echo "(exit code 1: some files failed, as told above; the rest is in $(OUT)/)" >&2; \
	  else exit $$code; fi; }

test: setup ## run every test
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-cluster: $(CLUSTER) ## run the tests that need servers on loopback or a cluster of Ray
	$(BIN)/python -m pytest tests/cluster

$(CLUSTER): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,cloud,ray,cluster]'
	@.ci/azurite
	@touch $(CLUSTER)

check: setup lint types ## everything CI checks: format, lint, types, architecture, tests, performance
	$(MAKE) --no-print-directory test
	$(MAKE) --no-print-directory test-cluster
	$(MAKE) --no-print-directory perf

format: setup ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup ## format, lint and the architecture contract, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: setup ## mypy --strict
	$(BIN)/mypy

perf: setup ## performance checks that noise cannot fail
	$(BIN)/python -m pytest bench -s

soak: $(CLUSTER) ## full-size stress runs: kills, 100,000 files, a rerun, 2,000 photos, 5,000 objects, faulty stores, dying nodes (about 40 minutes)
	PYTHONPATH=tests $(BIN)/python bench/soak.py

chaos: setup ## kills, faults and resumes for five minutes, or as ARGS="--seconds 60 --kills 50" says
	PYTHONPATH=tests $(BIN)/python bench/chaos.py $(ARGS)

fuzz: $(FUZZ) ## hostile bytes for the parsers and for whole runs, five minutes; ARGS="--seconds 60 --seed 7"
	$(BIN)/python bench/fuzz.py $(ARGS)

$(FUZZ): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,fuzz]'
	@touch $(FUZZ)

bench: setup ## pixmill and its peers on the same files, into bench/results; ARGS="--jobs a,b --quick"
	$(BIN)/python bench/peers.py $(ARGS)

bench-peers: ## install the peers that are missing: from Debian as root, and sharp and OpenCV into .peers
	@PYTHON=$(PYTHON) .ci/peers

bench-scaling: setup ## measure how many cores one coordinator can feed, the end of a run, and every start
	$(BIN)/python bench/scaling.py $(ARGS)
	$(BIN)/python bench/tail.py
	$(BIN)/python bench/startup.py

bench-memory: setup ## measure what sizing.py is built on, and images larger than memory (5 GB of disc)
	$(BIN)/python bench/memory.py
	$(BIN)/python bench/giants.py

bench-search: setup ## measure the searches for a size and for a score, into bench/results/search*.md
	$(BIN)/python bench/search.py $(ARGS)
	$(BIN)/python bench/search_scores.py $(ARGS)

bench-quality: setup $(PEERS) ## bytes at equal score beside other encoders, into bench/results/quality.md; ARGS="--only jpg,png"
	$(BIN)/python bench/quality.py $(ARGS)

$(PEERS): bench/rating/node/package.json
	@if command -v npm >/dev/null; then npm install --prefix bench/rating/node --silent --no-audit --no-fund --no-package-lock && touch $(PEERS); \
	  else echo "(no npm, so no sharp to compare with)" >&2; fi

sample: setup ## make the bundled sample anew from ../shared/corpora
	$(BIN)/python bench/make_sample.py

formats-page: setup ## write engine/FORMATS.md from the codecs' records
	$(BIN)/python bench/formats_page.py

clean: ## remove what make made
	rm -rf $(VENV) .peers .azurite out out.pixmill build dist .mypy_cache .ruff_cache .import_linter_cache soak-logs fuzz-findings
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
