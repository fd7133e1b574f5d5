"""Whether the compiled handlers serve on this machine, and why not if they do not.

A handler that XLA refuses while a backend starts takes the whole backend down, so nothing is registered at import: the
first question asked here starts the CPU backend, registers the handlers, runs one small delivery and compares it with
the sums done by hand. Any surprise on that way means that plain XLA serves instead.
"""

import functools
import importlib
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np

from neuro4d._base import n_cores
from neuro4d.kernels._call import BATCH_AXES
from neuro4d.kernels._manifest import NativeLimits, NativeManifest, read_manifest
from neuro4d.kernels._native_deliver import deliver_native

_ABI = 11  # kAbi in src/module.cc
_AGAIN = "install neuro4d again: pip install -v --force-reinstall --no-deps ."


class Native(NamedTuple):
    """The outcome of loading: the extension module or `None`, and one sentence that says why."""

    module: ModuleType | None
    status: str
    manifest: NativeManifest | None = None


def native_available() -> bool:
    """Whether the compiled CPU handlers are loaded, registered and proven on this machine.

    Starts JAX's CPU backend when asked for the first time. May be asked while a function is traced.

    !!! Example

        >>> from neuro4d.kernels import native_available
        >>> native_available() in (True, False)
        True
    """
    return load().module is not None


def native_status() -> str:
    """One sentence for people: what serves on the CPU and why.

    !!! Example

        >>> from neuro4d.kernels import native_status
        >>> native_status().startswith("CPU handlers")
        True
    """
    return load().status


def native_limits() -> NativeLimits | None:
    """How much one native call serves, as the handlers themselves say; `None` where they do not serve.

    !!! Example

        >>> from neuro4d.kernels import native_available, native_limits
        >>> native_available() == (native_limits() is not None)
        True
    """
    manifest = load().manifest
    return None if manifest is None else manifest.limits


def native_manifest() -> NativeManifest:
    """The cells and receptors that the handlers know.

    **Raises:** `RuntimeError` where they do not serve.
    """
    manifest = load().manifest
    if manifest is None:
        raise RuntimeError(f"there are no native kernels here: {native_status()}")
    return manifest


def module() -> Any:
    """The extension, for plain calls.

    **Raises:** `RuntimeError` where there is none: ask `native_available()` first.
    """
    found = load()
    if found.module is None:
        raise RuntimeError(f"there are no native kernels here: {found.status}")
    return found.module


@functools.cache
def load() -> Native:
    """Load, register and prove the handlers once for the life of the process."""
    try:
        module = importlib.import_module("neuro4d.kernels._native")
    except ModuleNotFoundError:
        return _unused(_why_not_built())
    except ImportError as error:
        return _unused(f"the extension does not load: {error}")
    try:
        manifest = _read(module)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return _unused(f"the extension belongs to another version of neuro4d ({_first_line(error)}); {_AGAIN}")
    try:
        _register(module)
    except Exception as error:  # whatever XLA or the platform objects to, plain XLA still works
        return _unused(f"XLA refuses them: {_first_line(error)}")
    try:
        wrong = _self_test()
    except Exception as error:
        wrong = _first_line(error)
    if wrong:
        return _unused(f"the self-test failed: {wrong}")
    return Native(module, f"CPU handlers in use ({module.isa()} instructions, {_threads()}).", manifest)


def _unused(why: str) -> Native:
    return Native(None, f"CPU handlers not in use, {why}; plain XLA serves.")


def _why_not_built() -> str:
    """What the installation wrote down, for those who have to find out why there is no extension."""
    try:
        missing = importlib.import_module("neuro4d.kernels._native_missing")
    except ModuleNotFoundError:
        return f"they are not part of this installation; to build them, {_AGAIN}"
    return f"they were not built when neuro4d was installed: {missing.WHY}"


def _read(module: ModuleType) -> NativeManifest:
    raw = module.manifest()
    if raw["abi"] != _ABI:
        raise ValueError(f"expected interface {_ABI}, got {raw['abi']}")
    manifest = read_manifest(raw)
    if manifest.limits.batch_axes != BATCH_AXES:
        raise ValueError(f"expected {BATCH_AXES} batch axes, got {manifest.limits.batch_axes}")
    return manifest


def _register(module: ModuleType) -> None:
    jax.local_devices(backend="cpu")  # the backend must have started before the first registration
    for name, capsule in module.handlers().items():
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")


def _self_test() -> str:
    """Two sources, two delays, four edges. Returns what is wrong, or an empty string."""
    operands = (
        np.uint32(2),
        np.array([1, 2], np.int32),
        np.array([[1, 0], [0, 1]], np.int32),
        np.array([2, 1], np.int32),
        np.array([[0, 0], [2, 0]], np.uint32),
        np.array([[0, 1, 2], [0, 1, 2]], np.uint32),
        np.array([0, 2, 1, 2], np.uint16),
        np.array([0.5, 1.25, 2.0, 4.0], np.float32),
        np.array([[1.0, 1.0, 1.0]], np.float32),
    )
    cpu = jax.local_devices(backend="cpu")[0]
    with jax.ensure_compile_time_eval(), jax.default_device(cpu):
        acc = np.asarray(jax.jit(deliver_native)(*operands)[0])
    # step 2: delay 1 reads row 1 (source 0: edge 0), delay 2 reads row 0 (source 1 is first there: edges 3 and 1)
    expected = np.array([[1.5, 1.0, 6.25]], np.float32)
    return "" if np.array_equal(acc, expected) else f"expected {expected.tolist()}, got {acc.tolist()}"


def _threads() -> str:
    n = n_cores()  # XLA sizes its pool by it
    return "1 thread" if n == 1 else f"{n} threads"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
