"""The architecture holds: layers, budgets, refused constructs, and a light `import neuro4d`."""

import importlib.resources
import subprocess
import sys

import pytest
from layer_rules import (
    CHECKS,
    FILE_LINES,
    FUNCTION_LINES,
    ROOT,
    Source,
    check_constructs,
    check_cycles,
    check_layers,
    check_owners,
    check_sizes,
    check_tree,
    read_sources,
)


def source(path, text):
    """A planted file; `neurons/_lif.py` stands for `neuro4d/neurons/_lif.py`."""
    module = ".".join(["neuro4d", *path.removesuffix(".py").split("/")]).removesuffix(".__init__")
    return Source(f"neuro4d/{path}", module, text)


def test_tree_is_clean():
    assert len(read_sources(ROOT)) >= 8
    violations = check_tree(ROOT)
    assert not violations, "\n" + "\n".join(violations)


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("neurons/_lif.py", "from neuro4d.network import Network", "'neurons' (L3) imports 'network' (L5)"),
        ("neurons/_lif.py", "from neuro4d.receptors import Delta", "'neurons' imports its sibling 'receptors'"),
        ("neurons/_lif.py", "def f():\n    import neuro4d.simulate", "'neurons' (L3) imports 'simulate' (L7)"),
        ("neurons/_lif.py", "from ..receptors import Delta", "'neurons' imports its sibling 'receptors'"),
        ("neurons/__init__.py", "from ..ops import f\nfrom ..network import g", "'neurons' (L3) imports 'network' (L5)"),
        ("neurons/_lif.py", "from .. import network", "'neurons' (L3) imports 'network' (L5)"),
        ("neurons/_lif.py", "import neuro4d", "imports 'neuro4d' from the top"),
        ("neurons/_lif.py", "from neuro4d import LIF", "imports 'LIF' from the top"),
        ("_base/_units.py", "from neuro4d.kernels import x", "'_base' (L0) imports 'kernels' (L1)"),
        ("io/_files.py", "import importlib\nimportlib.import_module('neuro4d.plot')", "imports 'plot' (L9)"),
        ("model/_step.py", "from neuro4d.network import Network", "'model' (L4) imports 'network' (L5)"),
        ("simulate/_run.py", "from neuro4d.network import Network", "'simulate' imports 'network', which it must not know"),
        ("results/_run.py", "def f():\n    from ..network import _network", "'results' imports 'network', which it must not know"),
        ("analysis/_trains.py", "from neuro4d.model import Model", "'analysis' imports 'model', which it must not know"),
        ("simulate/_run.py", "import importlib\nimportlib.import_module('neuro4d.network')", "'simulate' imports 'network', which it must not know"),
        ("simulate/_run.py", "import importlib\nimportlib.import_module('neuro4d.plot')", "'simulate' (L7) imports 'plot' (L9)"),
        ("magic/_a.py", "", "'magic' has no layer"),
    ],
)
def test_layer_violations_are_found(path, text, complaint):
    violations = check_layers([source(path, text)])
    assert len(violations) == 1
    assert complaint in violations[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("neurons/_lif.py", "from neuro4d._base import quantity\nfrom neuro4d.ops import spike"),
        ("neurons/_lif.py", "from neuro4d.neurons._base import AbstractNeuron\nfrom . import _izhikevich"),
        ("results/_run.py", "import importlib\ndef raster():\n    importlib.import_module('neuro4d.plot')"),
        ("simulate/_run.py", "from neuro4d.model import advance\nfrom neuro4d.results import Run"),
        ("network/_build.py", "from neuro4d.model import Model"),
        ("cli.py", "from neuro4d.zoo import names\nfrom neuro4d.plot import raster"),
        ("__init__.py", "from neuro4d.neurons import LIF as LIF"),
    ],
)
def test_what_the_layers_allow(path, text):
    assert check_layers([source(path, text)]) == []


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("model/_model.py", "import h5py", "imports h5py, which only io may"),
        ("simulate/_run.py", "def f():\n    import orbax.checkpoint as ocp", "imports orbax, which only io may"),
        ("simulate/_run.py", "from matplotlib import pyplot", "imports matplotlib, which only plot may"),
        ("__init__.py", "import optax", "imports optax, which only train may"),
        ("io/_files.py", "import pickle", "imports pickle, which nobody may"),
        ("train/_fit.py", "import torch.nn", "imports torch, which nobody may"),
        ("ops/_ring.py", "from jax._src import core", "imports the private name jax._src.core"),
        ("ops/_ring.py", "from equinox import _module", "imports the private name equinox._module"),
    ],
)
def test_owner_violations_are_found(path, text, complaint):
    violations = check_owners([source(path, text)])
    assert len(violations) == 1
    assert complaint in violations[0]


def test_what_owners_may_import():
    assert check_owners([source("io/_h.py", "from __future__ import annotations\nimport h5py, orbax.checkpoint")]) == []
    assert check_owners([source("plot/_r.py", "from matplotlib import pyplot\nfrom jax import __version__")]) == []


