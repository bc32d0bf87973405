# Every target works alone on a bare clone: it makes .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
BENCH ?= --quick
SOURCES := cli engine kernels tests benchmarks setup.py

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types format bench bench-record experiments-demo experiments kernel-report gpu-check clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml setup.py constraints.txt CMakeLists.txt $(wildcard csrc/*.cpp csrc/*/*)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

install: $(STAMP)  ## Make .venv with everything in it

demo: $(STAMP)  ## Train on built-in eyes and refine them; a few minutes on a laptop
	$(BIN)/simgan-engine train --preset demo --channels-last
	$(BIN)/simgan-engine refine --channels-last
	@echo "the program is $(BIN)/simgan-engine; 'source $(BIN)/activate' puts it on the path"

test: $(STAMP)  ## Run the tests
	$(BIN)/python -m pytest

lint: $(STAMP)  ## Check style
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files 'csrc/*.cpp' 'csrc/*.h' 'csrc/*.cu' 'csrc/*.cuh' 'tests/emulation/*' 'benchmarks/micro/*')

types: $(STAMP)  ## Check types
	$(BIN)/python tests/typing_links.py
	$(BIN)/mypy -p simgan.cli -p simgan.engine -p simgan.kernels

format: $(STAMP)  ## Rewrite the sources in house style
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/clang-format -i $$(git ls-files 'csrc/*.cpp' 'csrc/*.h' 'csrc/*.cu' 'csrc/*.cuh' 'tests/emulation/*' 'benchmarks/micro/*')

bench: $(STAMP)  ## Measure speed on this machine, in about a minute
	$(BIN)/simgan-engine bench $(BENCH)

bench-record: $(STAMP)  ## The same, kept in benchmarks/results; the README's tables are made from it
	mkdir -p build
	$(BIN)/simgan-engine bench $(BENCH) --json > build/bench.json
	$(BIN)/python benchmarks/tables.py build/bench.json

experiments-demo: $(STAMP)  ## Does refinement help? On procedural eyes, whole pipelines, under 20 minutes
	$(BIN)/python benchmarks/experiments.py demo tables

experiments: $(STAMP)  ## The same on real eyes too, and the ablation; hours, kept step by step
	$(BIN)/python benchmarks/experiments.py demo mpiigaze columbia ablation tables

kernel-report: $(STAMP)  ## Registers and spills of every GPU kernel; needs no GPU
	$(BIN)/python benchmarks/kernel_resources.py

gpu-check:  ## On a machine with a GPU and its own torch: build, test and measure there
	$(PYTHON) benchmarks/gpu_check.py

clean:  ## Remove what was built (not .venv, not runs)
	rm -rf build dist *.egg-info kernels/_native*.so
