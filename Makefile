# make demo       the main job on built-in data
# make test       all tests
# make test-fast  the tests without the slow ones, in two processes
# make test-classic  all tests on the classic OpenMMLab stack (Python 3.10,
#                     torch 2.1), in an environment of its own
# make test-gpu   the check of a GPU machine (docs/gpu.md), at most 8 minutes
# make lint       ruff: rules and format
# make type       mypy
#
# Each installs what is missing first and skips what is up to date.
#
# WHEELHOUSE=<folder>  lets pip take ready wheels from there (onedl-mmcv has
#                      none on PyPI for this stack and compiles otherwise).
# PYTHON=<python3.11>  the interpreter the environment is made with;
# PYTHON_CLASSIC=<python3.10>  that of the classic stack.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL := -m pip install --disable-pip-version-check \
  --quiet --progress-bar off \
  $(if $(WHEELHOUSE),--find-links $(abspath $(WHEELHOUSE)))
PIP := $(BIN)/python $(INSTALL) --constraint requirements/constraints.txt
SITE = $(shell $(BIN)/python -c 'import site; print(site.getsitepackages()[0])')

PYTHON_CLASSIC ?= python3.10
CLASSIC := .venv-classic
CLASSIC_PIP := $(CLASSIC)/bin/python $(INSTALL) \
  --constraint requirements/classic-constraints.txt

.PHONY: demo test test-fast test-classic test-gpu lint type env
.DELETE_ON_ERROR:

demo: env
	$(BIN)/python tools/demo.py

test: env
	$(BIN)/python -m pytest -q tests

# One thread each: two processes on two cores would fight over threads.
test-fast: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests -m 'not slow' -n 2

test-classic: $(CLASSIC)/.stamp
	$(CLASSIC)/bin/python -m pytest -q tests

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

$(CLASSIC)/.stamp: $(wildcard requirements/classic*.txt) requirements/build.txt setup.py
	test -x $(CLASSIC)/bin/python || $(PYTHON_CLASSIC) -m venv $(CLASSIC)
	@echo 'Installing torch 2.1 and mmcv 2.1, which without a ready wheel is'
	@echo 'compiled: about 14 minutes on two cores ...'
	$(CLASSIC_PIP) -r requirements/build.txt
	$(CLASSIC_PIP) -r requirements/classic-torch.txt
	MMCV_WITH_OPS=1 $(CLASSIC_PIP) --no-build-isolation --no-deps \
	  -r requirements/classic-mmcv.txt
	$(CLASSIC_PIP) --no-deps -r requirements/classic-mmagic.txt
	@echo 'Installing the OpenMMLab libraries, diffusers and this plugin ...'
	$(CLASSIC_PIP) --no-build-isolation -r requirements/classic.txt
	$(CLASSIC_PIP) --no-build-isolation --no-deps -e .
	touch $@
