"""What the page on the design says of the layers is what `layer_rules.LAYERS` says."""

import ast
import importlib.util
import re

import pytest
from layer_rules import LAYERS, PACKAGE, ROOT

PAGE = (ROOT / "docs/explain/design.md").read_text(encoding="utf-8")


def test_the_table_of_the_page():
    rows = re.findall(r"^\| L(\d+) \| ([^|]*) \|", PAGE, re.MULTILINE)
    assert [(int(level), tuple(re.findall(r"`(\w+)`", names))) for level, names in rows] == list(enumerate(LAYERS))


def test_the_picture():
    """If it fails, draw it again: `python docs/_static/make_layers.py`."""
    spec = importlib.util.spec_from_file_location("make_layers", ROOT / "docs/_static/make_layers.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert (ROOT / "docs/_static/layers.svg").read_text(encoding="utf-8") == script.picture()
    assert "../_static/layers.svg" in PAGE


@pytest.mark.parametrize("level", range(len(LAYERS)))
def test_a_package_that_says_its_layer_says_the_right_one(level):
    for name in LAYERS[level]:
        path = ROOT / PACKAGE / name / "__init__.py"
        if path.is_file():
            said = re.match(r"L(\d+): ", ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
            assert said is None or int(said[1]) == level, path
