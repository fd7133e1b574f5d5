"""What is printed in the README and in the documentation works as printed there.

Blocks of Python and commands `neuro4d ...` of a page run from the first to the last, in a folder of their own, with common names.
"""

import re
import sys

import brainunit as u
import pytest
from layer_rules import ROOT

from neuro4d.cli import main

BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md") if not {"_build", "api"} & set(path.parts))


def run_page(name):
    """The names that the blocks of a page leave."""
    names = {"__name__": "__main__"}
    for number, (language, text) in enumerate(BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))):
        if language == "python":
            exec(compile(text, f"{name}, block {number}", "exec"), names)
        else:
            run_commands(text)
    return names


def run_commands(text):
    """The lines that call our command, in this process. Installing is tested by `.ci/run`; a benchmark takes minutes."""
    for line in text.splitlines():
        if line.startswith("neuro4d ") and not line.startswith("neuro4d bench"):
            words = re.findall(r'"[^"]*"|\S+', line.split("#")[0])[1:]
            assert main([word.strip('"') for word in words]) == 0, line


@pytest.fixture(autouse=True)
def settings_and_pictures_are_left_alone(monkeypatch, tmp_path):
    """A command settles cores, precision and the store of compiled programs for its process, which is here that of other tests."""
    monkeypatch.chdir(tmp_path)
    for module in ("_run", "_runs", "_cost"):
        monkeypatch.setattr(f"neuro4d.cli.{module}.prepare", lambda device, threads, precision: 1)
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.slow
def test_the_scripts_of_the_readme(monkeypatch):
    # The commands of the README install; here only its scripts run.
    monkeypatch.setattr(sys.modules[__name__], "run_commands", lambda text: None)
    names = run_page("README.md")
    # Seeds 0 to 9 spread by less than 1 Hz around 21 Hz.
    assert 18 < names["run"].rate("cells").to_decimal(u.Hz) < 24


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_page(name):
    run_page(name)


def test_pages_are_reached():
    """Every page is in a table of contents, since those are written by hand."""
    for folder in ("tutorial", "howto", "explain"):
        index = (ROOT / "docs" / folder / "index.md").read_text(encoding="utf-8")
        for path in (ROOT / "docs" / folder).glob("*.md"):
            assert path.stem == "index" or f"\n{path.stem}\n" in index, path
