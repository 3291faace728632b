# make demo       the main job on built-in data
# make test       all tests
# make test-fast  the tests without the slow ones, in two processes
# make test-gpu   the check of a GPU machine (docs/gpu.md), at most 8 minutes
# make lint       ruff: rules and format
# make type       mypy
#
# Each installs what is missing first and skips what is up to date.
#
# WHEELHOUSE=<folder>  lets pip take ready wheels from there (onedl-mmcv has
#                      none on PyPI for this stack and compiles otherwise).
# PYTHON=<python3.11>  the interpreter the environment is made with.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check \
  --quiet --progress-bar off --constraint requirements/constraints.txt \
  $(if $(WHEELHOUSE),--find-links $(abspath $(WHEELHOUSE)))
SITE = $(shell $(BIN)/python -c 'import site; print(site.getsitepackages()[0])')

.PHONY: demo test test-fast test-gpu lint type env
.DELETE_ON_ERROR:

demo: env
	$(BIN)/python tools/demo.py

test: env
	$(BIN)/python -m pytest -q tests

# One thread each: two processes on two cores would fight over threads.
test-fast: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests -m 'not slow' -n 2

test-gpu: env
	$(BIN)/python tools/check_gpu.py

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: env
	$(BIN)/mypy

env: $(VENV)/.stamp-plugin

$(VENV)/.stamp-torch: requirements/torch.txt requirements/build.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'Installing torch (a few minutes) ...'
	$(PIP) -r requirements/build.txt
	$(PIP) -r requirements/torch.txt
	touch $@

# CPATH adds headers that a CUDA toolkit may lack and torch's own packages
# carry; it changes nothing for a build without CUDA.
$(VENV)/.stamp-mmcv: requirements/mmcv.txt requirements/cxx20.sh $(VENV)/.stamp-torch
	@echo 'Installing onedl-mmcv. Without a ready wheel it is compiled:'
	@echo 'about 16 minutes on two cores, with little to see meanwhile.'
	CXX=$(abspath requirements/cxx20.sh) NVCC_APPEND_FLAGS=-std=c++20 \
	CPATH=$(SITE)/nvidia/cu13/include:$$CPATH PATH=$(abspath $(BIN)):$$PATH \
	$(PIP) --no-build-isolation -r requirements/mmcv.txt
	touch $@

$(VENV)/.stamp-plugin: requirements/openmmlab.txt requirements/plugin.txt \
    requirements/dev.txt setup.py $(VENV)/.stamp-mmcv
	@echo 'Installing the OpenMMLab libraries, diffusers and this plugin ...'
	$(PIP) --no-build-isolation -r requirements/openmmlab.txt \
	  -r requirements/plugin.txt -r requirements/dev.txt
	$(PIP) --no-build-isolation --no-deps -e .
	touch $@
