"""What the repository says about itself is consistent."""

import importlib.metadata
import re
import tomllib

import pytest
from layer_rules import ROOT

import neuro4d


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_version_everywhere():
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert neuro4d.__version__ == version
    assert re.search(r"^version: (.+)$", text("CITATION.cff"), re.MULTILINE)[1] == version
    assert re.findall(r"^## \[(\d.*?)\]", text("CHANGELOG.md"), re.MULTILINE)[0] == version


def test_requirements_have_no_upper_bound():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    assert not [line for group in groups for line in group if re.search(r"<|==|~=", line)]


def test_torch_is_never_pulled_in():
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("torch")


def test_readme_has_two_commands_of_one_line():
    commands = re.findall(r"^```bash\n(.*?)\n```$", text("README.md"), re.MULTILINE | re.DOTALL)
    assert len(commands) == 2
    assert all("\n" not in command and command.startswith("python3 -m venv .venv && ") for command in commands)
    assert "neuro4d run microcircuit" in commands[0]
    assert "pytest" in commands[1]


def test_links_in_the_texts_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text(name)) if "://" not in target]
        assert all((ROOT / target).exists() for target in targets), name


def test_the_native_part_is_optional():
    """Without a compiler the build is repeated as a pure Python wheel."""
    build = tomllib.loads(text("pyproject.toml"))["tool"]["scikit-build"]
    (again,) = [each for each in build["overrides"] if each["if"] == {"failed": True}]
    assert again["wheel"]["cmake"] is False
    assert "plain XLA serves" in again["messages"]["after-success"]
    assert any("pip install -v" in each["template"] for each in again["generate"])
