"""The walk through the code (docs/explain/walk.md) meets only what is there.

A station is written as `path: name`. In Python the name is looked up in the syntax tree, a dotted one step by step; in C++ it has to
occur as a word.
"""

import ast
import re

import pytest
from layer_rules import ROOT

PAGE = (ROOT / "docs/explain/walk.md").read_text(encoding="utf-8")
STATIONS = re.findall(r"`([\w./]+\.(?:py|h|cc)): ([\w.]+)`", re.sub(r"\s+", " ", PAGE))


def found(body, names):
    """Whether a dotted name is defined in a list of statements: a function, a class, a field or a constant."""
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        here = [getattr(node, "name", None), *(target.id for target in targets if isinstance(target, ast.Name))]
        if names[0] in here:
            return len(names) == 1 or (isinstance(node, ast.ClassDef) and found(node.body, names[1:]))
    return False


@pytest.mark.parametrize(("path", "name"), STATIONS)
def test_a_station_is_there(path, name):
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".py"):
        assert found(ast.parse(text).body, name.split("."))
    else:
        assert re.search(rf"\b{name}\b", text)


def test_the_test_sees_what_is_missing():
    tree = ast.parse("class A:\n    x: int\n    def f(self): ...\n\nB = 1\n").body
    assert found(tree, ["A", "x"]) and found(tree, ["A", "f"]) and found(tree, ["B"])
    assert not found(tree, ["A", "g"]) and not found(tree, ["x"]) and not found(tree, ["B", "x"])


def test_every_path_of_the_page_is_part_of_a_station():
    assert len(STATIONS) > 50
    assert PAGE.count("`neuro4d/") == len(STATIONS)


@pytest.mark.parametrize("name", ["path.weight"])
def test_operands_that_the_page_names(name):
    assert f"`{name}:0`" in PAGE
    assert f'"{name.partition(".")[0]}.{{name}}:{{k}}"' in (ROOT / "neuro4d/kernels/_native_run.py").read_text(encoding="utf-8")
    assert f'"{name}"' in (ROOT / "neuro4d/kernels/src/delivery.cc").read_text(encoding="utf-8")
