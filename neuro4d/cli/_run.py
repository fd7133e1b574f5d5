"""`neuro4d run`."""

import dataclasses
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brainunit as u
import jax
import numpy as np

from neuro4d._base import did_you_mean, table
from neuro4d.cli._arguments import Run
from neuro4d.cli._machine import peak_memory_gb, prepare
from neuro4d.cli._note import noted
from neuro4d.cli._output import claim, write_arrays, write_json, write_raster, written
from neuro4d.cli._quantity import UserError, parse_time
from neuro4d.io import Checkpoints, load_config
from neuro4d.network import Network
from neuro4d.recorders import Counts, Spikes, Trace
from neuro4d.simulate import simulate
from neuro4d.zoo import Band, get, names

KINDS = ("spikes", "trace", "counts")
TRACED = 10
"""Neurons of each population whose potential is kept by `--record trace`."""

INTERRUPTED = 130


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is going to be run, with every default filled in; `network` makes the network, which a run that goes on has already."""

    name: str
    network: Callable[[], Network]
    dt_ms: float
    duration_ms: float
    scale: float | None
    bands: tuple[Band, ...]


def run(command: Run) -> int:
    """Builds, simulates, prints a table and writes the results. Returns the exit code."""
    kinds = parse_record(command.record)
    duration = None if command.duration is None else parse_time(command.duration, "--duration")
    dt = None if command.dt is None else parse_time(command.dt, "--dt")
    threads = prepare(command.device, command.threads, command.precision)
    plan, keeper = make_plan(command, duration, dt), keeper_of(command)
    network = plan.network()
    folder = claim(Path(command.out) if command.out is not None else Path("runs") / plan.name)
    start = time.perf_counter()
    model = network.build(dt=plan.dt_ms * u.ms, seed=command.seed, precision=command.precision)
    build_s = time.perf_counter() - start
    print(f"{plan.name}: {model.n_neurons:,} neurons, {model.n_synapses:,} synapses, built in {build_s:.1f} s", flush=True)

    def simulated() -> Any:
        return simulate(
            model,
            model.init(jax.random.key(command.seed)),
            plan.duration_ms * u.ms,
            record=recorders(kinds, model),
            progress=None if command.progress else False,
            checkpoint=keeper,
        )

    return finish(command, plan, model, simulated, build_s, threads, folder)


def finish(command: Run, plan: Plan, model: Any, simulated: Callable[[], Any], build_s: float, threads: int, folder: Path) -> int:
    """Simulates, prints a table and writes the results. Returns the exit code."""
    kinds = parse_record(command.record)
    with noted(None if command.no_db else command.db, plan.name, asked(command, plan), command.seed, model) as row:
        result = simulated()
        summary = summarise(command, plan, result, build_s, threads)
        print(f"\n{report(result, plan.bands)}\n\n{closing(summary)}")
        for note in save(folder, result, kinds, summary):
            print(note)
        row.end(result, metrics={"build_s": build_s}, files=written(folder))
    print(f"written to {folder}{row}")
    if not result.completed and command.checkpoint is not None:
        print(f"to go on with it: neuro4d resume {command.checkpoint}{'' if command.out is None else f' --out {command.out}'}")
    return 0 if result.completed else INTERRUPTED


def keeper_of(command: Run) -> Checkpoints | None:
    """Who keeps the run, if that was asked for.

    **Raises:** `UserError` for a folder that holds a run already.
    """
    every = None if command.every is None else parse_time(command.every, "--every") * u.ms
    if command.checkpoint is None:
        if every is not None:
            raise UserError("--every says how often to keep the run; say where, `--checkpoint DIR`.")
        return None
    folder = Path(command.checkpoint).expanduser().absolute()
    if (folder / "checkpoints").is_dir():
        raise UserError(f"{folder} holds a run. To go on with it: `neuro4d resume {command.checkpoint}`. To begin anew, choose another folder.")
    return Checkpoints(folder, every, note={"command": dataclasses.asdict(command)})


def asked(command: Run, plan: Plan) -> dict[str, Any]:
    """What was asked for, defaults filled in, as a row of the database holds it."""
    given = {name: getattr(command, name) for name in ("network", "precision", "device", "threads", "record")}
    return given | {"scale": plan.scale, "dt_ms": plan.dt_ms, "duration_ms": plan.duration_ms}


def make_plan(command: Run, duration: float | None, dt: float | None) -> Plan:
    """The network and its settings, from the zoo or from a file."""
    if Path(command.network).suffix.lower() in (".json", ".toml"):
        if command.scale is not None:
            raise UserError("--scale is for networks of the zoo; a configuration file says how large its network is.")
        return Plan(Path(command.network).stem, lambda: load_config(command.network), dt or 1.0, duration or 1000.0, None, ())
    if command.network not in names():
        raise UserError(
            f"no network named '{command.network}' in the zoo, and no configuration (.json, .toml).{did_you_mean(command.network, names())}"
        )
    entry = get(command.network)
    scale = entry.scale if command.scale is None else command.scale
    return Plan(
        entry.name, lambda: entry.network(command.scale), dt or entry.dt_ms, duration or entry.duration_ms, scale, entry.rates(command.scale)
    )


def parse_record(text: str) -> tuple[str, ...]:
    """The kinds of records asked for."""
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"--record takes {', '.join(KINDS)}, separated by commas; got {kind!r}.{did_you_mean(kind, KINDS)}")
    if not {"spikes", "counts"} & set(kinds):
        raise UserError(f"--record needs `spikes` or `counts` for the rates, for example `--record spikes,trace`; got {text!r}.")
    return kinds


def recorders(kinds: tuple[str, ...], model: Any) -> tuple[Any, ...]:
    """The recorders for these kinds: `counts` is free where the spikes themselves are kept."""
    kept: list[Any] = [Spikes()] if "spikes" in kinds else [Counts()]
    if "trace" in kinds:
        kept += [
            Trace(name, "v", ids=np.arange(min(TRACED, span.size)))
            for name, span in model.populations.items()
            if span.size and "v" in model.variables(name)
        ]
    return tuple(kept)


def summarise(command: Run, plan: Plan, result: Any, build_s: float, threads: int) -> dict[str, Any]:
    """The content of summary.json."""
    numbers = result.summary().as_dict()
    memory = peak_memory_gb()
    return {
        "name": plan.name,
        "version": package_version(),
        **numbers,
        "seed": command.seed,
        "scale": plan.scale,
        "precision": command.precision,
        "device": jax.devices()[0].platform,
        "threads": threads,
        "build_s": round(build_s, 4),
        "peak_memory_gb": None if memory is None else round(memory, 4),
    }


def report(result: Any, bands: tuple[Band, ...]) -> str:
    """The table of populations, with the reference rates where there are some."""
    expected = {band.population: band.span for band in bands}
    rows = [
        (p.name, f"{p.neurons:,}", _number(p.rate_hz), *((expected.get(p.name, "-"),) if bands else ()), _number(p.cv))
        for p in result.summary().populations
    ]
    return table(("population", "neurons", "rate (Hz)", *(("reference",) if bands else ()), "CV"), rows)


def closing(summary: dict[str, Any]) -> str:
    """One line of times and memory."""
    memory = summary["peak_memory_gb"]
    factor = summary["real_time_factor"]
    state = "" if summary["completed"] else "INTERRUPTED: "
    return (
        f"{state}{summary['duration_ms'] / 1e3:g} s of biological time in {summary['wall_s']:.3g} s"
        + ("" if factor is None else f" ({factor:.3g} s/s)")
        + f", built in {summary['build_s']:.3g} s, compiled in {summary['compile_s']:.3g} s"
        + ("" if memory is None else f", peak memory {memory:.3g} GB")
    )


def save(folder: Path, result: Any, kinds: tuple[str, ...], summary: dict[str, Any]) -> list[str]:
    """Writes the files of a run. Returns notes for the user."""
    notes = []
    step_ms = {"dt_ms": np.array(summary["dt_ms"])}
    if "spikes" in kinds:
        arrays: dict[str, np.ndarray] = {}
        for name in result.populations:
            events = result.spikes(name)
            arrays |= {f"{name}.step": events.step, f"{name}.id": events.id}
        write_arrays(folder / "spikes.npz", arrays | step_ms)
        note = write_raster(folder / "raster.png", result)
        notes += [note] if note else []
    else:
        notes.append("no raster.png: spikes were not recorded (`--record spikes`)")
    if "counts" in kinds:
        write_arrays(folder / "counts.npz", {name: np.asarray(result.counts(name)) for name in result.populations})
    if "trace" in kinds:
        write_arrays(folder / "trace.npz", potentials(result))
    write_json(folder / "summary.json", summary)
    return notes


def potentials(result: Any) -> dict[str, np.ndarray]:
    """The recorded potentials: `POPULATION.time_ms` (t,), `POPULATION.v_mv` (t, n) and `POPULATION.id` (n,)."""
    arrays = {}
    for record in result.trace_names():
        name, trace = record.removesuffix(".v"), result.trace(record)
        arrays[f"{name}.time_ms"] = np.asarray(trace.times.to_decimal(u.ms))
        arrays[f"{name}.v_mv"] = np.asarray(trace.values.to_decimal(u.mV))
        arrays[f"{name}.id"] = np.asarray(trace.ids)
    return arrays


def package_version() -> str:
    """The version of the package this command belongs to."""
    return importlib.import_module(__name__.partition(".")[0]).__version__


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "-"
