# Two commands do everything on a fresh machine: `make book` and `make test`. Both make the environment first.
# On Linux, PyPI's torch is the large CUDA build; for the CPU build: make env TORCH_INDEX=https://download.pytorch.org/whl/cpu
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: env book test browser notebooks lock clean

env: $(VENV)/.stamp

# Every file is checked against the lock's hashes. Torch may be there before: of the locked version from TORCH_INDEX, or from a folder of wheels that
# pip is configured with (find-links), which pip would rank below PyPI. Only PyPI's build for Linux asks for NVIDIA's libraries, locked beside the rest.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
$(VENV)/.stamp: requirements.lock requirements-cuda.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5) and "Python 3.11.5 or newer is needed; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
ifdef TORCH_INDEX
	$(PIP) --index-url $(TORCH_INDEX) $(shell grep -o '^torch==[0-9.]*' requirements.lock)
else
	@awk '/^[a-z]/ {torch = /^torch==/} torch' requirements.lock > $(VENV)/torch.lock; $(PIP) --no-index --require-hashes -r $(VENV)/torch.lock 2>/dev/null || true
endif
	$(PIP) --require-hashes -r requirements.lock
	if $(BIN)/python -c 'from importlib.metadata import requires; exit("nvidia" not in str(requires("torch")))'; then \
	  $(PIP) --require-hashes -r requirements-cuda.lock; fi
	$(PIP) --no-build-isolation -e .
	touch $@

# Writes both locks anew from pyproject.toml's ranges, with uv (https://docs.astral.sh/uv). The CPU build of torch for CPython 3.11 on Linux x86_64 is
# not on PyPI; TORCH_CPU_HASH is of that wheel, so that pip may take it where an index offers it.
UV ?= uv
TORCH_CPU_HASH := sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b
lock:
	$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11.5 $(LOCK_OPTIONS) \
	  --extra book --extra lab --extra test pyproject.toml -o requirements.tmp >/dev/null
	awk '/^[a-z]/ {gpu = /^(nvidia|cuda|triton)-?/} {print > (gpu ? "requirements-cuda.lock" : "requirements.lock")} \
	  /^torch==/ {print "    --hash=$(TORCH_CPU_HASH) \\" > "requirements.lock"}' requirements.tmp
	rm requirements.tmp

# The chapters are edited as notebooks/X.md; their X.ipynb twins are made from them.
notebooks: env
	$(BIN)/jupytext --quiet --to ipynb --update notebooks/*.md notebooks/demos/*.md

book: env
	@RRM_PUBLISH=1 $(BIN)/jupyter-book build . --all --warningiserror --keep-going -q \
	  2> >(grep -v 'IPKernelApp. WARNING' >&2)
	@echo "The book is at _build/html/index.html"

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } || \
	  { echo "The browser tests need Chromium: install it (Debian: apt-get install chromium) and run make test again." >&2; exit 1; }

test: env browser
	$(BIN)/python -m pytest

clean:
	rm -rf _build
