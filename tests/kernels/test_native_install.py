"""What an installation without kernels says about itself."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="the compilers here are shell scripts")


def compiler(folder: Path, line: str) -> str:
    """A compiler that does what one line of shell says."""
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return str(path)


@posix
@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
@pytest.mark.parametrize("case", ["none", "broken"])
def test_the_build_writes_down_why_there_is_no_extension(tmp_path, case):
    cxx = "/nonexistent" if case == "none" else compiler(tmp_path, "exit 1")
    expected = f"no C++ compiler was found: CXX names {cxx}" if case == "none" else f"the C++ compiler {cxx} cannot compile an empty program"
    command = ["cmake", "-S", str(ROOT), "-B", str(tmp_path / "build"), f"-DPython_EXECUTABLE={sys.executable}"]
    configured = subprocess.run(command, env=os.environ | {"CXX": cxx}, capture_output=True, text=True)
    assert configured.returncode == 0 and f"neuro4d: {expected}" in configured.stdout, configured.stdout + configured.stderr
    subprocess.run(["cmake", "--install", str(tmp_path / "build"), "--prefix", str(tmp_path / "to")], check=True, capture_output=True)
    assert f'WHY = "{expected}"' in (tmp_path / "to/neuro4d/kernels/_native_missing.py").read_text()


@posix
@pytest.mark.skipif(importlib.util.find_spec("scikit_build_core") is None, reason="needs scikit-build-core")
@pytest.mark.skipif(None in map(shutil.which, ("cmake", "ninja", "c++")), reason="needs cmake, ninja and a compiler")
def test_a_wheel_whose_compilation_failed_says_so(tmp_path):
    cxx = compiler(tmp_path, 'case "$*" in *kernels/src*) exit 1;; esac; exec c++ "$@"')
    code = f"import scikit_build_core.build as b; b.build_wheel({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"CXX": cxx}, capture_output=True, text=True)
    assert done.returncode == 0 and "compiling its CPU handlers failed" in done.stdout, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        assert wheel.name.endswith("none-any.whl")
        assert "compiling them failed" in files.read("neuro4d/kernels/_native_missing.py").decode()
