"""The page of `explore4d` in a real browser: it plays, slices, turns, answers, and stays silent on the console."""

import io

import matplotlib.image
import numpy as np
import pytest
from plot.browser import Browser, program
from plot.explore_runs import alive_run, placed_run

from neuro4d.plot import explore4d

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(program() is None, reason="no browser is installed: apt-get install chromium"),
]

SHAPE, SIZES = (20, 20, 12, 6), {"v1": 7000, "</script><b>": 2000, "inhibitory": 1000}
FRAMES_PER_SECOND = 20


@pytest.fixture(scope="module")
def run():
    """10,000 neurons, 1 s, about 170,000 spikes."""
    return placed_run(SIZES, SHAPE, (15, 15, 35), steps=1000)


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    where = tmp_path_factory.mktemp("page")
    explore4d(run, path=where / "run.html")
    return where


@pytest.fixture(scope="module")
def browser(folder):
    found = Browser(folder / "profile")
    yield found
    found.close()


@pytest.fixture
def page(browser, folder):
    """The page as it is when it is opened; in the end the console has to be empty."""
    browser.open(folder / "run.html")
    browser.frames()
    yield browser
    assert browser.complaints() == []


def text(page, selector):
    return page.value(f"document.querySelector({selector!r})?.textContent")


def choose(page, label, value):
    page.value(
        f"(() => {{ const list = document.querySelector('[aria-label=\"{label}\"]'); list.value = '{value}'; list.dispatchEvent(new Event('change')); }})()"
    )
    page.frames()


def pixels(page):
    return matplotlib.image.imread(io.BytesIO(page.screenshot()), format="png")[..., :3]


def sites(run):
    return np.concatenate([run.model.coordinates(name) for name in SIZES])


def frame_rates(page):
    """Frames per second, second by second, until one is fast enough: the slower ones may belong to other processes. At most ten."""
    count = "new Promise((done) => { const begin = performance.now(), first = explorer.drawn.frames; setTimeout(() => done([explorer.drawn.frames - first, performance.now() - begin]), 1000); })"
    found = []
    while len(found) < 10 and max(found, default=0) < FRAMES_PER_SECOND:
        frames, ms = page.value(count)
        found.append(1000 * frames / ms)
    return found


def test_it_plays_fast_enough(page, folder):
    assert (folder / "run.html").stat().st_size < 20e6
    page.key(" ")
    rates = frame_rates(page)
    assert rates[-1] >= FRAMES_PER_SECOND, rates
    assert 20 < page.value("explorer.view.time") < 1000
    page.key(" ")
    page.frames()
    stopped = page.value("explorer.view.time")
    page.frames(3)
    assert page.value("explorer.view.time") == stopped and text(page, "#play").endswith("Play")


def test_what_is_carried_arrives(page, run):
    counts = np.concatenate([run.spikes(name).counts() for name in SIZES])
    assert page.value("Array.from(explorer.run.counts)") == counts.tolist()
    assert page.value("Array.from(explorer.run.site)") == sites(run).reshape(-1).tolist()
    assert page.value("explorer.run.step.every((step, index, all) => !index || all[index - 1] <= step)")
    assert text(page, "#title") == ", ".join(SIZES) and page.value("document.querySelectorAll('b').length") == 0


def test_neurons_light_up_with_their_spikes(page, run):
    """At 500 ms with a trail of 20: those with a stamp from 481 to 500, counted from the tables."""
    choose(page, "trail", 20)
    page.value("explorer.seek(500)")
    page.frames()
    tables = [run.spikes(name) for name in SIZES]
    fired = sum(len(np.unique(table.id[(table.step + 1 > 480) & (table.step + 1 <= 500)])) for table in tables)
    assert page.value("explorer.drawn.active") == fired > 1000
    assert text(page, "#shown") == f"10,000 neurons, {fired:,} fired in the last 20 ms"


def test_slices_show_the_neurons_of_a_slice(page, run):
    places = sites(run)
    assert text(page, "#shown").startswith("10,000 neurons")
    choose(page, "how w is shown", "slice")
    page.value("(() => { const slider = document.querySelector('[aria-label=\"slice of w\"]'); slider.value = 4; slider.dispatchEvent(new Event('input')); })()")
    page.frames()
    left = (places[:, 3] == 4).sum()
    assert 1000 < left < 2500 and text(page, "#shown").startswith(f"{left:,} of 10,000 neurons")
    # Two axes on screen, z and w cut: what is drawn is one slice of both.
    choose(page, "axis depth", -1)
    choose(page, "how z is shown", "slice")
    at = page.value("explorer.view.others[2].at")
    left = ((places[:, 3] == 4) & (places[:, 2] == at)).sum()
    assert text(page, "#shown").startswith(f"{left:,} of 10,000 neurons")
    # Another axis to the front: x and w change places, so that nothing of w is cut any more.
    choose(page, "axis right", 3)
    left = (places[:, 2] == at).sum()
    assert page.value("explorer.view.screen") == [3, 1, -1] and text(page, "#shown").startswith(f"{left:,} of 10,000 neurons")
    # Hidden populations are gone too.
    page.value("document.querySelector('.population').click()")
    page.frames()
    rest = places[len(run.model.coordinates("v1")) :]
    assert text(page, "#shown").startswith(f"{(rest[:, 2] == at).sum():,} of 10,000 neurons")


