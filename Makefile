# Two commands do everything on a fresh machine: `make book` and `make test`. Both make the environment first.
# On Linux, PyPI's torch is the large CUDA build; for the CPU build: make env TORCH_INDEX=https://download.pytorch.org/whl/cpu
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=
export OMP_NUM_THREADS ?= 1

.PHONY: env book test browser notebooks clean

env: $(VENV)/.stamp

$(VENV)/.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

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
