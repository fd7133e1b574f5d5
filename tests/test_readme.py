"""The script of the README works as printed there."""

import re

import brainunit as u
import pytest
from layer_rules import ROOT


@pytest.mark.slow
def test_the_script_of_the_readme(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    script = re.search(r"<!-- script -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    names = {}
    exec(compile(script, "README.md", "exec"), names)
    # Seeds 0 to 9 spread by less than 1 Hz around 21 Hz.
    assert 18 < names["run"].rate("cells").to_decimal(u.Hz) < 24
