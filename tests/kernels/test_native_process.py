"""What needs a process of its own: the number of threads, a package without handlers, sanitizers."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import neuro4d
from neuro4d.kernels import NativeLimits, native_available, native_limits

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
needs_native = pytest.mark.skipif(not native_available(), reason="the CPU handlers are not built")
needs_two = pytest.mark.skipif(not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2, reason="two processors expected")


def python(code: str, prefix=(), **variables) -> subprocess.CompletedProcess:
    """Runs code in a fresh interpreter with the package and these tests on its path."""
    package = Path(neuro4d.__file__).parents[1]  # the one that is tested here: in the tree, or installed
    env = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join((str(package), str(HERE), str(HERE.parent)))} | variables
    return subprocess.run([*prefix, sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=900, cwd=HERE)


@pytest.mark.full
@needs_native
@needs_two
def test_one_and_two_threads_give_the_same_bits():
    first, second = sorted(os.sched_getaffinity(0))[:2]
    digests = set()
    for cpus in ({first}, {first, second}):
        done = python(f"import os; os.sched_setaffinity(0, {cpus}); import thread_digest; thread_digest.main()")
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.strip())
    assert len(digests) == 1


NATIVE = "neuro4d.kernels._native"
OTHERS = {
    "a module without a manifest": f"types.ModuleType({NATIVE!r})",
    "another interface": "types.SimpleNamespace(manifest=lambda: {'abi': -1, 'limits': {'ports': 64, 'batch_axes': 6}})",
    "an enumeration in another order": (
        "types.SimpleNamespace(manifest=lambda: {'abi': load._ABI, 'cells': [], 'receptors': [], 'limits': {'ports': 64, 'batch_axes': 6},"
        " 'enumerations': {'weight_kinds': ['edge', 'source', 'one']}})"
    ),
    "unknown limits": "types.SimpleNamespace(manifest=lambda: {'abi': load._ABI, 'limits': {}})",
}
ASKING = f"""
import json, sys, types
import neuro4d.kernels._native_load as load

said = {{{{}}}}

def ask(case):
    load.load.cache_clear()
    said[case] = load.native_available(), repr(load.native_limits()), load.native_status()

sys.modules[{NATIVE!r}] = None
ask("absent")
sys.modules["neuro4d.kernels._native_missing"] = types.SimpleNamespace(WHY="the compiler was on holiday")
ask("explained")
for case, module in {{others}}.items():
    sys.modules[{NATIVE!r}] = eval(module)
    ask(case)
del sys.modules[{NATIVE!r}], sys.modules["neuro4d.kernels._native_missing"]
load.deliver_native = lambda *operands: (operands[-1], None, None)
ask("counts wrong")
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said():
    """What a process without handlers of its own says of others: whether they serve, their limits, and the status; by case."""
    done = python(ASKING.format(others=OTHERS))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_the_extension_the_status_says_why(said):
    available, limits, status = said["absent"]
    assert not available and limits == "None"
    assert "not in use" in status and "plain XLA serves" in status


@pytest.mark.parametrize("case", OTHERS)
def test_a_module_of_another_version_is_not_used(said, case):
    available, limits, status = said[case]
    assert not available and limits == "None"
    assert "another version" in status and "pip install" in status


@needs_native
def test_limits_are_those_of_the_handlers():
    assert native_limits() == NativeLimits(ports=64, batch_axes=6)


def test_the_reason_that_the_installation_wrote_down_is_said(said):
    status = said["explained"][2]
    assert "the compiler was on holiday" in status and "plain XLA serves" in status


def test_a_handler_that_counts_wrong_is_not_used(said):
    available, _, status = said["counts wrong"]
    assert not available and ("self-test failed" in status or "not part" in status)


@pytest.mark.full
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the sanitizers of GCC on Linux")
@pytest.mark.skipif(None in map(shutil.which, ("cmake", "g++")), reason="needs cmake and g++")
@pytest.mark.skipif(importlib.util.find_spec("nanobind") is None, reason="needs nanobind")
def test_under_address_and_undefined_behaviour_sanitizers(tmp_path):
    """The tests of the handlers with a build that checks every access.

    By hand:

        cmake -S . -B build-sanitize -DN4_SANITIZE=address && cmake --build build-sanitize
        LD_PRELOAD=$(g++ -print-file-name=libasan.so):$(g++ -print-file-name=libubsan.so) ASAN_OPTIONS=detect_leaks=0 \\
          NEURO4D_TEST_NATIVE=build-sanitize python -m pytest tests/kernels -m 'not slow'
    """
    configure = ["cmake", "-S", str(ROOT), "-B", str(tmp_path), "-DN4_SANITIZE=address", f"-DPython_EXECUTABLE={sys.executable}"]
    for command in (configure, ["cmake", "--build", str(tmp_path), "--parallel", "2"]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    libraries = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    code = (
        "import sys, pytest; sys.exit(pytest.main(["
        f"{str(HERE / 'test_deliver_native.py')!r}, {str(HERE / 'test_native_steps.py')!r}, '-q', '-p', 'no:cacheprovider', '-p', 'no:xdist', '-x']))"
    )
    done = python(code, LD_PRELOAD=":".join(libraries), ASAN_OPTIONS="detect_leaks=0", NEURO4D_TEST_NATIVE=str(tmp_path))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout.splitlines()[-1]
