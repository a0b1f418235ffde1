# Two commands do everything on a fresh machine: `make book` and `make test`. Both make the environment first.
# On Linux, PyPI's torch is the large CUDA build; for the CPU build: make env TORCH_INDEX=https://download.pytorch.org/whl/cpu
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: env book check test browser notebooks lock clean

env: $(VENV)/.stamp

# Every file is checked against the lock's hashes. Torch may be there before: of the locked version from TORCH_INDEX, or from a folder of wheels that
# pip is configured with (find-links), which pip would rank below PyPI. Only PyPI's build for Linux asks for NVIDIA's libraries, locked beside the rest.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
$(VENV)/.stamp: requirements.lock requirements-cuda.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5) and "Python 3.11.5 or newer is needed; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@awk '/^[a-z]/ {torch = /^torch==/} torch' requirements.lock > $(VENV)/torch.lock
ifdef TORCH_INDEX
	$(PIP) --index-url $(TORCH_INDEX) --require-hashes -r $(VENV)/torch.lock
else
	@$(PIP) --no-index --require-hashes -r $(VENV)/torch.lock 2>/dev/null || true
endif
	$(PIP) --require-hashes -r requirements.lock
	if $(BIN)/python -c 'from importlib.metadata import requires; exit("nvidia" not in str(requires("torch")))'; then \
	  $(PIP) --require-hashes -r requirements-cuda.lock; fi
	$(PIP) --no-build-isolation -e .
	touch $@

# Writes both locks anew from pyproject.toml's ranges, with uv (https://docs.astral.sh/uv). PyTorch's CPU builds for Linux are not on PyPI: these are the
# hashes that https://download.pytorch.org/whl/cpu/torch/ lists for one version, for x86_64 and aarch64, CPython 3.11, 3.12, 3.13 and 3.14.
# Left out: a grammar of web addresses that Jupyter asks for (jsonschema[format-nongpl]), as importing it takes every process of Jupyter a second: findings/.
UV ?= uv
TORCH_CPU := 2.13.0
TORCH_CPU_HASHES := \
  6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b 84453b69508ec79902f899c5ed9495acb9e2bbe9fda5f1d5d6f19e3c3842e1a7 \
  4ca4a9394b0c771238a4f73590fdbbc4debad85ed0fa63d026ae1b085da7d6e2 6f307c2c32d764ffc6ff6893b801fad6d4752f3e67966cb8abf1843427c02604 \
  3fbf9c9d1f3c10c2d59d04aca426dee9ccc6ceb32d255c61e93acc3b4f75fae6 0b8f7d0423027ae8b90c7977c627f3379f325363a08224dffad9b4b2d684a83d \
  d20fa53ee744502fa4c69818a720b05ca0d37abd055d4f6e66cae155114bc691 ca021f9eb2f8345c83fa03e3a04587308afb8df71bd472670b3ece00df58621c
lock:
	grep -h '^[a-z]' requirements.lock requirements-cuda.lock | sed 's/ \\$$//' > requirements.tmp  # pins are kept; LOCK_OPTIONS=--upgrade makes them new
	$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11.5 $(LOCK_OPTIONS) \
	  --no-emit-package rfc3987-syntax --no-emit-package lark \
	  --extra book --extra lab --extra test pyproject.toml -o requirements.tmp >/dev/null
	grep -q '^torch==$(TORCH_CPU) ' requirements.tmp || { grep '^torch==' requirements.tmp; echo "give TORCH_CPU and TORCH_CPU_HASHES of that version" >&2; exit 1; }
	awk '/^[a-z]/ {gpu = /^(nvidia|cuda|triton)-?/} {print > (gpu ? "requirements-cuda.lock" : "requirements.lock")} \
	  /^torch==/ {n = split("$(TORCH_CPU_HASHES)", h, " "); for (i = 1; i <= n; i++) print "    --hash=sha256:" h[i] " \\" > "requirements.lock"}' requirements.tmp
	rm requirements.tmp

# The chapters are edited as notebooks/X.md; their X.ipynb twins are made from them.
notebooks: env
	$(BIN)/jupytext --quiet --to ipynb --update notebooks/*.md notebooks/demos/*.md

book: env
	@RRM_PUBLISH=1 $(BIN)/jupyter-book build . --all --warningiserror --keep-going -q \
	  2> >(grep -Ev 'IPKernelApp. (WARNING|ERROR . KeyboardInterrupt)' >&2)
	@echo "The book is at _build/html/index.html"

# The shell without a window does half the work of the browser; Debian has both.
BROWSERS := chromium-headless-shell chromium chromium-browser google-chrome
browser:
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit; done; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq; then \
	    for name in chromium-headless-shell chromium; do apt-get install -y -qq --no-install-recommends $$name && exit; done; fi; \
	  echo "The browser tests need Chromium: install it (Debian: apt-get install chromium-headless-shell) and run make test again." >&2; exit 1

# Format, lint and types; the same as a commit runs once `$(BIN)/pre-commit install` was called.
check: env
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy

# Two processes; what a group of tests shares (the book, a training) is made once, in one of them: tests/conftest.py.
test: check browser
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

clean:
	rm -rf _build
