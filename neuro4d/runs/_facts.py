"""What results say of themselves: facts for a row, read from what every result shows."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from neuro4d._base import peak_resident_gb
from neuro4d.kernels import native_status
from neuro4d.recorders import AbstractSpikeSource, CountRecord, SpikeRecord
from neuro4d.results import Run
from neuro4d.runs._again import again_of
from neuro4d.runs._row import SpikeSum


class Facts(NamedTuple):
    """What a result adds to a row."""

    kind: str
    status: str
    metrics: dict[str, Any]
    model: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    versions: dict[str, str] | None = None
    machine: dict[str, Any] | None = None
    seed: int | None = None
    spikes: SpikeSum | None = None
    name: str | None = None
    again: dict[str, Any] | None = None


@runtime_checkable
class Tuning(Protocol):
    """What `n4.train.tune` gives back."""

    values: Mapping[str, Any]
    uncertainty: Mapping[str, Any]
    reached: Mapping[str, Any]
    history: Sequence[Any]
    converged: bool
    confidence: float
    reason: str
    wall_s: float


@runtime_checkable
class Fitting(Protocol):
    """What `n4.train.fit` gives back."""

    history: Sequence[Any]
    best_epoch: int
    stopped: str


@runtime_checkable
class Benchmarking(Protocol):
    """What `n4.bench` gives back."""

    name: str
    command: str
    quick: bool
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    checks: Sequence[Any]
    ok: bool


def facts_of(result: Any) -> Facts:
    """The facts of a `Run`, of what `tune` and `fit` give back, or of a report of a benchmark.

    **Raises:** `TypeError` for anything else.
    """
    match result:
        case Run():
            return _of_run(result)
        case Tuning():
            return _of_tuning(result)
        case Benchmarking():
            return _of_benchmark(result)
        case Fitting():
            return _of_fitting(result)
        case _:
            raise TypeError(
                "record takes what `n4.simulate`, `n4.sweep`, `n4.batch`, `n4.train.tune`, `n4.train.fit` or `n4.bench.run_benchmark` gave back; "
                f"other things have `db.add(...)`; got {result!r:.80}."
            )


def differences(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Numbers in which the models of several runs differ, by their place in the model: what a sweep has changed, for each of its runs.

    **Raises:** `ValueError` for models that do not have the same numbers: runs of a list that somebody made.
    """
    models = [jax.tree_util.tree_leaves_with_path(run.model) for run in runs]
    if any([place for place, _ in model] != [place for place, _ in models[0]] for model in models):
        raise ValueError("a list of runs is recorded as a sweep, and these are runs of different networks: record them one by one.")
    found: list[dict[str, Any]] = [{} for _ in runs]
    for column in zip(*models, strict=True):
        place, first = column[0]
        if all(leaf is first or np.array_equal(leaf, first) for _, leaf in column):
            continue
        name = jax.tree_util.keystr(place).lstrip(".")
        for values, (_, leaf) in zip(found, column, strict=True):
            values[name] = _short(np.asarray(leaf))
    return found


def spike_sum(run: Run, only: Sequence[str] | None = None) -> tuple[SpikeSum, tuple[str, ...]] | None:
    """One sum over all spikes of the whole run, or over counts where only they were kept, and the populations that are in it.

    `None` where neither was kept.

    Populations by name, each with its size, the steps that were watched, and steps and neurons of its spikes, as little-endian integers.
    """
    names = sorted(run.populations if only is None else only)
    for of, kept, arrays in (("spikes", _whole_spikes, _events), ("counts", _whole_counts, _counts)):
        there = tuple(name for name in names if any(kept(record, name) for record in run.records.values()))
        if not there:
            continue
        sha, total = hashlib.sha256(), 0
        for name in there:
            head, columns, n = arrays(run, name)
            sha.update(f"{len(name)} {name} {head} ".encode())
            for column in columns:
                sha.update(np.ascontiguousarray(column).astype("<i8").tobytes())
            total += n
        return SpikeSum(of, sha.hexdigest(), total), there
    return None


