"""Sphinx configuration. Build with `sphinx-build -W docs docs/_build`, with neuro4d installed."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

import neuro4d  # noqa: E402

project = "neuro4d"
author = "The neuro4d developers"
copyright = "The neuro4d developers"
version = release = neuro4d.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "myst_nb",
    "markdown_docstrings",
    "public_pages",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints", "_ext"]
templates_path = ["_templates"]

autosummary_generate = True
autosummary_imported_members = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
napoleon_use_rtype = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 100
add_module_names = False

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
# These take much longer than the others, and run in the tests (tests/test_notebooks.py).
nb_execution_excludepatterns = ["*04-*", "*05-*"]
# Progress bars write to standard error.
nb_output_stderr = "remove"

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"neuro4d {version}"
html_static_path = ["_static"]
