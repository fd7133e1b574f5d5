"""The page of `explore4d` without a browser: what it carries, what it refuses, and that nothing in it can do harm."""

import base64
import dataclasses
import html
import json
import re
from html.parser import HTMLParser

import brainunit as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plot.explore_runs import alive_run, placed_run

import neuro4d as n4
from neuro4d.plot import explore4d
from neuro4d.plot._page import packed
from neuro4d.recorders import SpikeRecord, WindowRecord

HARM = "</script><b>&\"'<!--<script>"


@pytest.fixture(scope="module")
def run():
    return placed_run({"e": 300, "i": 80}, (6, 5, 4, 3), (20, 40), start_step=500)


def unpacked(text):
    """Number by number, as the format is described."""
    found, value, place = [], 0, 0
    for byte in base64.b64decode(text):
        value += (byte & 127) << (7 * place)
        place += 1
        if byte < 128:
            found.append(value)
            value = place = 0
    assert place == 0
    return found


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text in each `script` and `title`."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts, self._inside = [], {"script": [], "title": []}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag in self.texts:
            self._inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag):
        self._inside = None if tag == self._inside else self._inside

    def handle_data(self, data):
        if self._inside:
            self.texts[self._inside][-1] += data


def carried(page):
    parsed = Elements(page)
    kinds = [attrs.get("type") for tag, attrs in parsed.found if tag == "script"]
    return json.loads(parsed.texts["script"][kinds.index("application/json")])


@given(st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**53)), max_size=40))
def test_numbers_are_packed_without_loss(values):
    assert unpacked(packed(np.array(values, np.int64))) == values


def test_small_numbers_take_a_byte():
    assert len(base64.b64decode(packed(np.arange(128)))) == 128
    assert len(base64.b64decode(packed(np.arange(128, 16384)))) == 2 * (16384 - 128)


def test_the_page_carries_every_spike_and_site(run):
    page = explore4d(run)
    data = carried(page.html)
    assert [(each["name"], each["n"]) for each in data["populations"]] == [("e", 300), ("i", 80)]
    assert (data["dt"], data["start"], data["steps"], data["axes"], data["shape"]) == (1.0, 500, 200, ["x", "y", "z", "w"], [6, 5, 4, 3])
    events = np.cumsum(unpacked(data["events"]))
    step, neuron = events // 380 + 500, events % 380
    e, i = run.spikes("e"), run.spikes("i")
    expected = sorted([*zip(e.step.tolist(), e.id.tolist(), strict=True), *zip(i.step.tolist(), (i.id + 300).tolist(), strict=True)])
    assert list(zip(step.tolist(), neuron.tolist(), strict=True)) == expected
    assert data["spikes"] == page.spikes == len(expected) > 500 and page.neurons == 380
    sites = np.concatenate([run.model.coordinates("e"), run.model.coordinates("i")])
    np.testing.assert_array_equal(np.reshape(unpacked(data["sites"]), (380, 4)), sites)


def test_a_part_of_a_run(run):
    data = carried(explore4d(run, "i", between=(550 * u.ms, None), title="late").html)
    late = run.spikes("i").between(550 * u.ms, None)
    assert (data["start"], data["steps"], data["spikes"], data["title"]) == (550, 150, len(late), "late")
    assert [each["name"] for each in data["populations"]] == ["i"]


def test_names_cannot_do_harm():
    run = placed_run({HARM: 20}, (2, 2, 2, 2), (20,), axes=("x", HARM, "z", "w"))
    page = explore4d(run)
    parsed = Elements(page.html)
    tags = [tag for tag, _ in parsed.found]
    assert tags.count("script") == 2 and "b" not in tags and parsed.texts["title"] == [HARM]
    data = carried(page.html)
    assert data["populations"][0]["name"] == data["title"] == data["axes"][1] == HARM
    frame = Elements(page._repr_html_()).found
    assert [tag for tag, _ in frame] == ["iframe"]
    assert frame[0][1]["srcdoc"] == page.html and frame[0][1]["sandbox"] == "allow-scripts"


def test_the_page_asks_no_network_for_anything(run):
    text = explore4d(run).html
    assert "default-src 'none'" in text and not re.search(r"https?:|//[a-z]+\.|@import|url\(|\bfetch\(|XMLHttpRequest|innerHTML|\beval\(", text)
    assert all(attrs.get("href", "data:,") == "data:," and "src" not in attrs for _, attrs in Elements(text).found)


def test_scripts_share_no_name(run):
    """They are put one after the other, where the second function of a name would replace the first in silence."""
    names = re.findall(r"^(?:function|const|let) (\w+)", explore4d(run).html, re.MULTILINE)
    assert len(names) > 40 and len(names) == len(set(names))


