"""The examples in the docstrings run and print what they say.

They presuppose `import neuro4d as n4`, `import brainunit as u`, `import jax`, `import jax.numpy as jnp`,
`import jax.random as jr` and `import numpy as np`, as the tutorial does.
"""

import doctest
import importlib

import pytest
from layer_rules import ROOT, read_sources

MODULES = [source.module for source in read_sources(ROOT) if ">>> " in source.text and not source.module.endswith("__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    usual = {"n4": "neuro4d", "u": "brainunit", "jax": "jax", "jnp": "jax.numpy", "jr": "jax.random", "np": "numpy"}
    names = {short: importlib.import_module(full) for short, full in usual.items()}
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(importlib.import_module(name), extraglobs=names, optionflags=flags)
    assert result.attempted > 0
    assert result.failed == 0