def test_a_neuron_under_the_pointer_says_who_it_is(page, run):
    """The foremost of those within reach of the pointer; by its own name it says its place and its spikes."""
    spot = page.value("(() => { const bounds = document.getElementById('scene').getBoundingClientRect(), at = explorer.where(9500); return [bounds.x + at.x, bounds.y + at.y]; })()")
    page.mouse("mouseMoved", *spot)
    page.frames()
    neuron = page.value("explorer.view.hover")
    names = np.repeat(list(SIZES), list(SIZES.values()))
    pop, index = names[neuron], neuron - int(np.flatnonzero(names == names[neuron])[0])
    x, y, z, w = run.model.coordinates(pop)[index]
    count = int(run.spikes(pop).counts()[index])
    said = text(page, "#tip")
    assert said.startswith(f"{pop} neuron {index}x {x}, y {y}, z {z}, w {w}{count} spike") and f", {count} Hz" in said
    assert not page.value("document.getElementById('tip').hidden")
    page.click(*spot)
    page.frames()
    assert text(page, "#pinned").startswith(f"Neuron{pop} neuron {index}")
    page.mouse("mouseMoved", 5, 5)
    page.frames()
    assert page.value("document.getElementById('tip').hidden")


def test_dragging_turns_and_scrubs(page):
    before = page.value("[explorer.view.yaw, explorer.view.pitch]")
    page.drag((300, 300), (360, 280))
    after = page.value("[explorer.view.yaw, explorer.view.pitch]")
    assert after[0] - before[0] == pytest.approx(60 * 0.008) and after[1] - before[1] == pytest.approx(-20 * 0.008)
    left, right, y = page.value("(() => { const b = document.getElementById('strip').getBoundingClientRect(); return [b.left + 52, b.right - 14, b.top + 40]; })()")
    page.drag((left + 10, y), ((left + right) / 2, y))
    page.frames()
    assert page.value("explorer.view.time") == pytest.approx(500, abs=2) and text(page, "#clock") == f"{page.value('explorer.view.time'):.0f} ms"


def test_keys(page):
    read = "[explorer.view.time, explorer.view.colour, explorer.view.quiet, explorer.view.speed, explorer.view.trail]"
    time, colour, quiet, speed, trail = page.value(read)
    assert (colour, quiet) == ("population", True)
    for key in ("c", "q", "ArrowRight", "ArrowUp", "]"):
        page.key(key)
    page.frames()
    assert page.value(read) == [time + 1, "rate", False, 2 * speed, 2 * trail]
    yaw = page.value("explorer.view.yaw")
    page.key("t")
    page.frames(6)
    page.key("t")
    turned = page.value("explorer.view.yaw")
    page.frames(3)
    assert yaw < turned < yaw + 1 and page.value("explorer.view.yaw") == turned
    page.key("End")
    assert page.value("explorer.view.time") == 1000
    page.key("Home")
    page.key(">")
    page.key(">")
    page.frames()
    assert page.value("explorer.view.time") == 0 and page.value("explorer.view.others[3]") == {"mode": "slice", "at": 4}


def test_only_the_living_are_drawn(browser, tmp_path):
    """Forwards and backwards in time; quiet ones too."""
    run, rows = alive_run()
    explore4d(run, alive="alive", path=tmp_path / "alive.html")
    browser.open(tmp_path / "alive.html")
    for sample in (0, 4, 9, 2):
        browser.value(f"explorer.seek({520 + 20 * sample})")
        browser.frames()
        assert text(browser, "#shown").startswith(f"{rows[sample].sum() + 8} of 38 neurons")
    assert browser.complaints() == []


def test_the_picture_is_not_blank(page):
    """More than a thirtieth of the scene is not white, it has many colours, and it changes when time does."""
    page.value("explorer.seek(400)")
    page.frames()
    first = pixels(page)[60:600, 20:800]
    inked = (first < 0.97).any(axis=2)
    assert inked.mean() > 1 / 30 and len(np.unique((first * 255).astype(int).reshape(-1, 3), axis=0)) > 200
    page.value("explorer.seek(700)")
    page.frames()
    assert (np.abs(pixels(page)[60:600, 20:800] - first) > 0.05).any(axis=2).mean() > 1 / 300


def test_a_notebook_shows_it_in_a_frame(browser, run, tmp_path):
    """In a frame of its own origin, as `_repr_html_` gives it."""
    (tmp_path / "notebook.html").write_text(f"<!doctype html><meta charset=utf-8>{explore4d(run, 'inhibitory')._repr_html_()}", encoding="utf-8")
    browser.open(tmp_path / "notebook.html")
    browser.frames(10)
    inside = pixels(browser)[80:500, 40:700]
    assert (inside < 0.97).any(axis=2).mean() > 1 / 100
    assert browser.complaints() == []