def test_the_file_is_written_whole(run, tmp_path):
    page = explore4d(run, path=tmp_path / "run.html")
    assert (tmp_path / "run.html").read_text(encoding="utf-8") == page.html
    assert [each.name for each in tmp_path.iterdir()] == ["run.html"]
    assert page.write(str(tmp_path / "again.htm")).exists()
    assert repr(page).startswith("Explorer(380 neurons, ") and html.escape(page.title) in page._repr_html_()
    with pytest.raises(ValueError, match=r"ends in `.html`.*got '.*run.png'"):
        explore4d(run, path=tmp_path / "run.png")
    with pytest.raises(FileNotFoundError, match="no folder"):
        page.write(tmp_path / "nowhere" / "run.html")
    with pytest.raises(TypeError, match="is written to a path"):
        explore4d(run, path=3)


def test_runs_give_it_too(run):
    assert run.plot.explore4d("e").html == explore4d(run, "e").html


def test_what_cannot_be_explored_says_why(run):
    with pytest.raises(ValueError, match=r"[\d,]+ spikes of 380 neurons make a page of 0.0\d+ MB or more, and most_mb is 0.01: .*between=.*most_mb=") as found:
        explore4d(run, most_mb=0.01)
    assert f"{len(run.spikes('e')) + len(run.spikes('i')):,} spikes" in str(found.value)
    with pytest.raises(ValueError, match="most_mb"):
        explore4d(run, most_mb=0)
    with pytest.raises(KeyError, match="no population named 'x'"):
        explore4d(run, "x")
    with pytest.raises(TypeError, match="title"):
        explore4d(run, title=3)
    with pytest.raises(TypeError, match="pair of times"):
        explore4d(run, between=5 * u.ms)
    with pytest.raises(n4.UnitError, match="between"):
        explore4d(run, between=(500, 600))
    with pytest.raises(ValueError, match="window inside"):
        explore4d(run, between=(0 * u.ms, 600 * u.ms))
    with pytest.raises(ValueError, match="no lattice"):
        explore4d(dataclasses.replace(run, model=dataclasses.replace(run.model, lattice_shape=None, places={})))
    with pytest.raises(ValueError, match="nothing to explore: 3 neurons in 0 steps"):
        explore4d(placed_run({"e": 3}, (2, 2), (20,), steps=0))


def test_spikes_over_different_times_are_refused(run):
    words, (e, i) = run.records["spikes"].packed["lif"], run.records["spikes"].spans
    parts = {"spikes": SpikeRecord({"lif": words}, (e,)), "window": WindowRecord({"lif": words[50:]}, (i,))}
    mixed = dataclasses.replace(run, records=parts)
    with pytest.raises(ValueError, match=r"'e' 500 to 700 ms; 'i' 550 to 700 ms.*between="):
        explore4d(mixed)
    assert carried(explore4d(mixed, between=(550 * u.ms, None)).html)["steps"] == 150


@pytest.mark.parametrize("begin", [0, 10, 70, 185])
def test_the_living_at_any_time(begin):
    """Replayed from the page, against the last sample at that time; before the first sample, against the first."""
    run, rows = alive_run()
    window = (None, None) if begin == 0 else ((500 + begin) * u.ms, None)
    data = carried(explore4d(run, alive="alive", between=window).html)
    keys = np.cumsum(unpacked(data["flips"])).astype(int)
    for now in range(200 - begin + 1):
        lives = np.ones(38, bool)
        for key in keys[keys // 38 <= now]:
            lives[key % 38] ^= True
        sample = max(0, (now + begin) // 20 - 1)
        np.testing.assert_array_equal(lives, np.concatenate([rows[sample], np.ones(8, bool)]))
    assert unpacked(carried(explore4d(run).html)["flips"]) == []


def test_lives_that_were_not_recorded(run):
    with pytest.raises(KeyError, match=r"no record named 'lives'.*state\.alive"):
        explore4d(run, alive="lives")
    with pytest.raises(TypeError, match="not one of"):
        explore4d(run, alive="spikes")


@pytest.mark.parametrize("shape", [(12,), (6, 5), (6, 5, 3), (3, 2, 2, 2, 2)])
def test_any_number_of_axes(shape):
    names = ("x", "y", "z", "w", "x4")
    data = carried(explore4d(placed_run({"e": 30}, shape, (20,), axes=names)).html)
    assert data["axes"] == list(names[: len(shape)]) and data["shape"] == list(shape)
