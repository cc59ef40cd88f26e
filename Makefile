PYTHON ?= python3
ARGS ?=
S ?=
SEED ?= 1
FUZZ_SECONDS ?= 330
FUZZ_BODIES ?= 12000
FUZZ_RECORDS ?= 10000
MINUTES ?= 5
REPORTS ?=
DRAW ?= $(shell git rev-parse HEAD 2>/dev/null || echo none)
VENV := .venv/bin
RAPPORT := $(VENV)/python -m deploy.local
IN_FOUR := -n 4 --dist loadfile --no-loadscope-reorder
IN_TWO := -n 2 --dist worksteal
report = $(if $(REPORTS),--junitxml=$(REPORTS)/$(1).xml)

# Four processes of tests, and the services that they start, import the same modules: without bytecode each compiles them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run stop reset logs do check settings-table test test-kafka test-kafka-services test-kafka-faults faults-all test-long test-badinput fuzz test-browser bench-ingest bench-understanding bench-scores bench-imports bench-idle bench-segment bench-campaign walk faults faults-full soak soak-local ready ready-dev ready-parquet ready-charts ready-receipts python

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ready ## start everything and show the demo; ARGS='--slice N', '--exit', '--no-demo'
	@exec $(RAPPORT) run $(ARGS)

stop: ready ## stop a running stack, after what is on its way has arrived
	@exec $(RAPPORT) stop

reset: ready ## delete all local data; ARGS=--yes does not ask
	@exec $(RAPPORT) reset $(ARGS)

logs: ready ## follow the logs; ARGS=profile for one service
	@exec $(RAPPORT) logs $(ARGS)

do: ready ## a service's command on the running stack: make do S=ingest ARGS='import --help'
	@exec $(RAPPORT) do $(S) $(ARGS)

check: ready-dev ## lint, types, and the architecture's rules
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(VENV)/python -m deploy.settings_table --check
	@if [ -e tests/architecture.py ] || [ -d tests/architecture ]; then \
	  echo $(VENV)/python -m tests.architecture; $(VENV)/python -m tests.architecture; fi

settings-table: ready-dev ## write the table of every setting into docs/operations.md
	$(VENV)/python -m deploy.settings_table

test: ready-dev ## all tests but the faults, on the embedded broker, in four processes; ARGS='-n 0 -s' for one
	RAPPORT_TEST_BROKER=embedded $(VENV)/pytest tests --ignore=tests/faults --ignore=tests/bench --ignore=tests/browser \
	  --ignore=tests/badinput $(IN_FOUR) $(call report,test) $(ARGS)

test-kafka: test-kafka-services test-kafka-faults ## on Apache Kafka 4: both of these (needs Java 17 and Maven)

test-kafka-services: ready-dev ## e2e and integration tests that say more on Apache Kafka 4, in four processes
	RAPPORT_TEST_BROKER=apache $(VENV)/pytest tests/e2e tests/integration --durations=25 \
	  $(IN_FOUR) $(call report,test-kafka-services) $(ARGS)

test-kafka-faults: ready-dev ## a short set of faults, on Apache Kafka 4: each kind once, the rest DRAWn by the commit
	RAPPORT_TEST_BROKER=apache FAULTS_DRAW=$(DRAW) $(VENV)/pytest tests/faults --durations=25 \
	  $(IN_TWO) $(call report,test-kafka-faults) $(ARGS)

faults-all: ready-dev ## every fault, failpoint and planted bug: for whoever touches the runtime, relay, sender or identity
	RAPPORT_TEST_BROKER=apache FAULTS_DRAW=all $(VENV)/pytest tests/faults --durations=25 $(call report,faults-all) $(ARGS)

test-badinput: ready-dev ## bad credentials, bodies, requests and records, to all routes and readers, in 3 minutes
	RAPPORT_TEST_BROKER=embedded $(VENV)/pytest tests/badinput $(IN_FOUR) $(call report,test-badinput) $(ARGS)

