"""Lets the tests of the handlers run against another build of them, for example one with sanitizers."""

import importlib.util
import os
import sys
from pathlib import Path


def pytest_configure():
    use_other_build()


def use_other_build():
    folder = os.environ.get("NEURO4D_TEST_NATIVE")
    if not folder:
        return
    (path,) = Path(folder).glob("_native*.so")
    name = "neuro4d.kernels._native"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
