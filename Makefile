# `make help` lists the targets. Needed beforehand: Python 3.11 or newer and, for the tests, Node.

PYTHON ?= python3
VENV ?= .venv
VENV_313 ?= .venv-3.13

# A shim that stands for no interpreter and a free-threaded build are passed over.
PYTHON_313 ?= $(shell for python in python3.13 "$$HOME"/.pyenv/versions/3.13*/bin/python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13) or "t" in sys.abiflags)' 2>/dev/null \
	&& echo "$$python" && break; done)

BIN := $(VENV)/bin
MADE := .made-by-$(subst /,_,$(PYTHON))
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
INSTALL_OURS := $(PIP_INSTALL) --no-deps --no-build-isolation -e clients/python -e .

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(VENV)/.run ## Make the environment and serve the offline agent on http://localhost:18080
	$(BIN)/callboard serve

.PHONY: test
test: chromium check test-clients ## Linters, types, import direction, and all tests; what the version of Python may touch also on 3.13
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target pytest pytest-3.13

.PHONY: chromium
chromium: ## Debian's Chromium for the tests of the pages, where there is none; installed where that is allowed
	@command -v chromium >/dev/null || if command -v apt-get >/dev/null && test "$$(id -u)" = 0; then \
		apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends chromium; \
	else \
		echo "The tests of the pages are skipped: there is no Chromium (sudo apt-get install chromium)"; test -z "$$CI"; \
	fi

.PHONY: check
check: $(VENV)/.test ## Linters, types and import direction only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

.PHONY: pytest
pytest: $(VENV)/.test ## The tests, on the default Python (ARGS="-k word" is handed on)
	$(BIN)/python -m pytest $(ARGS)

.PHONY: pytest-3.13
ifneq ($(strip $(PYTHON_313)),)
pytest-3.13: $(VENV_313)/.test
	$(VENV_313)/bin/python -m pytest -p no:cacheprovider $(or $(ARGS),$(ON_313))

# What runs in other programs (browsers, Node) or is measured runs once. The two suites run at once: each waits half of its time.
ON_313 = tests/actors tests/client tests/engine tests/matrix tests/transport \
	tests/e2e/test_five_dialects.py tests/e2e/test_end_of_process.py tests/e2e/test_all_is_kept.py

$(VENV_313)/.test: requirements-test.lock pyproject.toml clients/python/pyproject.toml
	"$(strip $(PYTHON_313))" -m venv $(VENV_313)
	$(VENV_313)/bin/python $(PIP_INSTALL) --require-hashes -r requirements-test.lock
	$(VENV_313)/bin/python $(INSTALL_OURS)
	@touch $@
else
pytest-3.13:
	@echo "The tests did not run on Python 3.13, which is not here: install it (apt, brew, 'pyenv install 3.13')" \
		"or name it: make test PYTHON_313=/path/to/python3.13"
	@test -z "$$CI" # in CI both Pythons are required
endif

.PHONY: simulate
simulate: $(VENV)/.test ## The log over SEEDS=100000 random schedules on a simulated clock, network and disk: half an hour or so
	$(BIN)/python -m tests.simulation --schedules $(SEEDS) $(ARGS)

SEEDS ?= 100000

.PHONY: kill9
kill9: $(VENV)/.test ## Kill engines with SIGKILL beneath their clients, and check what these were told (ROUNDS=200 SEED=1)
	$(BIN)/python -m tests.kill9 --rounds $(or $(ROUNDS),200) --seed $(or $(SEED),1)

.PHONY: autobahn
autobahn: $(VENV)/.test ## Autobahn's suite against the WebSocket: a few minutes, needs Python 2.7 (pyenv install 2.7.18)
	$(BIN)/python -m tests.autobahn

JS := clients/js
NODE_FITS := $(shell command -v npm >/dev/null && node -e 'const [major, minor] = process.versions.node.split(".").map(Number); \
	if (major > 20 || (major === 20 && minor >= 19)) console.log("yes")' 2>/dev/null)