fuzz: ready-dev ## the same for half an hour, and 10,000 malformed records; prints the figures of docs/security.md
	RAPPORT_TEST_BROKER=embedded RAPPORT_FUZZ_SEED=$(SEED) RAPPORT_FUZZ_DOCUMENT_SECONDS=$(FUZZ_SECONDS) RAPPORT_FUZZ_BODIES=$(FUZZ_BODIES) \
	  $(VENV)/pytest tests/badinput --ignore=tests/badinput/test_bus_fuzz.py $(IN_FOUR) $(call report,fuzz) $(ARGS)
	RAPPORT_TEST_BROKER=embedded FUZZ_SEED=$(SEED) FUZZ_RECORDS=$(FUZZ_RECORDS) \
	  $(VENV)/pytest -s tests/badinput/test_bus_fuzz.py $(call report,fuzz-records)

test-browser: ready-dev ## the browser snippet, Segment's browser SDK and /docs, in a browser (needs Chromium and npm)
	@command -v npm >/dev/null || { echo "rapport: npm is missing: apt install npm" >&2; exit 1; }
	npm --prefix tests/browser ci --ignore-scripts --no-audit --no-fund
	RAPPORT_TEST_BROKER=embedded $(VENV)/pytest tests/browser $(IN_TWO) $(call report,test-browser) $(ARGS)

test-long: ready-dev ## every law, those on PostgreSQL among them, on 2,000 examples instead of some 100
	RAPPORT_TEST_BROKER=embedded RAPPORT_TEST_EXAMPLES=2000 $(VENV)/pytest tests --ignore=tests/faults -m hypothesis \
	  --durations=10 $(IN_FOUR) $(call report,test-long) $(ARGS)

bench-ingest: ready-dev ## how much of the broker's rate arrives through HTTP, checked (needs wrk, Java 17, Maven)
	$(VENV)/python -m tests.bench.ingest $(ARGS)

bench-understanding: ready-dev ## what understanding an event costs, by its kind
	$(VENV)/python -m tests.bench.understanding

bench-scores: ready-dev ## what the base's cut points cost an hour; ARGS='--customers N'
	$(VENV)/python -m tests.bench.scores $(ARGS)

bench-imports: ready-receipts ## two whole files of real orders, each import killed twice, every customer's sums checked
	$(VENV)/python -m tests.bench.imports $(ARGS)

bench-segment: ready-dev ## what live segments cost the consumer, and recomputing them over a base
	$(VENV)/python -m tests.bench.segment $(ARGS)

bench-idle: ready-dev ## what a stack with nothing to do costs, and accept to message; ARGS='--beside CHECKOUT' for another, too
	$(VENV)/python -m tests.bench.idle $(ARGS)

bench-campaign: ready-dev ## runs of journeys moved by time, broadcasts made into messages; ARGS='--runs N --members N'
	$(VENV)/python -m tests.bench.campaign $(ARGS)

walk: ready-dev ## the way of one order through the running code, as a table; ARGS=--write puts it into docs/architecture.md
	$(VENV)/python -m tests.walk $(ARGS)

faults: ready-dev ## faults on Apache Kafka for some MINUTES, from a SEED: the same seed is the same run
	$(VENV)/python -m tests.faults run --seed $(SEED) --minutes $(MINUTES) $(ARGS)

faults-full: ready-dev ## the long fault run on three brokers; writes docs/reliability.json
	$(VENV)/python -m tests.faults full --seed $(SEED) $(ARGS)

soak: ready-dev ## an hour on three brokers, every service restarted 50 times, memory watched
	$(VENV)/python -m tests.faults soak $(ARGS)

soak-local: ready-dev ## the local stack for some MINUTES (60), 100 events/s, each process killed in turn; ARGS='--every 60'
	$(VENV)/python -m tests.faults local --seed $(SEED) --minutes $(if $(filter file,$(origin MINUTES)),60,$(MINUTES)) $(ARGS)

# The environment is made by the first target that needs it, and again when uv.lock has changed.
ready: python
	@$(PYTHON) deploy/local/bootstrap.py

ready-dev: python
	@$(PYTHON) deploy/local/bootstrap.py dev

ready-parquet: python ## add what imports of Parquet files need
	@$(PYTHON) deploy/local/bootstrap.py parquet

ready-charts: python ## add what draws reports as PNG
	@$(PYTHON) deploy/local/bootstrap.py charts

ready-receipts: python
	@$(PYTHON) deploy/local/bootstrap.py dev receipts

python:
	@command -v $(PYTHON) >/dev/null \
	  || { echo "rapport: $(PYTHON) is missing: apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "rapport: Python 3.11 or newer is needed, and $(PYTHON) is older; choose one: make PYTHON=python3.12" >&2; exit 1; }