def test_cycles_are_found():
    cycle = [
        source("ops/_a.py", "from neuro4d.ops._b import x"),
        source("ops/_b.py", "def late():\n    from . import _c"),
        source("ops/_c.py", "import neuro4d.ops._a"),
        source("ops/_d.py", "from neuro4d.ops._a import y"),
    ]
    assert check_cycles(cycle) == [
        "import cycle: neuro4d.ops._a -> neuro4d.ops._b -> neuro4d.ops._c -> neuro4d.ops._a"
    ]
    through_package = [
        source("ops/__init__.py", "from neuro4d.ops._a import x as x"),
        source("ops/_a.py", "from neuro4d.ops import x"),
    ]
    assert len(check_cycles(through_package)) == 1
    assert check_cycles(cycle[1:]) == []


def test_budgets_are_counted_exactly():
    body = "\n".join(f"    x{i} = {i}" for i in range(FUNCTION_LINES - 1))
    assert check_sizes([source("ops/_a.py", f"def f():\n{body}")]) == []
    longer = check_sizes([source("ops/_a.py", f"def f():\n{body}\n    y = 0")])
    assert longer == [f"neuro4d/ops/_a.py:1: f has {FUNCTION_LINES + 1} lines, the budget is {FUNCTION_LINES}"]
    assert check_sizes([source("ops/_a.py", "x = 0\n" * FILE_LINES)]) == []
    assert len(check_sizes([source("ops/_a.py", "x = 0\n" * (FILE_LINES + 1))])) == 1
    assert len(check_sizes([Source("neuro4d/kernels/_native.cc", "", ";\n" * (FILE_LINES + 1))])) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("def f():\n    global x\n    x = 1", "global x"),
        ("def f(x):\n    assert x > 0", "assert vanishes"),
        ("y = eval('1')", "eval: runs text"),
        ("def f(x):\n    return hasattr(x, 'v')", "hasattr: probes"),
        ("import numpy as np\ndef f(p):\n    return np.load(p, allow_pickle=True)", "allow_pickle=True"),
        ("def f(**options):\n    return g(1, **options)", "f passes **options on"),
        ("_CACHE = {}", "'_CACHE' is mutable module state"),
        ("names: list[str] = ['a']", "'names' is mutable module state"),
        ("import collections\nqueue = collections.deque()", "'queue' is mutable module state"),
    ],
)
def test_refused_constructs_are_found(text, complaint):
    violations = check_constructs([source("ops/_a.py", text)])
    assert len(violations) == 1
    assert complaint in violations[0]


def test_what_the_constructs_allow():
    text = (
        "from types import MappingProxyType\n__all__ = ['f']\nTABLE = MappingProxyType({'a': 1})\nNAMES = ('a',)\n"
        "def f(x, **axes):\n    rows = []\n    model.eval(x)\n    return g(axes)\n"
        "class A:\n    def __init_subclass__(cls, **kwargs):\n        super().__init_subclass__(**kwargs)\n"
    )
    assert check_constructs([source("ops/_a.py", text)]) == []


def test_every_check_runs_on_nothing():
    assert all(check([]) == [] for check in CHECKS)


# --------------------------------------------------------------------------------------------------- a light import

HEAVY = ("orbax", "h5py", "matplotlib", "optax", "tensorstore", "IPython", "scipy.signal")
RATIO = 2.6
PROBE = """
import os, sys
start = os.times().user
import jax
begin = os.times().user
import {module}
seconds = os.times().user - begin
print(seconds, begin - start, *sorted(set({heavy}) & set(sys.modules)))
"""


def probe(module):
    """Seconds of processor time that an import adds beyond jax in a fresh process, those of jax itself, and the heavy packages it leaves loaded."""
    code = PROBE.format(module=module, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=120)
    seconds, of_jax, *loaded = done.stdout.split()
    return float(seconds), float(of_jax), set(loaded)


def test_import_is_light():
    """At most 2 s of processor time beyond jax, half of it brainunit's, and nothing heavy of our own.

    Two processes on one core share its units, so that on a busy machine seconds of processor time are longer: there `RATIO` times those of jax itself count, which
    are 2 s on a quiet one. The best of at most five processes counts. brainunit registers itself with matplotlib where it finds one.
    """
    of_brainunit = probe("brainunit")[2]
    seconds, of_jax, loaded = probe("neuro4d")
    assert loaded - of_brainunit == set()
    tried = [seconds - max(2.0, RATIO * of_jax)]
    while min(tried) > 0 and len(tried) < 5:
        seconds, of_jax, _ = probe("neuro4d")
        tried.append(seconds - max(2.0, RATIO * of_jax))
    assert min(tried) <= 0


def test_the_type_marker_is_installed():
    assert (importlib.resources.files("neuro4d") / "py.typed").is_file()
