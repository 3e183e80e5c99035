# Every target sets up what it needs: Python 3.11 or newer is all that has to be there.
PYTHON ?= python3
VENV ?= .venv
# The exact pin keeps pip from choosing another build; elsewhere set e.g. PIP_INDEX_URL.
TORCH ?= torch==2.13.0
OUT ?= mien-demo
JOBS ?= 2

BIN := $(VENV)/bin
CONTRIB := $(patsubst %/pyproject.toml,%,$(wildcard contrib/*/pyproject.toml))
READY := $(VENV)/.ready
RUN := PATH="$(abspath $(BIN)):$$PATH"

.PHONY: help install demo test check bench docs schemas format clean

help:
	@echo "make demo     train, explain and report on the animated face, into $(OUT)/"
	@echo "make test     run the tests"
	@echo "make check    lint, types, schema and docs drift, strict docs"
	@echo "make bench    measure, into benchmarks/results/"
	@echo "make docs     generate the reference pages and build the site"
	@echo "make schemas  write schemas/"
	@echo "make format   format and fix what ruff can fix"

install: $(READY)

$(READY): pyproject.toml constraints.txt $(CONTRIB:=/pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]" $(CONTRIB:%=-e "./%[test]")
	touch $@

demo: $(READY)
	$(BIN)/mien demo --out $(OUT) --workers $(JOBS)

test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

check: $(READY)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) MIEN_PLUGINS=builtin mien config schema --check schemas
	$(RUN) MIEN_PLUGINS=builtin python docs/generate.py --check
	$(RUN) NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet --site-dir site

bench: $(READY)
	for file in benchmarks/[!_]*.py; do $(RUN) python $$file || exit 1; done

docs: $(READY)
	$(RUN) MIEN_PLUGINS=builtin python docs/generate.py
	$(RUN) NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet --site-dir site

schemas: $(READY)
	$(RUN) MIEN_PLUGINS=builtin mien config schema --write schemas

format: $(READY)
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

clean:
	rm -rf $(VENV) site
