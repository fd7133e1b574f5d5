"""Several models at once: in threads of one process, and in child processes."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulate import process_runs

import neuro4d

HERE = Path(__file__).resolve().parent


def threads() -> list[str]:
    """What `process_runs.py` prints in a fresh interpreter: there the threads meet the first use of everything."""
    package = Path(neuro4d.__file__).parents[1]
    env = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(package)}
    done = subprocess.run([sys.executable, str(HERE / "process_runs.py")], env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


@pytest.mark.slow
def test_six_threads_compute_what_one_after_the_other_computes():
    one_by_one = [process_runs.digest(number) for number in range(process_runs.MODELS)]
    assert len(set(one_by_one)) == process_runs.MODELS
    assert all(not line.startswith("0") for line in one_by_one), "a silent network compares nothing"
    assert threads() == one_by_one


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", pytest.param("forkserver", marks=pytest.mark.full)])
def test_a_child_process_computes_the_same_bits(method):
    """By default with the method that every system has; the other is left to `pytest -m full tests/simulate/test_processes.py`."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    expected = process_runs.digest(1)  # this process has used JAX before the child begins
    context = multiprocessing.get_context(method)
    mine, theirs = context.Pipe(duplex=False)
    child = context.Process(target=process_runs.send, args=(1, theirs))
    child.start()
    theirs.close()
    assert mine.poll(300), "no answer"
    assert mine.recv() == expected
    child.join(60)
    assert child.exitcode == 0
