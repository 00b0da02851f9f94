"""How Sphinx builds the documentation: ``make docs``."""

import os
import sys
import tempfile
from pathlib import Path

import caikit_nb

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "caikit_nb"
author = "caikit_nb contributors"
copyright = author
version = release = caikit_nb.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_copybutton",
    "doc_tables",
]
exclude_patterns = ["executed", "**/.ipynb_checkpoints"]
root_doc = "index"

# The lessons are executed; what they leave behind goes with this process.
_left_behind = tempfile.TemporaryDirectory(prefix="caikit_nb-docs-")
os.environ["CAIKIT_NB_DIR"] = f"{_left_behind.name}/sessions"
os.environ["CAIKIT_NB_EXPERIMENTS"] = f"sqlite:///{_left_behind.name}/experiments.sqlite"
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
# A card is shown as the saved notebook has it: there is no kernel behind a page.
nb_mime_priority_overrides = [
    ("html", "application/vnd.jupyter.widget-view+json", None),
    ("html", "text/html", 1),
]
nb_ipywidgets_js = {}
suppress_warnings = ["mystnb.unknown_mime_type"]  # that of cards is JupyterLab's alone

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_mock_imports = ["caikit"]
napoleon_custom_sections = [("Config", "params_style")]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
# `JobFuture.result` in a docstring names an object of Python.
default_role = "py:obj"

nitpicky = True
# There is no net at build time, so names of other packages have no page to lead to; types in
# signatures may be private ones, and an argument in single backticks has no page of its own.
nitpick_ignore_regex = [("py:(class|obj|exc|meth|mod|data|func|attr)", r".*")]

html_theme = "furo"
html_title = f"caikit_nb {version}"
html_static_path = ["pages/static"]
html_css_files = ["pages.css"]
html_theme_options = {"navigation_with_keys": True}
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"
