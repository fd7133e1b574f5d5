"""`neuro4d cost`."""

import json
from pathlib import Path
from typing import Any

import brainunit as u
import jax

from neuro4d.cli._arguments import Cost, Map, Run
from neuro4d.cli._machine import prepare
from neuro4d.cli._output import check_folder
from neuro4d.cli._quantity import UserError, parse_time
from neuro4d.cli._run import make_plan
from neuro4d.hardware import compare, estimate, target
from neuro4d.model import Model
from neuro4d.recorders import Counts
from neuro4d.results import Run as Recorded
from neuro4d.simulate import simulate

WINDOW_MS = 10.0
"""Bins in which spikes are counted, so that bursts are seen."""


def run(command: Cost) -> int:
    """Builds, simulates, prints what the network costs. Returns the exit code."""
    if command.compare and command.target is not None:
        raise UserError("--compare takes all targets; leave out --target, or --compare.")
    check_folder("--json", command.json)
    chip = None if command.compare else target(command.target or "loihi2")
    model, duration = built(command)
    result = counted(command, model, duration)
    found: Any = compare(model, result) if chip is None else estimate(model, result, chip)
    print(f"\n{found}")
    if command.json is not None:
        Path(command.json).write_text(json.dumps(found.to_dict(), indent=1) + "\n", encoding="utf-8")
        print(f"written to {command.json}")
    return 0


def built(command: Cost | Map) -> tuple[Model, float]:
    """The network of a command, and for how long it is simulated, in ms."""
    duration = parse_time(command.duration, "--duration")
    if duration < WINDOW_MS:
        raise UserError(
            f'--duration: spikes are counted in bins of {WINDOW_MS:g} ms; got {command.duration!r}. For example --duration "1 s".'
        )
    prepare("auto", "auto", "float32")
    plan = make_plan(Run(network=command.network, scale=command.scale), duration, None)
    model = plan.network().build(dt=plan.dt_ms * u.ms, seed=command.seed)
    print(f"{plan.name}: {model.n_neurons:,} neurons, {model.n_synapses:,} synapses, {duration:g} ms of biological time", flush=True)
    return model, duration


def counted(command: Cost | Map, model: Model, duration: float) -> Recorded:
    """A run of it, with spikes counted in bins."""
    state = model.init(jax.random.key(command.seed))
    return simulate(model, state, duration * u.ms, Counts(every=WINDOW_MS * u.ms), progress=None if command.progress else False)
