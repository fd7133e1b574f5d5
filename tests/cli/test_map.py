"""`neuro4d map`: what it prints and writes is what the functions give."""

import json

import pytest

from neuro4d.cli import main


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """One run, with both files: exit code, output, folder."""
    folder = tmp_path_factory.mktemp("map")
    args = [
        "map",
        "coba",
        "--scale",
        "0.05",
        "--duration",
        "20 ms",
        "--target",
        "truenorth",
        "--partition",
        "sequential",
        "--method",
        "spectral",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neuro4d.cli._cost.prepare", lambda device, threads, precision: 1)
        lines = []
        patch.setattr("builtins.print", lambda *text, **_: lines.append(" ".join(map(str, text))))
        code = main([*args, "--json", str(folder / "placed.json"), "--plot", str(folder / "map.svg"), "--no-progress"])
    return code, "\n".join(lines), folder


def test_it_prints_what_passes_did(mapped):
    code, said, _ = mapped
    assert code == 0
    for text in (
        "TrueNorth",
        "partition (sequential)",
        "place (spectral)",
        "hops",
        "axons_in of the fullest",
        "free of deadlock",
        "yes",
        "over the busiest link",
    ):
        assert text in said


def test_it_writes_a_placement_and_a_picture(mapped):
    _, said, folder = mapped
    content = json.loads((folder / "placed.json").read_text())
    assert content["target"]["name"] == "truenorth" and content["populations"] == [{"name": "cells", "first": 0, "n": 200}]
    assert [each["name"] for each in content["changes"]] == ["partition (sequential)", "place (spectral)"]
    cores = len(content["site"])
    assert f"{cores} of 4,096 on 1 chip" in said
    hops = content["changes"][1]["after"]["hops"]
    assert f"{hops:,.4g}" in said and sum(content["routes"]["load"]) <= hops * (1 + 1e-9)
    assert b"<svg" in (folder / "map.svg").read_bytes()[:500]
    assert sorted(each.name for each in folder.iterdir()) == ["map.svg", "placed.json"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nothing",), "no network named 'nothing'"),
        (("coba", "--target", "loihi3"), "Did you mean 'loihi"),
        (("coba", "--target", "cpu"), "a processor has no cores to fill"),
        (("coba", "--duration", "5 ms"), "bins of 10 ms"),
        (("coba", "--json", "absent/placed.json"), "--json names a file in a folder that is there"),
        (("coba", "--plot", "."), "--plot names a file"),
        (("coba", "--plot", "map.doc"), "--plot: no picture of the kind 'doc'"),
        (("coba", "--method", "best"), "spectral"),
        (("coba", "--scale", "-1"), "`scale` must be positive"),
        (("coba", "--scale", "0.001"), "below `scale=0.02` there are fewer neurons than synapses"),
        (("coba", "--scale", "0.05", "--partition", "lattice"), "--partition lattice follows the places of neurons"),
    ],
)
def test_mistakes_are_found_before_anything_is_simulated(args, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("neuro4d.cli._cost.prepare", lambda device, threads, precision: 1)
    monkeypatch.setattr("neuro4d.cli._cost.simulate", None)
    try:
        code = main(["map", *args])
    except SystemExit as stop:
        code = stop.code
    error = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert code == 2 and said in error and "Traceback" not in error
    assert not any(tmp_path.iterdir())


def test_a_picture_needs_matplotlib(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("neuro4d.cli._map.find_spec", lambda name: None)
    assert main(["map", "coba", "--plot", str(tmp_path / "map.png")]) == 2
    assert "pip install 'neuro4d[plot]'" in capsys.readouterr().err
