# Needs Python >= 3.11, make and git. Everything else goes into .venv, .venv-test and .venv-docs: where
# there is no Node.js, the build of the JupyterLab extension brings its own. The demo needs none.

PYTHON ?= python3
ARGS ?=
# In how many processes the tests run. Each file's tests run in one, in order.
WORKERS ?= auto

VENV := .venv
TEST_VENV := .venv-test
DOCS_VENV := .venv-docs
BENCH_VENV := .venv-bench
# Ray holds many packages to versions of its own.
RAY_VENV := .venv-ray
PROTOS_VENV := .venv-protos
# What is audited, and below it what audits.
AUDIT_VENV := .venv-audit
AUDIT_EXTRAS := dask demo experiments lab nested ray serving
PIP := -m pip --disable-pip-version-check
# What the system's packages are installed with, where there is a right to do so.
APT := apt-get -q -o DPkg::Lock::Timeout=300

# What the JupyterLab extension is built of.
LABEXTENSION := pyproject.toml hatch_build.py $(wildcard labextension/*.*) \
  $(shell find labextension/src labextension/style labextension/schema -type f)

comma := ,
space := $(subst ,, )

# An environment that is active where make is called is not the one that it works in.
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo docs lab test test-slow test-cluster bench audit wheel protos clean chromium postgresql slurm

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## run the demo notebook's story in the terminal
	@$(VENV)/bin/python notebooks/demo.py $(ARGS)

lab: $(VENV)/.installed-lab  ## open the first notebook in JupyterLab
	@$(VENV)/bin/python -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS) notebooks/01_first_job.ipynb

docs: $(DOCS_VENV)/.installed  ## build the documentation, its notebooks executed, into build/docs
	@# Afresh: a lesson is executed again also where only the package has changed.
	@$(DOCS_VENV)/bin/python -m sphinx -E -W --keep-going -n -q -b html -d build/doctrees $(ARGS) notebooks build/docs
	@echo "open build/docs/index.html"

test: $(TEST_VENV)/.installed chromium postgresql  ## run all tests but the slow ones (ARGS="-k name" for some)
	@$(TEST_VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: $(TEST_VENV)/.installed chromium postgresql  ## run the slow tests
	@$(TEST_VENV)/bin/python -m pytest -m slow $(ARGS)

test-cluster: $(TEST_VENV)/.installed $(RAY_VENV)/.installed slurm  ## run the tests that need two hosts, Slurm, or Ray
	@$(TEST_VENV)/bin/python $(PIP) install -qq "dask-jobqueue>=0.9"
	@$(TEST_VENV)/bin/python -m pytest -m cluster $(ARGS)
	@$(RAY_VENV)/bin/python -m pytest -m cluster tests/backends/test_ray_*.py $(ARGS)

bench: $(BENCH_VENV)/.installed postgresql  ## measure against peers (ARGS="--rows empty --effort 0.5")
	@$(BENCH_VENV)/bin/python -m tests.benchmarks $(ARGS)

# Strict: what can't be looked up is an error, as it would otherwise pass for clean.
PIP_AUDIT := $(AUDIT_VENV)/tool/bin/python -m pip_audit --strict --no-deps --disable-pip --progress-spinner off
audit: $(AUDIT_VENV)/bin/python $(AUDIT_VENV)/tool/bin/python  ## look for known weaknesses of what we install and allow
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(AUDIT_VENV)/bin/python $(PIP) install -qq --upgrade --upgrade-strategy eager \
	  --editable ".[$(subst $(space),$(comma),$(AUDIT_EXTRAS))]"
	@$(AUDIT_VENV)/tool/bin/python $(PIP) install -qq --upgrade "pip-audit>=2.9"
	@$(AUDIT_VENV)/bin/python $(PIP) list --format=freeze --exclude-editable --exclude pip --exclude setuptools \
	  >$(AUDIT_VENV)/installed.txt
	@$(PIP_AUDIT) -r $(AUDIT_VENV)/installed.txt
	@$(AUDIT_VENV)/bin/python tests/least_versions.py $(AUDIT_EXTRAS) >$(AUDIT_VENV)/least.txt
	@$(PIP_AUDIT) -r $(AUDIT_VENV)/least.txt
	@if command -v npm >/dev/null; then cd labextension && npm audit --package-lock-only --omit=dev; \
	  else echo "npm is missing: the packages of the JupyterLab extension are not audited" >&2; exit 1; fi

wheel: $(VENV)/bin/python  ## build the wheel and the source distribution into dist/
	@$(VENV)/bin/python $(PIP) install -qq "build>=1.2"
	@rm -rf caikit_nb/labextension
	@$(VENV)/bin/python -m build --outdir dist .
	@ls dist/*

# Of this version, so that what is written is the same everywhere, and works with protobuf from
# 4.25 on. It has wheels up to Python 3.12.
protos: | $(PROTOS_VENV)/bin/python  ## write the generated modules of serving/ anew
	@$(PROTOS_VENV)/bin/python $(PIP) install -qq "grpcio-tools==1.62.3" "setuptools<81"
	@$(PROTOS_VENV)/bin/python caikit_nb/serving/protos/generate.py

clean:  ## remove what make made
	rm -rf $(VENV) $(TEST_VENV) $(DOCS_VENV) $(RAY_VENV) $(BENCH_VENV) $(PROTOS_VENV) $(AUDIT_VENV) dist build
	rm -rf tests/.artifacts .hypothesis
	rm -rf caikit_nb/labextension labextension/lib labextension/node_modules
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find caikit_nb tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

# Editable: changed sources need no new install, only a changed pyproject.toml does.
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing caikit_nb into $(VENV)"
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(VENV)/bin/python $(PIP) install -qq --editable ".[demo]"
	@touch $@

$(DOCS_VENV)/.installed: pyproject.toml | $(DOCS_VENV)/bin/python
	@echo "installing caikit_nb and what its documentation needs into $(DOCS_VENV)"
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(DOCS_VENV)/bin/python $(PIP) install -qq --editable ".[docs,lessons]"
	@touch $@

# The build says by itself what is missing for the extension, and goes on without it.
$(VENV)/.installed-lab: $(VENV)/.installed $(LABEXTENSION)
	@echo "installing JupyterLab and building its extension"
	@$(VENV)/bin/python $(PIP) install -qq --editable ".[lab,lessons]"
	@touch $@

$(TEST_VENV)/.installed: $(LABEXTENSION) | $(TEST_VENV)/bin/python
	@echo "installing caikit_nb and what its tests need into $(TEST_VENV)"
	@$(TEST_VENV)/bin/python $(PIP) install -qq --editable ".[test,lab]"
	@touch $@

# The peers have an environment of their own: what they ask for must not meet ours.
$(BENCH_VENV)/.installed: pyproject.toml | $(BENCH_VENV)/bin/python
	@echo "installing caikit_nb and its peers into $(BENCH_VENV)"
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(BENCH_VENV)/bin/python $(PIP) install -qq --editable ".[experiments,serving]" jupyter_client
	@$(BENCH_VENV)/bin/python -m tests.benchmarks.install_peers
	@touch $@

$(RAY_VENV)/.installed: pyproject.toml | $(RAY_VENV)/bin/python
	@echo "installing caikit_nb and Ray into $(RAY_VENV)"
	@CAIKIT_NB_SKIP_LABEXTENSION=1 $(RAY_VENV)/bin/python $(PIP) install -qq --editable ".[ray]" \
	  "hypothesis>=6.100" "numpy>=1.26" "pytest>=8.2" "pytest-timeout>=2.3"
	@touch $@

$(foreach venv,$(VENV) $(TEST_VENV) $(DOCS_VENV) $(RAY_VENV) $(BENCH_VENV) $(PROTOS_VENV) $(AUDIT_VENV) \
    $(AUDIT_VENV)/tool,$(venv)/bin/python):
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