def _whole_spikes(record: Any, name: str) -> bool:
    return (type(record) is SpikeRecord or isinstance(record, AbstractSpikeSource)) and name in record.populations


def _whole_counts(record: Any, name: str) -> bool:
    return isinstance(record, CountRecord) and record.every is None and name in record.counts


def _events(run: Run, name: str) -> tuple[str, Iterable[np.ndarray], int]:
    here = [record for record in run.records.values() if _whole_spikes(record, name)]
    if any(isinstance(record, SpikeRecord) for record in here):
        table = run.spikes(name)
        return f"{table.n} {table.start_step} {table.n_steps} {len(table.step)}", (table.step, table.id), len(table.step)
    size, n = next(span.size for span in run.state.spans if span.name == name), here[0].n_spikes(name)
    columns = itertools.chain((piece.step for piece in here[0].pieces(name)), (piece.id for piece in here[0].pieces(name)))
    return f"{size} {run.start_step} {run.n_steps} {n}", columns, n


def _counts(run: Run, name: str) -> tuple[str, Iterable[np.ndarray], int]:
    counts = np.asarray(run.counts(name))
    return f"{len(counts)} {run.start_step} {run.n_steps}", (counts,), int(counts.sum())


def _of_run(run: Run) -> Facts:
    numbers, model = run.summary().as_dict(), run.model
    sizes = ("neurons", "synapses", "dt_ms", "duration_ms", "neurons_by_population")
    facts = {name: numbers[name] for name in sizes} | {
        "start_step": run.start_step,
        "n_steps": run.n_steps,
        "precision": np.dtype(model.dtype).name,
        "backend": str(model.layout.backend),
        "fingerprint": model.fingerprint(),
        "key": np.asarray(run.state.key),
        "recorded": {name: type(record).__name__ for name, record in run.records.items()},
    }
    metrics = {name: value for name, value in numbers.items() if name not in (*sizes, "completed")}
    metrics["peak_memory_gb"] = peak_resident_gb()
    status = "failed" if int(run.state.fault) else "finished" if run.completed else "interrupted"
    noted = spike_sum(run)
    spikes, again = (None, None) if noted is None else (noted[0], again_of(run, *noted))
    versions = {"kernels": native_status()}
    return Facts("run", status, metrics, facts, versions=versions, seed=model.build_seed, spikes=spikes, again=again)


def _of_tuning(tuned: Tuning) -> Facts:
    metrics = {
        "converged": tuned.converged,
        "confidence": tuned.confidence,
        "reason": tuned.reason,
        "wall_s": tuned.wall_s,
        "values": dict(tuned.values),
        "uncertainty": dict(tuned.uncertainty),
        "reached": {name: each._asdict() | {"unit": str(each.unit)} for name, each in tuned.reached.items()},
        "history": [update._asdict() for update in tuned.history],
    }
    return Facts("tune", "finished", metrics, versions={"kernels": native_status()})


def _of_fitting(fitted: Fitting) -> Facts:
    best = fitted.history[fitted.best_epoch - 1]._asdict() if fitted.history else {}
    history = [epoch._asdict() for epoch in fitted.history]
    metrics = {"best_epoch": fitted.best_epoch, "stopped": fitted.stopped, "best": best, "history": history}
    status = {"interrupted": "interrupted", "diverged": "failed"}.get(fitted.stopped, "finished")
    return Facts("fit", status, metrics, versions={"kernels": native_status()})


def _of_benchmark(report: Benchmarking) -> Facts:
    metrics = {"rows": list(report.rows), "checks": [check._asdict() for check in report.checks], "ok": report.ok}
    parameters = {"command": report.command, "quick": report.quick}
    status = "finished" if report.ok else "failed"
    return Facts(
        "benchmark",
        status,
        metrics,
        {},
        parameters,
        dict(report.versions) | {"kernels": native_status()},
        dict(report.machine),
        name=report.name,
    )


def _short(leaf: np.ndarray) -> Any:
    """A number where all elements are one number."""
    return leaf.reshape(-1)[0] if leaf.size and np.all(leaf == leaf.reshape(-1)[0]) else leaf
