"""Makes `docs/benchmarks.md` and its pictures from the files in `benchmarks/results/`.

    python benchmarks/report.py [--results DIR] [--docs DIR] [--allow-quick]

The files come from `neuro4d bench NAME --json benchmarks/results/NAME.json`. Nothing on the page is written by hand: what has no
file is not on it. Quick results are refused, because they say nothing about speed.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = ("cuba", "coba", "coba-full", "cobahh", "brunel", "microcircuit", "microcircuit-full")
TITLES = {
    "networks": "Published networks, next to other simulators",
    "cuba": "CUBA",
    "coba": "COBA",
    "coba-full": "COBA, with 100 million synapses as well",
    "cobahh": "COBAHH",
    "brunel": "Brunel's network",
    "microcircuit": "Cortical microcircuit",
    "microcircuit-full": "Cortical microcircuit, full scale",
    "models": "Other neurons, receptors and stimuli",
    "seeds": "100 to 100,000 neurons",
    "ladder": "From Python loops to native kernels",
    "backends": "Plain XLA and native kernels",
    "threads": "Threads",
    "batch": "Trials in one program",
    "fixed": "The smallest step",
    "delivery": "Delivery",
    "events": "Cost follows events",
    "plasticity": "What learning costs",
    "structure": "What births, deaths and new synapses cost",
    "checkpoints": "Runs that are kept",
    "storage": "Files",
    "training": "A training step, next to snnTorch, SpikingJelly and Spyx",
    "digits": "Handwritten digits",
    "diehl_cook": "Handwritten digits without labels",
    "tuners": "What tuners of thresholds and time steps save",
    "tune": "Published networks, tuned",
    "backward": "A backward pass that follows spikes",
    "delays": "Delays that are known, found from potentials",
    "delays-spikes": "Delays that are known, found from spike times",
    "estimate": "What an estimate costs",
    "mapping": "Networks placed on chips",
    "passes": "Passes over networks on chips",
    "packets": "Packets on the way",
    "fidelity": "Spikes in the numbers of a chip",
}
TEXTS = {
    "networks": "Wall seconds per biological second at a time step of 0.1 ms; left of the dashed line a network runs faster than real time. "
    "neuro4d records the bits of all spikes; Brian2 and BrainPy count them, NEST keeps them in memory. A ratio is printed only where "
    "the rates of both simulators lie in the band of the published network. Compiling and building are not part of the time.",
    "models": "All spikes recorded, medians of seven runs of half a biological second, and the least of them. `COBA` is that of the table above with a steady drive.",
    "seeds": "Steps of 1 ms per second, all spikes recorded. The expectation in the table is that of a simulator made of Python objects.",
    "ladder": "One network of voltage-jump synapses in every row, computed in the ways in which such programs are written.",
    "backends": "COBA with 80 synapses per neuron, from 1,000 to 1,000,000 neurons.",
    "threads": "Every number of threads in processes of its own, twice. Efficiency is speed-up per thread.",
    "batch": "COBA with 4,000 neurons; every trial has its own noise and initial values.",
    "fixed": "100 neurons: what a step costs before there is any work.",
    "delivery": "Synaptic events alone, without neurons: 100 random rows per step, sums in cache.",
    "events": "The time of a step of the same neurons, as silent synapses are added, as spikes are added, and as rows grow.",
    "training": "Forward, backward and update of two hidden layers of 256 LIF neurons, 700 inputs, 20 outputs, a batch of 128, 100 steps, single precision; "
    "libraries take turns. `equal spikes` by layer in the first forward pass with shared weights; Spyx has another neuron.",
    "plasticity": "All synapses between excitatory neurons learn; all spikes recorded, medians of runs that go on from each other. The static network of the same weights is the "
    "measure of the ratio. `hpc_benchmark` is that of NEST, 11,250 neurons with as many inputs each, under a power law; NEST is measured from 100 to 300 ms, while rates are still high, so that per spike it is nearer than "
    "the times say. In plain XLA rules follow events too. The neuron of Song, Miller and Abbott is compiled to C++ by Brian2.",
    "digits": "A convolution and two full layers of spiking neurons, on images of 8 by 8 pixels: 70 % to learn from, 10 % to choose the best epoch by, 20 % looked at "
    "once. The time is that of the whole training, compilation included.",
    "structure": "102,400 places for neurons on a lattice of four axes, 100 synapses each, steps of 0.1 ms. Lives change ten times a second, synapses once. Networks take turns with "
    "the same network without events.",
    "checkpoints": "Runs of 10 s of biological time without checkpoints, with one at the end, and with one each second, in turns: what is paid once, and what each takes. By default "
    "there is one in five minutes. `synapses that learn` has their weights in each. `save` and `restore` are `n4.save` and `n4.restore` into and from an empty folder, "
    "when all is on the disk; the model is built before. A save of the microcircuit as published is bound by the disk. `spikes on disk`: what runs of 20 s with "
    "`n4.io.SpikesToDisk` take longer than with `n4.Spikes`, median of ten pairs.",
    "storage": "A model and a state, written by `n4.io.save_json` and `n4.io.save_hdf5` and read back in turns; 10 synapses for each neuron, each with its own weight. Reading "
    "builds the model, which takes the same time for both. Ratios are those to HDF5 with gzip at level 4, the default.",
    "diehl_cook": "The network of Diehl and Cook with 100 excitatory neurons, which learn by spike timing and see no label while they do. The time is that of the whole call, compilation included.",
    "tuners": "The classifier of `benchmarks/digits.py`, tuned without touching a weight, on test images that nothing was chosen by. Energy counts synaptic operations.",
    "tune": "`n4.train.tune` from several starting points. Three networks of Vogels and Abbott, 4,000 neurons, to 8 Hz within 0.3 Hz: by one threshold, by the inhibition "
    "of excitatory cells, by both thresholds of two populations. The microcircuit at scale 0.1: by eight external rates to the eight rates of the full circuit, within 4 %. "
    "Fresh trials, 16, had no part in the search.",
    "backward": "Slopes of delivery by active sources and targets alone, next to slopes over all synapses; and one whole gradient of COBA, in a process of its own.",
    "delays": "A network with delays between 2 and 15 ms teaches another one of the same edges, which sees its spikes and potentials. An edge has influence if its removal "
    "changes the potential of its target by 0.02 mV. Spikes shared with the teacher are those of networks that run freely with new input.",
    "delays-spikes": "The same from spike times alone, of a network that runs freely, with delays between the steps. An edge has influence if its source fires ten times or more.",
    "estimate": "`n4.hardware.estimate` after a run of 200 ms with windows of 10 ms: synapses are read, cores cut, limits checked, loads counted. Recording for it is what a run with "
    "`n4.Counts(every=10*u.ms)` takes more than one without recorders, medians of runs that take turns.",
    "mapping": "Messages per step times the links that they pass, each destination core counted by itself, after simulated annealing; saved against cores and neurons in their order.",
    "fidelity": "The same input to a network as it is and in the integers of a chip, at a time step of 0.1 ms: how far rates move, and how many spikes keep their time. In `leak of loihi1` nothing "
    "is rounded but the time constants of membranes.",
    "passes": "`balance`, `spread` and `cool`, each from cores filled in the order of the neurons, with the values of the target files.",
    "packets": "Delays of single steps of a run, simulated link by link and counted; all spikes of a step at its begin. COBA and lattice4d from recorded runs, the others from rates.",
}
INK, FAINT = "#333333", "#8a8a8a"
HUES = ("#3d6ea5", "#c4583f", "#5a9367", "#8e6bb0", "#c29a3c", "#6b7a8f", "#a84f79", "#3f9c9c")
STYLE = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": FAINT, "axes.labelcolor": INK,
    "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK, "text.color": INK,
    "legend.frameon": False, "svg.hashsalt": "neuro4d", "svg.fonttype": "path",
}  # fmt: skip

Result = dict[str, Any]


def load(folder: Path, allow_quick: bool) -> dict[str, Result]:
    """The results by name, in the order of the page."""
    found = {}
    for name in TITLES:
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        if result.get("format") != 1:
            raise ValueError(f"{path}: written by another version (format {result.get('format')}, expected 1); measure again.")
        if result["quick"] and not allow_quick:
            raise ValueError(f"{path}: quick results say nothing about speed; measure without --quick.")
        found[name] = result
    return found


def page(results: dict[str, Result]) -> str:
    """The page as Markdown."""
    lines = ["# Benchmarks", ""]
    lines += [
        "All figures on this page are made by `python benchmarks/report.py` from the files in `benchmarks/results/`, which hold every single",
        "timing. To measure on your machine:",
        "",
        "```bash",
        "benchmarks/peers/setup.sh                       # Brian2, NEST and BrainPy, each in an environment of its own",
        "neuro4d bench coba --peers brian2,nest,brainpy --json benchmarks/results/coba.json",
        "python benchmarks/report.py",
        "```",
        "",
        "`neuro4d bench --help` lists the others. Times are medians of several runs after a first one that is thrown away; every measurement has a process of",
        "its own. `--full` adds the full microcircuit and COBA with 100 million synapses. What is about training is measured by scripts in `benchmarks/`, whose",
        "command stands below each table; how they take their times is said there.",
        "",
    ]
    compared = [name for name in NETWORKS if name in results]
    if compared:
        lines += ["## " + TITLES["networks"], "", TEXTS["networks"], "", picture("networks", "seconds per biological second"), ""]
    for name in compared:
        lines += section(name, results[name], "###")
    for name, result in results.items():
        if name not in NETWORKS:
            lines += section(name, result, "##")
    return "\n".join(lines).rstrip() + "\n"


def picture(name: str, alt: str) -> str:
    return f"![{alt}](_static/benchmarks/{name}.svg)"


def section(name: str, result: Result, level: str) -> list[str]:
    """Heading, text, picture, table, checks, and where the figures come from."""
    lines = [f"{level} {TITLES[name]}", ""]
    lines += [TEXTS[name], ""] if name in TEXTS else []
    lines += [picture(name, TITLES[name]), ""] if name in PICTURES else []
    lines += markdown_table(result["columns"], result["rows"])
    lines += ["", *(f"{note}\n" for note in result["notes"])]
    failed = [check for check in result["checks"] if not check["ok"]]
    lines += [f"**Did not hold:** {check['what']}: {check['detail']}\n" for check in failed]
    if result["checks"] and not failed:
        lines += [f"{len(result['checks'])} checks held, among them: {result['checks'][0]['what']}.", ""]
    return [*lines, origin(result), ""]


def origin(result: Result) -> str:
    """Machine, versions, command and date in one sentence."""
    machine, versions = result["machine"], result["versions"]
    extra = f", {machine['accelerator']}" if machine.get("accelerator") else ""
    peers = sorted({f"{row['simulator'].split(',')[0]} {row['version']}" for row in result["rows"] if "version" in row})
    tools = ", ".join([f"neuro4d {versions['neuro4d']}", f"jax {versions['jax']}", *peers])
    return (
        f"*{machine['cpu']}, {machine['cores_granted']} cores, {machine['memory_gb']} GB{extra}; {tools}; "
        f"`{result['command']}`, {result['date'][:10]}.*"
    )


def markdown_table(columns: Sequence[Result], rows: Sequence[Result]) -> list[str]:
    head = "| " + " | ".join(column["title"] for column in columns) + " |"
    rule = "|" + "|".join("---:" if column["form"] else "---" for column in columns) + "|"
    body = ["| " + " | ".join(cell(row.get(column["field"]), column["form"]) for column in columns) + " |" for row in rows]
    return [head, rule, *body]


def cell(value: Any, form: str) -> str:
    return "–" if value is None else format(value, form)


def log_log(ax: Any, x: str, y: str) -> None:
    ax.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    for axis in (ax.xaxis, ax.yaxis):
        low, high = axis.get_view_interval()
        few = high / low < 100.0  # where powers of ten are rare, the numbers between them are needed
        axis.set_major_formatter(FuncFormatter(plain_number))
        axis.set_minor_formatter(FuncFormatter(between if few else nothing))
    ax.grid(True, which="major", color="#e6e6e6", linewidth=0.6)


def plain_number(value: float, _: int = 0) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def between(value: float, position: int = 0) -> str:
    """Labels for 2 and 5 only."""
    return plain_number(value, position) if f"{value:e}"[0] in "25" else ""


def nothing(value: float, position: int = 0) -> str:
    return ""


def lines_of(ax: Any, rows: Sequence[Result], key: Callable[[Result], str], x: str, y: str) -> None:
    """One line with markers for every value of `key`."""
    for hue, label in zip(HUES, dict.fromkeys(map(key, rows))):
        own = sorted((row for row in rows if key(row) == label), key=lambda row: row[x])
        ax.plot([row[x] for row in own], [row[y] for row in own], "o-", color=hue, label=label, markersize=4, linewidth=1.3)


def draw_networks(results: dict[str, Result]) -> Any:
    """Every simulator on every network, as points on a logarithmic axis."""
    rows = [row for name in NETWORKS if name in results for row in results[name]["rows"]]
    cases = list(dict.fromkeys(row["case"] for row in rows))
    names = list(dict.fromkeys(row["simulator"] for row in rows))
    figure, ax = plt.subplots(figsize=(7.2, 1.0 + 0.55 * len(cases)))
    for hue, name in zip(HUES, names):
        for marker, most in (("o", True), ("x", False)):
            own = [row for row in rows if row["simulator"] == name and (row["threads"] != 1) == most]
            y = [len(cases) - 1 - cases.index(row["case"]) - 0.09 * (names.index(name) - (len(names) - 1) / 2) for row in own]
            label = name if most else None
            ax.scatter([row["s_per_s"] for row in own], y, color=hue, marker=marker, s=26, label=label, zorder=3)
    ax.axvline(1.0, color=FAINT, linestyle="--", linewidth=0.8)
    ax.set(
        xscale="log",
        xlabel="wall seconds per biological second (dots: all cores, crosses: one)",
        yticks=range(len(cases)),
        yticklabels=cases[::-1],
        ylim=(-0.6, len(cases) - 0.4),
    )
    ax.grid(True, axis="x", color="#e6e6e6", linewidth=0.6)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_seeds(result: Result) -> Any:
    figure, ax = plt.subplots(figsize=(5.2, 3.4))
    lines_of(ax, result["rows"], lambda row: row["model"], "neurons", "steps_per_s")
    sizes = sorted({row["neurons"] for row in result["rows"]})
    promised = [float(next(row["promised"] for row in result["rows"] if row["neurons"] == n).split("-")[0].rstrip("+")) for n in sizes]
    ax.plot(sizes, promised, "s--", color=FAINT, label="expected of Python objects", markersize=4)
    log_log(ax, "neurons", "steps per second")
    ax.legend()
    return figure


def draw_ladder(result: Result) -> Any:
    rows = result["rows"][::-1]
    figure, ax = plt.subplots(figsize=(7.2, 0.8 + 0.3 * len(rows)))
    ax.barh([row["rung"] for row in rows], [row["us_per_step"] for row in rows], color=HUES[0], height=0.6)
    ax.set(xscale="log", xlabel="µs per step")
    ax.grid(True, axis="x", color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    return figure


def draw_backends(result: Result) -> Any:
    figure, ax = plt.subplots(figsize=(5.2, 3.4))
    lines_of(ax, result["rows"], lambda row: row["way"], "neurons", "us_per_step")
    log_log(ax, "neurons", "µs per step")
    ax.legend()
    return figure


def draw_threads(result: Result) -> Any:
    figure, ax = plt.subplots(figsize=(5.2, 3.4))
    rows = [row for row in result["rows"] if row["attempt"] == 0]
    lines_of(ax, rows, lambda row: row["case"], "threads", "speedup")
    most = max(row["threads"] for row in rows)
    ax.plot([1, most], [1, most], "--", color=FAINT, label="as many times as threads")
    log_log(ax, "threads", "speed-up")
    ax.legend()
    return figure


def draw_batch(result: Result) -> Any:
    figure, ax = plt.subplots(figsize=(5.2, 3.4))
    lines_of(ax, result["rows"], lambda row: "COBA, 4,000 neurons", "lanes", "us_per_trial_step")
    log_log(ax, "trials in one program", "µs per step and trial")
    return figure


def draw_events(result: Result) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.4), sharey=True)
    silent = [row for row in result["rows"] if row["series"] == "more silent synapses"]
    others = [row for row in result["rows"] if row["series"] != "more silent synapses"]
    lines_of(axes[0], silent, lambda row: "fixed spikes and rows", "synapses", "us_per_step")
    lines_of(axes[1], others, lambda row: row["series"], "events_per_step", "us_per_step")
    log_log(axes[0], "synapses", "µs per step")
    log_log(axes[1], "events per step", "")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(min(low, np.min([row["us_per_step"] for row in result["rows"]]) / 2), high * 2)
    for ax in axes:
        ax.legend()
    return figure


PICTURES: dict[str, Callable[[Result], Any]] = {
    "seeds": draw_seeds,
    "ladder": draw_ladder,
    "backends": draw_backends,
    "threads": draw_threads,
    "batch": draw_batch,
    "events": draw_events,
}


def draw(results: dict[str, Result], folder: Path) -> list[Path]:
    """All pictures, as SVG without a date, so that the same results give the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with plt.rc_context(STYLE):
        made = [(name, PICTURES[name](result)) for name, result in results.items() if name in PICTURES]
        if any(name in results for name in NETWORKS):
            made.append(("networks", draw_networks(results)))
        for name, figure in made:
            path = folder / f"{name}.svg"
            figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
            plt.close(figure)
            written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    parser.add_argument("--allow-quick", action="store_true", help="for trying the report itself")
    chosen = parser.parse_args(arguments)
    results = load(chosen.results, chosen.allow_quick)
    written = draw(results, chosen.docs / "_static" / "benchmarks")
    (chosen.docs / "benchmarks.md").write_text(page(results))
    print(f"{chosen.docs / 'benchmarks.md'}: {len(results)} benchmarks, {len(written)} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
