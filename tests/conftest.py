"""What all tests share: one cache of compiled programs, deterministic examples, and the reference simulator where installed."""

import gc
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

# Before jax is imported. Test processes and the processes that they start share compiled programs; a relative PYTHONPATH
# would mean another folder in a process started elsewhere.
CACHE = Path(__file__).resolve().parents[1] / ".pytest_cache" / "jax"
CACHE.mkdir(parents=True, exist_ok=True)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
os.environ.setdefault("MPLBACKEND", "agg")
# Most of the time of tests goes into compiling small programs, which takes less in one piece, half as much with the older of XLA's two ways
# to make loops, and less again where LLVM does not optimise: a third in files that compile most, an eighth of the whole. Tests marked `as_shipped` compile as users do. XLA ends a process at a flag that it does not know, so that versions which
# nobody has tried do without.
QUICK = "--xla_cpu_parallel_codegen_split_count=1 --xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
if importlib.metadata.version("jaxlib").startswith("0.10."):
    os.environ.setdefault("XLA_FLAGS", QUICK)
# Tracing makes many objects, among which cycles are rare: looking for them after every 700 takes an eighth of the time of tests.
gc.set_threshold(20_000, 20, 50)
if os.environ.get("PYTHONPATH"):
    paths = os.environ["PYTHONPATH"].split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths)

import jax  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("neuro4d", deadline=None, derandomize=True, max_examples=25, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=500, print_blob=True)
settings.load_profile("neuro4d")


def pytest_collection_modifyitems(items):
    """Tests marked `oracle` need NEST, those marked `oracle("elephant")` Elephant."""
    for item in items:
        mark = item.get_closest_marker("oracle")
        name = None if mark is None else mark.args[0] if mark.args else "nest"
        if name is not None and importlib.util.find_spec(name) is None:
            item.add_marker(pytest.mark.skip(reason=f"{name} is not installed: pip install '.[oracle]'"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """A test marked `as_shipped` runs in a process without the flags that make compiling quicker."""
    if pyfuncitem.get_closest_marker("as_shipped") is None or os.environ.get("XLA_FLAGS") != QUICK:
        return None
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "", pyfuncitem.nodeid]
    done = subprocess.run(command, cwd=pyfuncitem.config.rootpath, env=os.environ | {"XLA_FLAGS": ""}, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(done.stdout[-4000:] + done.stderr[-1000:], pytrace=False)
    return True


def pytest_collection_finish():
    gc.freeze()  # what was imported stays


APART = ("tests/test_doctests.py", "tests/test_notebooks.py", "tests/test_readme.py", "tests/zoo/test_rates.py")
"""Files whose tests share nothing."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Several processes divide files among them: what the tests of a file share is made once. They take `APART` test by test."""
    if config.getvalue("dist") != "load":
        return None  # somebody has chosen
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            return nodeid if path in APART else path

    config.option.loadscopereorder = False  # the many short ones last
    return ByFile(config, log)


@pytest.fixture
def strict_promotion():
    """Within the test, jax raises where a rank or a dtype would be promoted in silence."""
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture
def x64():
    """Within the test, jax computes in double precision."""
    with jax.enable_x64(True):
        yield
