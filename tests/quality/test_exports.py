"""The package's public face: what it exports, and what importing it costs."""

import inspect
import json

import pytest
from packaging.version import Version

import caikit_nb

DOCUMENTED = {
    "JobExecutor",
    "background",
    "current_job",
    "jobs",
    "log_metric",
    "options",
    "progress",
    "submit",
}
# IPython looks these up by name; a user never does.
HOOKS = {"load_ipython_extension", "unload_ipython_extension"}
# Front ends and engines come only with the part that needs them.
NOT_AT_IMPORT = {"IPython", "dask", "distributed", "grpc", "ipywidgets", "ray", "sqlalchemy"}
# The standard library and the base dependencies make about 220.
MOST_MODULES = 400

LIST_MODULES = """
import json, sys
before = set(sys.modules)
import caikit_nb
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture
def modules_at_import(run_python):
    return json.loads(run_python("-c", LIST_MODULES))


def test_documented_names_are_exported():
    assert set(caikit_nb.__all__) >= DOCUMENTED


@pytest.mark.parametrize("name", sorted(caikit_nb.__all__))
def test_exported_name_exists_and_has_a_docstring(name):
    value = getattr(caikit_nb, name)
    assert name.startswith("__") or inspect.getdoc(value)


def test_own_public_names_are_all_exported():
    own = {
        name
        for name, value in vars(caikit_nb).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and str(getattr(value, "__module__", "")).startswith("caikit_nb")
    }
    assert own - HOOKS <= set(caikit_nb.__all__)


def test_import_loads_no_front_end_and_no_engine(modules_at_import):
    assert not {name.partition(".")[0] for name in modules_at_import} & NOT_AT_IMPORT


def test_import_loads_a_bounded_number_of_modules(modules_at_import):
    assert len(modules_at_import) <= MOST_MODULES


def test_version_is_well_formed():
    assert str(Version(caikit_nb.__version__)) == caikit_nb.__version__
