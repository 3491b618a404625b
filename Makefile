.DEFAULT_GOAL := help
PYTHON ?= python3
ACCOUNTS ?= 20000
PROCESSES ?= 4
SBOM ?= var/sbom.json
TIMES ?= 20
SEED := $(or $(SEED),$(shell date +%s))
FUZZ ?= $(wildcard tests/*/test_any_*.py) tests/rules/test_intake.py tests/system/test_hostile_messages.py
BIN := .venv/bin
INSTALLED := .venv/installed

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@

install: $(INSTALLED) ## make .venv with everything, from the hash-locked list

run: install ## seed 20,000 accounts, then worker and beat on embedded servers, until Ctrl-C
	@$(BIN)/retention up --seed $(ACCOUNTS)

test: install ## every test, on real PostgreSQL, Redis, worker and beat
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist load --maxschedchunk 1

browser: install ## the tests of the page in a real Chromium; fails where there is none
	TEST_BROWSER=$${TEST_BROWSER:-chromium} $(BIN)/python -m pytest tests/web/browser --numprocesses $(PROCESSES)

prometheus: ## fetch Debian's Prometheus into var/, for the tests of the alerts; needs no root
	@tests/monitoring/fetch-prometheus.sh

monitoring: install prometheus ## the tests of alerts and dashboard with a real Prometheus; fails where there is none
	$(BIN)/python -m pytest tests/monitoring --numprocesses $(PROCESSES)

dashboards: install ## write Grafana's dashboard anew, from deploy/grafana/dashboard.py
	$(BIN)/python deploy/grafana/dashboard.py

lint: install ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## speed as ratios, side by side in one run; report under benchmarks/results/
	$(BIN)/python -m benchmarks $(BENCH)

secrets: ## random passwords and a first token under secrets/, for docker compose; keeps what is there
	@deploy/compose/make-secrets.sh

chaos: install ## every fault at every point of a sweep, judged by independent SQL; hours; CHAOS="--seed 1 --rounds 5"
	@tests/chaos/fetch-libfaketime.sh || echo 'libfaketime could not be fetched'
	PYTHONPATH=tests $(BIN)/python -m chaos $(CHAOS)

fuzz: install ## bad input everywhere, TIMES as much as the tests' own; some minutes for each of TIMES; SEED=… TIMES=… repeats a run
	@echo 'make fuzz SEED=$(SEED) TIMES=$(TIMES)'
	TEST_FUZZ_TIMES=$(TIMES) $(BIN)/python -m pytest $(FUZZ) --hypothesis-seed=$(SEED) --timeout 0 --numprocesses $(PROCESSES)

soak: install ## an hour under load with a fault now and then: nothing may grow or be late; SOAK="--minutes 60 --rate 3 --seed 1 --report var/soak.md"
	PYTHONPATH=tests $(BIN)/python -m soak $(SOAK)

large: ACCOUNTS = 1000000
large: install ## both sweeps over ACCOUNTS accounts, people and worker at once, restarts, an account of a million rows; judged by independent SQL
	TEST_ACCOUNTS=$(ACCOUNTS) $(BIN)/python -m pytest tests/system/test_population.py -s --timeout 0
	TEST_MISTAKES=200000 $(BIN)/python -m pytest tests/system/test_mass_invalidation.py -s --timeout 0
	TEST_ROLLING=200000 $(BIN)/python -m pytest tests/system/test_rolling_restart.py -s --timeout 0
	TEST_GIANT=1000000 $(BIN)/python -m pytest tests/system/test_giant_sweep.py -s --timeout 0
	TEST_CROWD_ACCOUNTS=10000 TEST_CROWD_SECONDS=180 $(BIN)/python -m pytest tests/system/test_crowd.py -s --timeout 0

upgrade: install ## lock the newest allowed versions, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --no-header \
		--extra web --output-file requirements/worker.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --no-header \
		--extra embedded --extra otel --extra web --group dev --output-file requirements/dev.txt pyproject.toml

audit: install ## ask whether a locked version has a known hole; exit 75 where nobody answers
	$(BIN)/python requirements/audit.py

sbom: install ## what the image holds, from the lock, as CycloneDX: var/sbom.json
	@mkdir -p $(dir $(SBOM))
	$(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
		--output-file $(SBOM) requirements/worker.txt

clean: ## remove the virtual environment and the embedded servers' data
	rm -rf .venv var

.PHONY: help install run test browser prometheus monitoring dashboards lint format bench secrets chaos fuzz soak large upgrade audit sbom clean
