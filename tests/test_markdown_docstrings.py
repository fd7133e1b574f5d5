"""The documentation reads Markdown docstrings as they are meant."""

import importlib.util

import pytest
from layer_rules import ROOT


def load_convert():
    path = ROOT / "docs" / "_ext" / "markdown_docstrings.py"
    spec = importlib.util.spec_from_file_location("markdown_docstrings", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.convert


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        (["`tau` is a time"], ["``tau`` is a time"]),
        (["``tau`` stays"], ["``tau`` stays"]),
        (["a :math:`x` role stays"], ["a :math:`x` role stays"]),
        (["where $v_th$ is"], ["where :math:`v_th` is"]),
        (["**bold** stays"], ["**bold** stays"]),
        (["`**kwargs` and v_ and 2 * 3"], ["``**kwargs`` and v\\_ and 2 \\* 3"]),
        (["[text](https://example.org/a_b)"], ["`text <https://example.org/a_b>`__"]),
        (["$$v = u$$"], ["", ".. math::", "", "   v = u", ""]),
        (["$$", "v = u", "+ 1", "$$"], ["", ".. math::", "", "   v = u + 1", ""]),
        (["A list:", "- one", "- two"], ["A list:", "", "- one", "- two"]),
        (["- one", "  goes on", "- two"], ["- one", "  goes on", "- two"]),
        (["!!! example", "", "    >>> 2 ** 3"], ["", ".. admonition:: Example", "", "", "    >>> 2 ** 3"]),
        (["```python", "a = 2 * 3", "", "```"], ["", ".. code-block:: python", "", "   a = 2 * 3", "", ""]),
    ],
)
def test_markdown_becomes_restructured_text(markdown, expected):
    assert load_convert()(markdown) == expected
