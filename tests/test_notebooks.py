"""Every notebook runs from its first cell to its last, in a folder of its own, and is stored without outputs.

Those that the documentation runs, which `.ci/run` builds with warnings as errors, run here with `pytest -m full tests/test_notebooks.py`.
"""

import ast
import fnmatch
import re

import nbformat
import pytest
from layer_rules import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


LEFT_OUT = ast.literal_eval(re.search(r"^nb_execution_excludepatterns = (.*)$", (ROOT / "docs/conf.py").read_text(), re.MULTILINE)[1])


def runs_in_the_documentation(path):
    return not any(fnmatch.fnmatch(path.name, pattern) for pattern in LEFT_OUT)


EACH = [pytest.param(path, id=path.stem, marks=[pytest.mark.full] if runs_in_the_documentation(path) else []) for path in NOTEBOOKS]


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", EACH)
def test_notebook_runs(path, tmp_path):
    notebook = read(path)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and all(cell.execution_count for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
