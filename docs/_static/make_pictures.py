"""Makes the pictures of the README and of these pages from the code that is printed there: `python docs/_static/make_pictures.py`."""

import contextlib
import re
import sys
import tempfile
from pathlib import Path

import brainunit as u
import jax.random as jr
import matplotlib.pyplot as plt

import neuro4d as n4

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def printed(page: str, most: int | None = None) -> dict:
    """Runs the first `most` blocks of Python of a page, and returns the names that they leave."""
    names: dict = {}
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks[:most]):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    plt.close("all")
    return names


def save(figure, name: str) -> None:
    figure.savefig(HERE / name, dpi=110)
    plt.close("all")
    print(f"written: {name}")


def one_step() -> None:
    """The chain of the page "One step": a spike, the conductance that it causes, the potential that follows."""
    names = printed("docs/explain/one-step.md", 1)
    v, g = names["v"][:20], names["g"][:20]
    time = [(step + 1) * 0.1 for step in range(20)]
    figure, axes = plt.subplots(3, 1, figsize=(7, 4), sharex=True, layout="constrained", height_ratios=[0.5, 1, 1])
    axes[0].vlines([1.0], 0, 1, color="#222222")
    axes[0].set(yticks=[], ylabel="source")
    axes[1].plot(time, g[:, 0], "o-", color="#4a78a8", ms=4, lw=0.8)
    axes[1].set_ylabel("g (nS)")
    axes[2].plot(time, v[:, 0], "o-", color="#c0553a", ms=4, lw=0.8)
    axes[2].set(ylabel="v (mV)", xlabel="time (ms): every dot is the end of a step", xticks=[k / 10 for k in range(1, 21)])
    for at, text, ax in ((1.0, "fired", axes[0]), (1.3, "arrives", axes[1]), (1.4, "moves", axes[2])):
        for each in axes:
            each.axvline(at, color="#cccccc", lw=0.8, zorder=0)
        ax.annotate(text, (at, 0.5), xycoords=("data", "axes fraction"), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    save(figure, "one-step.png")


def microcircuit() -> None:
    model = n4.zoo.microcircuit(0.1).build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, model.init(jr.key(0)), 1 * u.second)
    save(run.plot.layered().figure, "microcircuit.png")


def learning(names: dict) -> None:
    """The pictures of the page "Pictures", from the names that its blocks leave."""
    save(names["w"][0].figure, "weights.png")
    save(names["ax"].figure, "stdp-window.png")
    save(names["lives"][0].figure, "lifetimes.png")


def explored() -> None:
    """The page of `explore4d` as a browser shows it in the middle of the run."""
    sys.path.insert(0, str(ROOT / "tests"))
    from plot.browser import Browser, program

    if program() is None:
        print("left out: explore4d.png, no browser is installed")
        return
    run = printed("docs/howto/pictures.md", 1)["run"]
    with tempfile.TemporaryDirectory() as folder:
        page = run.plot.explore4d(path=Path(folder) / "run.html")
        browser = Browser(Path(folder) / "profile", 1180, 800)
        browser.open(page.write(Path(folder) / "run.html"))
        browser.value("explorer.seek(203)")
        browser.frames()
        (HERE / "explore4d.png").write_bytes(browser.screenshot())
        browser.close()
    print("written: explore4d.png")


if __name__ == "__main__":
    save(printed("README.md", 1)["run"].plot.raster("cells").figure, "first-network.png")
    microcircuit()
    save(printed("docs/tutorial/lattice.md")["run"].plot.view4d("v1", "m1").flat[0].figure, "lattice.png")
    one_step()
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        learning(printed("docs/howto/pictures.md"))
    explored()
