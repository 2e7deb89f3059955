.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCALE ?= small

$(VENV)/demo.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing mailcrm into $(VENV) (once)…"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/test.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing mailcrm and its test tools into $(VENV) (once)…"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ $(VENV)/demo.stamp

.PHONY: help install demo test check format bench torture
help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: $(VENV)/demo.stamp  ## mailcrm into .venv

demo: $(VENV)/demo.stamp  ## watch three mailboxes being linked (ARGS=--once ends by itself)
	@$(BIN)/python -m tests.demo $(ARGS)

test: export PYTHONDONTWRITEBYTECODE :=  # where it is set, each of the many interpreters compiles everything anew
test: $(VENV)/test.stamp  ## the fast suite, on SQLite and on PostgreSQL from a wheel
	$(BIN)/pytest -n 4 --dist worksteal -m "not servers and not torture"

check: $(VENV)/test.stamp  ## format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: $(VENV)/test.stamp  ## rewrite the sources in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/test.stamp  ## benchmarks against peers in the same run (SCALE=small|full)
	$(BIN)/python -m tests.bench --scale $(SCALE)

torture: $(VENV)/test.stamp  ## long kill and fault runs
	$(BIN)/pytest -m torture --timeout 3600
