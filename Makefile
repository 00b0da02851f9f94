# Needs Python >= 3.11, make and git. Everything else goes into .venv, .venv-test and .venv-docs: where
# there is no Node.js, the build of the JupyterLab extension brings its own. The demo needs none.

PYTHON ?= python3
ARGS ?=
# In how many processes the tests run. Each file's tests run in one, in order.
WORKERS ?= auto

# Environments of another Python than the usual one stand beside its own: `make test PYTHON=python3.13`.
OTHER := $(if $(filter-out file default,$(origin PYTHON)),$(shell $(PYTHON) -c \
  'import sys; print("-%d.%d" % sys.version_info[:2])' 2>/dev/null))

VENV := .venv$(OTHER)
TEST_VENV := .venv-test$(OTHER)
# The test environment with the least and with the newest versions that pyproject.toml allows.
OLDEST_VENV := .venv-oldest$(OTHER)
NEWEST_VENV := .venv-newest$(OTHER)
DOCS_VENV := .venv-docs$(OTHER)
BENCH_VENV := .venv-bench$(OTHER)
# Ray holds many packages to versions of its own.
RAY_VENV := .venv-ray$(OTHER)
# Where jupyter-collaboration is installed each notebook is a shared one.
COLLABORATION_VENV := .venv-collaboration$(OTHER)
PROTOS_VENV := .venv-protos$(OTHER)
# What is audited, and below it what audits.
AUDIT_VENV := .venv-audit$(OTHER)
LOCK_VENV := .venv-lock$(OTHER)
VENVS := $(VENV) $(TEST_VENV) $(OLDEST_VENV) $(NEWEST_VENV) $(DOCS_VENV) $(BENCH_VENV) $(RAY_VENV) \
  $(COLLABORATION_VENV) $(PROTOS_VENV) $(AUDIT_VENV) $(LOCK_VENV)

# The environments whose versions are locked, and the extras that each has.
LOCKED := demo test docs bench ray collaboration
EXTRAS_demo := demo lab lessons
EXTRAS_test := test lab
EXTRAS_docs := docs lessons
EXTRAS_bench := bench experiments serving
EXTRAS_ray := ray
EXTRAS_collaboration := lab
# What is audited isn't locked.
EXTRAS_audit := dask demo experiments lab nested ray serving
# What tests install into environments that they make themselves.
PEERS := caikit caikit-grpc schedy twine

# The versions that we develop with: `make lock` writes them anew. A build has an environment of its
# own, to which newer pips pass on only the second of these.
LOCKS := tests/constraints
locked = PIP_CONSTRAINT=$(LOCKS)/$(1).txt PIP_BUILD_CONSTRAINT=$(LOCKS)/$(1).txt

PIP := -m pip --disable-pip-version-check
# An environment, and the lock that it is held to.
install = $(call locked,$(2)) $(1)/bin/python $(PIP) install -qq
# What the system's packages are installed with, where there is a right to do so.
APT := apt-get -q -o DPkg::Lock::Timeout=300

