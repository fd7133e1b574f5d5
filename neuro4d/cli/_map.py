"""`neuro4d map`."""

import importlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from neuro4d._base import table, write_whole
from neuro4d.cli._arguments import Map
from neuro4d.cli._cost import built, counted
from neuro4d.cli._output import check_folder
from neuro4d.cli._quantity import UserError
from neuro4d.hardware import ChipTarget, Placement, Routes, deadlock, estimate, export, partition, place, route, target, workload

KINDS = ("png", "svg", "pdf")


def run(command: Map) -> int:
    """Builds, simulates, gives neurons cores, cores places and spikes routes, and prints what each pass did. Returns the exit code."""
    chip = target(command.target)
    if not isinstance(chip, ChipTarget):
        raise UserError(f"--target {chip.name}: a processor has no cores to fill; a chip is, for example, `--target loihi2`.")
    check_folder("--json", command.json)
    if command.plot is not None:
        check_picture(command.plot)
    model, duration = built(command)
    if command.partition == "lattice" and any(model.coordinates(name) is None for name in model.populations):
        raise UserError("--partition lattice follows the places of neurons, and this network has none: take `--partition graph`.")
    load = workload(model, counted(command, model, duration))
    placed = place(partition(load, chip, command.partition), command.method, command.seed)
    routes = route(placed)
    print(f"\n{report(placed, routes)}")
    if command.json is not None:
        export(placed, command.json, routes=routes)
        print(f"written to {command.json}")
    if command.plot is not None:
        draw(placed, routes, Path(command.plot))
        print(f"drawn in {command.plot}")
    return 0


def check_picture(file: str) -> None:
    """Refuses a picture that cannot be drawn or written."""
    check_folder("--plot", file)
    if kind_of(file) not in KINDS:
        raise UserError(f"--plot: no picture of the kind {kind_of(file)!r}; known are {', '.join(KINDS)}, for example `--plot map.png`.")
    if find_spec("matplotlib") is None:
        raise UserError("--plot: pictures need matplotlib, `pip install 'neuro4d[plot]'`.")


def report(placed: Placement, routes: Routes) -> str:
    """What each pass changed, and what the chip looks like in the end."""
    changes = [
        (change.name, name, _number(change.before.get(name)), _number(change.after.get(name)))
        for change in placed.changes
        for name in dict.fromkeys((*change.before, *change.after))
    ]
    circle = deadlock(routes)
    cost = estimate(placed)
    busiest = int(routes.load.argmax()) if len(routes.load) else None
    rows = [
        (
            "cores",
            f"{placed.n_cores:,} of {placed.n_chips * placed.chip.cores:,} on {placed.n_chips:,} chip{'s' if placed.n_chips > 1 else ''}",
        ),
        *((f"  {name} of the fullest", f"{x.used:,} of {x.limit:,} ({x.used / x.limit:.0%})") for name, x in cost.usage.items()),
        ("links in use", f"{len(routes.links):,}"),
        ("packets over links per step", f"{routes.hops:.4g}"),
        ("  over the busiest link", "-" if busiest is None else f"{routes.load[busiest]:.4g}"),
        ("free of deadlock", "yes" if not circle else f"no: links {', '.join(f'{a}-{b}' for a, b in circle)} wait for each other"),
        ("bottleneck", cost.bottleneck),
    ]
    head = f"{placed.target.title}\n"
    return head + table(("pass", "", "before", "after"), changes) + "\n\n" + table(("placed", ""), rows)


def draw(placed: Placement, routes: Routes, file: Path) -> None:
    """The load of cores and of links, side by side, in a file."""
    os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib is imported: there may be no screen
    figure: Any = importlib.import_module("neuro4d.plot").chip_and_links(placed, routes)
    write_whole(file.absolute(), lambda stream: figure.savefig(stream, format=kind_of(file), dpi=120))


def kind_of(file: str | Path) -> str:
    """The kind of picture that a name asks for."""
    return Path(file).suffix.removeprefix(".").lower() or "png"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"
