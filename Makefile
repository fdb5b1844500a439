# Works with python3 (3.10 or newer, with venv), git and make alone; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
GENERATED := .gitattributes .gitignore pyproject.toml client/pyproject.toml client/LICENSE .github/dependabot.yml $(wildcard .github/workflows/*.yml) .projen/deps.json .projen/files.json .projen/tasks.json

NPM_LOCKS := src/dsql_dr_constructs/cli/npm/*/package-lock.json tests/npm/*/package-lock.json
SERVICE := examples/orders_service/service/requirements
COMPILE = $(BIN)/uv pip compile $(UPGRADE) --no-build --quiet --universal --python-version 3.10 --generate-hashes --no-annotate --no-header --no-emit-index-url

# the Node in .venv, for jsii; and byte code, without which every start of the CDK costs seconds
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo faults test unit lint matrix bench docs release-rehearsal configure clean

demo: $(READY)  ## examples/quickstart on the local AWS emulator, from deployment to destruction, with the report of a drill; KEEP=1 leaves it running
	$(BIN)/dsql-dr rehearse $(if $(KEEP),--keep,--drill --report drill.html --repair) examples/quickstart

faults: $(READY)  ## all faults of docs/faults.md on the local AWS emulator, with an app that has every option; an hour
	@$(BIN)/python -m tests.all_faults

test: lint  ## everything that CI runs; end-to-end tests wait more than they work, so two share a core
	$(BIN)/pytest -n $$($(BIN)/python -c "import os; print(2 * (os.cpu_count() or 1))")

unit: $(READY)  ## the fast loop: constructs and handlers, without PostgreSQL, the wheel, workflows, documents, permissions, what other stacks read, stacks of backups, drills, health checks and adopted pairs, and replays of every option, value or fault
	$(BIN)/pytest tests/unit tests/runtime $(addprefix --ignore=tests/runtime/,$(addprefix health_monitor/test_,sql_on_postgresql.py real_postgresql.py connection_probe.py) $(addprefix database_role/test_,role_change.py cut_off.py names.py)) $(addprefix --ignore=tests/unit/,clusters/test_parameter_registry.py backup/test_multi_region_backup.py clusters/test_adopted_cluster.py drill/test_dr_drill.py failover/test_region_health_check.py $(addprefix monitoring/test_,evacuation.py failover_times.py notification_times.py sql_probe.py sql_probe_simulation.py backup_vaults.py) $(addprefix test_,template_rules.py least_privilege.py package.py workflows.py locks.py security_document.py ci_run.py documents.py language.py wrong_values.py stack_options.py)) -k "not upgrading and not whatever and not any_text and not any_names and not another_day and not no_text and not to_the_letter and not any_construct and not in_one_a and not account_is_the and not on_the_emulator and not own_keys_encrypt"

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@before=$$(cat $(GENERATED) | cksum); PROJEN_DISABLE_POST=1 $(BIN)/python .projenrc.py; \
	test "$$before" = "$$(cat $(GENERATED) | cksum)" || \
	{ echo "projen changed a file that it owns: edit .projenrc.py, run 'make configure' and commit both."; exit 1; }

matrix: $(READY)  ## the constructs' tests on lowest and newest versions and on every Python that is here; minutes
	$(BIN)/python -m tests.version_matrix

bench: $(READY)  ## ratios of time and of calls to Node, printed; minutes
	$(BIN)/python -m benchmarks

release-rehearsal: $(READY)  ## build, check, publish with publib to a PyPI on loopback, install, upgrade
	@$(BIN)/python -m tests.release_rehearsal

docs: $(READY)  ## what is generated: API.md from the docstrings, pictures from the templates, the site into dist/site
	$(BIN)/python docs/api_reference.py
	$(BIN)/python -m docs.pictures
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir dist/site

configure: $(READY)  ## after a change of .projenrc.py or a package.json: write the files that projen owns, and the locks; UPGRADE=--upgrade for newer versions
	PROJEN_DISABLE_POST=1 $(BIN)/python .projenrc.py
	$(COMPILE) --extra cli --extra emulator --extra sql $(addprefix --group ,build configure docs lint release test) --output-file requirements.lock pyproject.toml client/pyproject.toml
	$(COMPILE) --constraint requirements.lock --group build --output-file tests/locks/build.lock
	for one in checkov publish; do $(COMPILE) --group $$one --output-file tests/locks/$$one.lock || exit; done
	$(COMPILE) --resolution lowest-direct --output-file tests/locks/lowest.lock pyproject.toml
	$(COMPILE) --resolution lowest-direct --output-file tests/locks/client.lock client/pyproject.toml
	$(COMPILE) --output-file $(SERVICE).txt $(SERVICE).in
	$(COMPILE) --constraint requirements.lock --extra sql --group examples --output-file tests/locks/examples.lock pyproject.toml client/pyproject.toml $(SERVICE).in
	for one in $(dir $(wildcard $(NPM_LOCKS))); do npm $(if $(UPGRADE),update,install) --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund --prefix $$one || exit; done
	touch requirements.lock

clean:
	rm -rf .venv dist .mypy_cache .ruff_cache examples/*/cdk.out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock tests/tools.py $(wildcard tests/locks/*.lock $(NPM_LOCKS))
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable client
	$(BIN)/python -m tests.tools
	touch $@