.PHONY: clients test-clients
ifneq ($(NODE_FITS),)
clients: $(JS)/node_modules/.lock-hash ## Build the JavaScript package in clients/js
	npm --prefix $(JS) run --silent build

test-clients: $(JS)/node_modules/.lock-hash ## Types, linter and tests of clients/js only
	npm --prefix $(JS) run --silent typecheck
	npm --prefix $(JS) run --silent lint
	npm --prefix $(JS) run --silent test

# Beside the packages is what they were installed from, as the end-to-end tests leave it too (tests/support/node.py).
$(JS)/node_modules/.lock-hash: $(JS)/package-lock.json
	npm --prefix $(JS) ci --ignore-scripts --no-audit --no-fund
	@node -p 'crypto.createHash("sha256").update(fs.readFileSync("$<")).digest("hex")' | tr -d '\n' >$@
else
clients test-clients:
	@echo "clients/js was left out: it needs Node 20.19 or newer with npm (https://nodejs.org, or 'nvm install 22')"
	@test -z "$$CI" # in CI it is required
endif

.PHONY: bench
bench: $(VENV)/.test ## All benchmarks beside a bare send loop and the peers, on two cores (ARGS="--quick" is handed on)
	$(BIN)/python -m benchmarks $(ARGS)

BENCHES := fanout latency connections inbound tokens growth dialects store resume late
.PHONY: $(BENCHES:%=bench-%)
$(BENCHES:%=bench-%): bench-%: $(VENV)/.test
	$(BIN)/python -m benchmarks.$* $(ARGS)

.PHONY: bench-lock
bench-lock: ## Renew the locks of the benchmarks' peers
	$(PYTHON) -m venv build/lock
	build/lock/bin/python $(PIP_INSTALL) uv
	rm -f benchmarks/peers/requirements.lock benchmarks/peers/servers/package-lock.json
	$(COMPILE_WITH) "make bench-lock" benchmarks/peers/requirements.in -o benchmarks/peers/requirements.lock
	cd benchmarks/peers/servers && npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

.PHONY: clients-lock
clients-lock: ## Renew the lock of clients/js from its package.json
	rm -rf $(JS)/node_modules $(JS)/package-lock.json
	cd $(JS) && npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

.PHONY: lock
lock: ## Renew the locks from pyproject.toml (the newest versions that it allows)
	$(PYTHON) -m venv build/lock
	build/lock/bin/python $(PIP_INSTALL) uv
	rm -f requirements.lock requirements-test.lock
	$(COMPILE) pyproject.toml requirements-build.in -o requirements.lock
	$(COMPILE) --extra test -c requirements.lock pyproject.toml requirements-build.in -o requirements-test.lock

# One set of versions for all Pythons and systems: what is tested on one is what runs on the other.
COMPILE_WITH := build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command
COMPILE := $(COMPILE_WITH) "make lock" --no-emit-package callboard-client

.PHONY: clean
clean: ## Remove the environments, caches and build directories
	rm -rf $(VENV) $(VENV_313) build dist *.egg-info clients/python/build clients/python/*.egg-info \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		tests/node/node_modules tests/node_ui/node_modules tests/node_browser/node_modules \
		$(JS)/node_modules $(JS)/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit("Callboard needs Python 3.11 or newer: make PYTHON=python3.x …" \
		if sys.version_info < (3, 11) else 0)'
	@test "$$($(BIN)/python -V 2>/dev/null)" = "$$($(PYTHON) -V)" || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $(VENV)/.made-by-*
	@touch $@

$(VENV)/.run: requirements.lock pyproject.toml clients/python/pyproject.toml $(VENV)/$(MADE)
	$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements.lock
	$(BIN)/python $(INSTALL_OURS)
	@touch $@

$(VENV)/.test: requirements-test.lock pyproject.toml clients/python/pyproject.toml $(VENV)/$(MADE)
	$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements-test.lock
	$(BIN)/python $(INSTALL_OURS)
	@touch $@
