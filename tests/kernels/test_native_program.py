"""n4_test (tests/kernels/native): the kernels without Python, as they are, under sanitizers, and on an emulated ARM processor.

By hand:

    cmake -S . -B build-test -DN4_MODULE=OFF -DN4_TESTS=ON && cmake --build build-test && build-test/tests/kernels/native/n4_test
    cmake -S . -B build-tsan -DN4_MODULE=OFF -DN4_TESTS=ON -DN4_SANITIZE=thread && ...
    cmake -S . -B build-arm -DN4_MODULE=OFF -DN4_TESTS=ON -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake && ...
    qemu-aarch64 -L /usr/aarch64-linux-gnu build-arm/tests/kernels/native/n4_test
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EMULATOR = ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")
SETTINGS = {
    "native": (),
    "address-sanitizers": ("-DN4_SANITIZE=address",),
    "thread-sanitizers": ("-DN4_SANITIZE=thread",),
    "aarch64": (f"-DCMAKE_TOOLCHAIN_FILE={ROOT}/cmake/aarch64-linux-gnu.cmake",),
}
pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="builds with GCC on Linux"),
    pytest.mark.skipif(None in map(shutil.which, ("cmake", "g++")), reason="needs cmake and g++"),
]


def run(command, **variables) -> str:
    done = subprocess.run([str(x) for x in command], env=os.environ | variables, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def digests(tmp_path_factory):
    """Builds and runs the program in one of the settings, once; returns what it computed, by instruction set."""
    known: dict[str, dict[str, str]] = {}

    def of(name: str) -> dict[str, str]:
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            options = ("-DN4_MODULE=OFF", "-DN4_TESTS=ON", f"-DPython_EXECUTABLE={sys.executable}", *SETTINGS[name])
            run(("cmake", "-S", ROOT, "-B", folder, *options), CXX="g++")
            run(("cmake", "--build", folder, "--parallel", "2"))
            program = folder / "tests/kernels/native/n4_test"
            printed = run((*EMULATOR, program) if name == "aarch64" else (program,), TSAN_OPTIONS="halt_on_error=1")
            assert " 0 do not hold" in printed
            known[name] = {isa: digest for digest, isa in re.findall(r"^digest (\w+) (.+)$", printed, re.M)}
        return known[name]

    return of


@pytest.mark.parametrize("setting", ["address-sanitizers", "thread-sanitizers", "aarch64"])
def test_the_bits_are_those_of_the_ordinary_program(digests, setting):
    """On every instruction set, with every access or every pair of threads watched, and on another processor."""
    if setting == "aarch64" and None in map(shutil.which, ("aarch64-linux-gnu-g++", EMULATOR[0])):
        pytest.skip("needs aarch64-linux-gnu-g++ and qemu-aarch64 (Debian: g++-aarch64-linux-gnu, qemu-user)")
    assert len(set(digests("native").values())) == 1
    assert set(digests(setting).values()) == set(digests("native").values())