# What the JupyterLab extension is built of.
LABEXTENSION := pyproject.toml hatch_build.py $(wildcard labextension/*.*) \
  $(shell find labextension/src labextension/style labextension/schema -type f)

comma := ,
space := $(subst ,, )
list = $(subst $(space),$(comma),$(EXTRAS_$(1)))

# An environment that is active where make is called is not the one that it works in.
unexport VIRTUAL_ENV
# Tests start thousands of interpreters, and each would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo docs lab test test-slow test-oldest test-newest test-cluster \
  test-collaboration pictures check check-python check-labextension bench audit lock wheel protos clean chromium postgresql slurm

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## run the demo notebook's story in the terminal
	@$(VENV)/bin/python notebooks/demo.py $(ARGS)

lab: $(VENV)/.installed-lab  ## open the first notebook in JupyterLab
	@$(VENV)/bin/python -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS) notebooks/01_first_job.ipynb

docs: $(DOCS_VENV)/.installed  ## build the documentation into build/docs; its lessons are executed and tested
	@# Afresh: a lesson is executed again also where only the package has changed.
	@rm -rf build/docs build/jupyter_execute
	@$(DOCS_VENV)/bin/python -m sphinx -E -W --keep-going -n -q -b html -d build/doctrees notebooks build/docs
	@$(DOCS_VENV)/bin/python -m pytest -q -m docs --confcutdir tests/docs $(ARGS) tests/docs/test_lessons.py
	@echo "open build/docs/index.html"

PYTEST := -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: check chromium postgresql  ## check, then run all tests but the slow ones (ARGS="-k name" for some)
	@$(TEST_VENV)/bin/python $(PYTEST) $(ARGS)

test-slow: $(TEST_VENV)/.installed chromium postgresql docs  ## run the slow tests, and build the documentation
	@$(TEST_VENV)/bin/python -m pytest -m slow $(ARGS)

test-oldest: $(OLDEST_VENV)/.installed chromium postgresql  ## run the tests with the least versions that are allowed
	@# What old libraries do, or are warned of by newer ones that they use, is not our concern.
	@$(OLDEST_VENV)/bin/python $(PYTEST) -W ignore::DeprecationWarning \
	  -W "ignore:Unclosed context:ResourceWarning" $(ARGS)

test-newest: $(NEWEST_VENV)/bin/python chromium postgresql  ## run the tests with the newest versions that are allowed
	@$(NEWEST_VENV)/bin/python $(PIP) install -qq --upgrade --upgrade-strategy eager --editable ".[$(call list,test)]"
	@$(NEWEST_VENV)/bin/python $(PYTEST) $(ARGS)

test-cluster: $(TEST_VENV)/.installed $(RAY_VENV)/.installed slurm  ## run the tests that need two hosts, Slurm, or Ray
	@$(TEST_VENV)/bin/python -m pytest -m cluster $(ARGS)
	@$(RAY_VENV)/bin/python -m pytest -m cluster tests/backends/test_ray_*.py $(ARGS)

test-collaboration: $(COLLABORATION_VENV)/.installed chromium  ## run the tests that need jupyter-collaboration
	@$(COLLABORATION_VENV)/bin/python -m pytest -m collaboration tests/browser/test_collaboration.py $(ARGS)

pictures: $(TEST_VENV)/.installed chromium  ## have the browser tests take their pictures, into tests/.artifacts
	@$(TEST_VENV)/bin/python -m pytest tests/browser --pictures $(ARGS)

check: $(TEST_VENV)/.installed  ## run what reads the sources: ruff, mypy, import-linter, and npm's checks
	@$(MAKE) --no-print-directory -j2 --output-sync check-python check-labextension

check-python:
	@$(TEST_VENV)/bin/python -m ruff check --quiet .
	@$(TEST_VENV)/bin/python -m ruff format --check --quiet --diff .
	@told=$$($(TEST_VENV)/bin/lint-imports --no-logo) || { echo "$$told"; exit 1; }
	@$(TEST_VENV)/bin/python -m mypy --no-error-summary

check-labextension:
	@if ! command -v npm >/dev/null; then \
	  echo "npm is missing: the sources of the JupyterLab extension are not checked" >&2; exit 0; \
	fi; \
	cd labextension && { [ -d node_modules ] || npm ci --no-progress --silent; } \
	  && npm run --silent lint && npm run --silent types && npm run --silent test -- --reporter=dot

bench: $(BENCH_VENV)/.installed postgresql  ## measure against peers (ARGS="--rows empty --effort 0.5")
	@$(BENCH_VENV)/bin/python -m tests.benchmarks $(ARGS)

# Strict: what can't be looked up is an error, as it would otherwise pass for clean.
PIP_AUDIT := $(AUDIT_VENV)/tool/bin/python -m pip_audit --strict --no-deps --disable-pip --progress-spinner off
audit: $(AUDIT_VENV)/bin/python $(AUDIT_VENV)/tool/bin/python  ## look for known weaknesses of what we install and allow
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(AUDIT_VENV)/bin/python $(PIP) install -qq --upgrade --upgrade-strategy eager \
	  --editable ".[$(call list,audit)]"
	@$(AUDIT_VENV)/tool/bin/python $(PIP) install -qq --upgrade "pip-audit>=2.9"
	@$(AUDIT_VENV)/bin/python $(PIP) list --format=freeze --exclude-editable --exclude pip --exclude setuptools \
	  >$(AUDIT_VENV)/installed.txt
	@$(PIP_AUDIT) -r $(AUDIT_VENV)/installed.txt
	@$(AUDIT_VENV)/bin/python tests/least_versions.py $(EXTRAS_audit) >$(AUDIT_VENV)/least.txt
	@$(PIP_AUDIT) -r $(AUDIT_VENV)/least.txt
	@if command -v npm >/dev/null; then cd labextension && npm audit --package-lock-only --omit=dev; \
	  else echo "npm is missing: the packages of the JupyterLab extension are not audited" >&2; exit 1; fi

wheel: $(VENV)/bin/python  ## build the wheel and the source distribution into dist/
	@$(call install,$(VENV),demo) "build>=1.2"
	@rm -rf caikit_nb/labextension
	@$(VENV)/bin/python -m build --outdir dist .
	@ls dist/*

# Of this version, so that what is written is the same everywhere, and works with protobuf from
# 4.25 on. It has wheels up to Python 3.12.
protos: | $(PROTOS_VENV)/bin/python  ## write the generated modules of serving/ anew
	@$(PROTOS_VENV)/bin/python $(PIP) install -qq "grpcio-tools==1.62.3" "setuptools<81"
	@$(PROTOS_VENV)/bin/python caikit_nb/serving/protos/generate.py

# One file for all Pythons: where they differ, its lines say for which they are.
COMPILE := $(LOCK_VENV)/bin/uv pip compile --quiet --upgrade --no-annotate --custom-compile-command "make lock"
lock: $(LOCK_VENV)/bin/python  ## write the versions that we develop with anew, into tests/constraints
	@$(LOCK_VENV)/bin/python $(PIP) install -qq --upgrade uv
	@$(foreach name,$(LOCKED),echo "$(LOCKS)/$(name).txt" && $(COMPILE) --universal --python-version 3.11 \
	  $(addprefix --extra ,$(EXTRAS_$(name))) pyproject.toml $(LOCKS)/build.in \
	  $(wildcard $(LOCKS)/$(name).in) -c $(LOCKS)/prefer.in -o $(LOCKS)/$(name).txt &&) true
	@$(foreach name,$(PEERS),echo "$(LOCKS)/$(name).txt" && $(COMPILE) --universal --python-version 3.11 \
	  $(LOCKS)/$(name).in -o $(LOCKS)/$(name).txt &&) true
	@echo "$(LOCKS)/oldest.txt" && $(COMPILE) --resolution lowest-direct --python-version 3.11 --python-platform linux \
	  $(addprefix --extra ,$(EXTRAS_test)) pyproject.toml $(LOCKS)/build.in -o $(LOCKS)/oldest.txt

clean:  ## remove what make made
	rm -rf .venv .venv-* dist build
	rm -rf tests/.artifacts .hypothesis
	rm -rf caikit_nb/labextension labextension/lib labextension/node_modules
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find caikit_nb tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

# Editable: changed sources need no new install, only a changed pyproject.toml or lock does.
$(VENV)/.installed: pyproject.toml $(LOCKS)/demo.txt | $(VENV)/bin/python
	@echo "installing caikit_nb into $(VENV)"
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(call install,$(VENV),demo) --editable ".[demo]"
	@touch $@

$(DOCS_VENV)/.installed: pyproject.toml $(LOCKS)/docs.txt | $(DOCS_VENV)/bin/python
	@echo "installing caikit_nb and what its documentation needs into $(DOCS_VENV)"
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(call install,$(DOCS_VENV),docs) --editable ".[$(call list,docs)]"
	@touch $@

# The build says by itself what is missing for the extension, and goes on without it.
$(VENV)/.installed-lab: $(VENV)/.installed $(LABEXTENSION)
	@echo "installing JupyterLab and building its extension"
	@$(call install,$(VENV),demo) --editable ".[$(call list,demo)]"
	@touch $@

$(TEST_VENV)/.installed: $(LABEXTENSION) $(LOCKS)/test.txt | $(TEST_VENV)/bin/python
	@echo "installing caikit_nb and what its tests need into $(TEST_VENV)"
	@$(call install,$(TEST_VENV),test) --editable ".[$(call list,test)]"
	@touch $@

$(OLDEST_VENV)/.installed: $(LABEXTENSION) $(LOCKS)/oldest.txt | $(OLDEST_VENV)/bin/python
	@echo "installing caikit_nb and the least versions of what its tests need into $(OLDEST_VENV)"
	@$(call install,$(OLDEST_VENV),oldest) --editable ".[$(call list,test)]"
	@touch $@

# The peers have an environment of their own: what they ask for must not meet ours.
$(BENCH_VENV)/.installed: pyproject.toml $(LOCKS)/bench.txt | $(BENCH_VENV)/bin/python
	@echo "installing caikit_nb and its peers into $(BENCH_VENV)"
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(call install,$(BENCH_VENV),bench) --editable ".[experiments,serving]"
	@$(call locked,bench) $(BENCH_VENV)/bin/python -m tests.benchmarks.install_peers
	@touch $@

$(RAY_VENV)/.installed: pyproject.toml $(LOCKS)/ray.txt | $(RAY_VENV)/bin/python
	@echo "installing caikit_nb and Ray into $(RAY_VENV)"
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(call install,$(RAY_VENV),ray) --editable ".[ray]" -r $(LOCKS)/ray.in
	@touch $@

$(COLLABORATION_VENV)/.installed: $(LABEXTENSION) $(LOCKS)/collaboration.txt | $(COLLABORATION_VENV)/bin/python
	@echo "installing caikit_nb and jupyter-collaboration into $(COLLABORATION_VENV)"
	@$(call install,$(COLLABORATION_VENV),collaboration) --editable ".[lab]" -r $(LOCKS)/collaboration.in
	@touch $@

$(addsuffix /bin/python,$(VENVS) $(AUDIT_VENV)/tool):
	@command -v $(PYTHON) >/dev/null || \
	  { echo "No '$(PYTHON)' found. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "caikit_nb needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(@D:/bin=)

# Without a browser its tests are skipped and say so, so a failure here ends nothing.
chromium:
	@for name in chromium chromium-browser google-chrome; do \
	  command -v $$name >/dev/null && exit 0; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing chromium for the browser tests"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { $(APT) update && $(APT) install -y --no-install-recommends chromium fonts-dejavu-core; } >/dev/null \
	    || echo "chromium could not be installed: the browser tests will be skipped" >&2; \
	fi

# The tests start a server of their own; without its programs those tests are skipped and say so.
postgresql:
	@command -v initdb >/dev/null && exit 0; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing postgresql for the tests of experiments"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { $(APT) update && $(APT) install -y --no-install-recommends postgresql; } >/dev/null \
	    || echo "postgresql could not be installed: its tests will be skipped" >&2; \
	fi

# Two hosts need iproute2; Slurm its own daemons. Without them their tests are skipped and say so.
slurm:
	@command -v slurmctld >/dev/null && command -v munged >/dev/null && command -v ip >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing slurm and iproute2 for the tests of clusters"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { $(APT) update && $(APT) install -y --no-install-recommends slurm-wlm munge iproute2; } >/dev/null \
	    || echo "slurm could not be installed: its tests will be skipped" >&2; \
	fi
