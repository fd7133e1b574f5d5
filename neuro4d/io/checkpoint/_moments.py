"""The folder of a run: its description, its models, its checkpoints, and what recorders held, a segment for each checkpoint."""

import concurrent.futures
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from neuro4d._base import CorruptFileError
from neuro4d.io._leaves import Leaf, flatten
from neuro4d.io.checkpoint._content import check_model, check_state, marks, model_arrays, refuse, unlike, with_tree
from neuro4d.io.checkpoint._described import FOLDER, About, read_about, write_about
from neuro4d.io.checkpoint._held import Probes, carried, chunks_from, segment
from neuro4d.io.checkpoint._snapshot import Snapshot, read_manifest, read_snapshot, remove, write_snapshot
from neuro4d.io.checkpoint._store import Store, Stored
from neuro4d.model import Model, State, state_from, state_tree, unit_finder
from neuro4d.simulate import Moment, RunPlan

logger = logging.getLogger("neuro4d")

RUN, STATE = "run", "state"
"""The two kinds of folders: of a run, and of a model with states of it."""

MODELS, RECORDS = "models", "records"


class Written(NamedTuple):
    """What is on the disk: the last checkpoint, the segments of records, and up to which step of the run they reach; the number of the model."""

    passed: int = -1
    segments: tuple[tuple[int, int], ...] = ()
    recorded: int = 0
    model: int = -1


class RunFolder:
    """Reads and writes the moments of a run."""

    def __init__(self, store: Store):
        self.store, self.path = store, store.path
        self.written = Written()
        self._model: tuple[int, Model, list[Any]] | None = None
        self._about: About | None = None

    def begun(self) -> bool:
        """Whether a run was begun here: one that was killed before its first checkpoint was not."""
        return (self.path / FOLDER).is_dir() and bool(self.store.steps())

    def about(self) -> About:
        """What the folder is about, read once. Raises as `read_about`."""
        if self._about is None:
            self._about = read_about(self.path)
        return self._about

    def check(self, model: Model) -> None:
        """Raises for a model of another network."""
        refuse(unlike(self.about().identity, model), str(self.path))

    def begin(self, model: Model, recorders: Any, run: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Writes what the folder is about, and the model. What was written before about something else goes away."""
        self._about = None
        for name in (MODELS, RECORDS):
            remove(self.path / name)
        arrays = model_arrays(model)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:  # the processor looks at all synapses while the disk takes their weights
            described = pool.submit(write_about, self.path, model, recorders, run, inputs)
            self._write_arrays(0, model, arrays)
            described.result()

    def write(self, moment: Moment, probes: Probes, discarded: int) -> None:
        """Writes a checkpoint: the model if it is another one, the records since the last one, then the state, which names both.

        **Raises:** `OSError` where it could not be written: then what `written` says is still true.
        """
        done = max(moment.passed - discarded, 0)
        found = segment(probes, moment.chunks, self.written.recorded)
        if found is None:
            logger.warning("no checkpoint of step %d: the run was taken back beyond the one before", moment.passed)
            return
        number = self._write_model(moment.model)
        segments = self.written.segments
        if done > self.written.recorded:
            segments = (*segments, (self.written.recorded, done))
            if found[1]:
                write_snapshot(self.path / RECORDS / _segment_name(*segments[-1]), found[0], {"table": found[1]}, compress=True)
        held, places = carried(probes, moment.chunks)
        named = {"model": number, "segments": [list(each) for each in segments], "carried": places, "wall_s": moment.wall_s}
        state = {} if moment.state is None else state_tree(moment.model, moment.state)
        tree = {"state": state, "carried": held}
        self.store.write(moment.passed, tree, named, unit_of=unit_finder(moment.model))
        self.written = Written(moment.passed, segments, max(done, self.written.recorded), number)

    def _write_model(self, model: Model) -> int:
        """The number of the folder that holds this model: a new one where its numbers are others than those of the last."""
        held = self._model
        if held is not None and _same_arrays(model, held[1]):
            return held[0]
        tree, number = model_arrays(model), 0 if held is None else held[0] + 1
        if held is not None and marks(flatten(tree)[0]) == held[2]:
            self._model = (held[0], model, held[2])
            return held[0]
        return self._write_arrays(number, model, tree)

    def _write_arrays(self, number: int, model: Model, tree: Mapping[str, Any]) -> int:
        rows = write_snapshot(self.path / MODELS / str(number), tree, {"model": number}, unit_finder(model))
        self._model = (number, model, marks(rows))
        return number

    def read(self, model: Model, plan: RunPlan | None, step: int | None = None, *, same: bool = False) -> Moment:
        """The newest moment that is whole, or that of a step, for a model that `about().identity` fits; `same`: that was seen already.

        **Raises:** `FileNotFoundError`, `CorruptFileError`, `ValueError`, which lists the differences between file and model.
        """
        before = [] if same else unlike(self.about().identity, model)
        steps = [step] if step is not None else list(reversed(self.store.steps()))
        for each in steps:
            try:
                stored = _checked(self.store.read(each), self.store.at(each))
                kept = self._model_of(stored)
                chunks = {} if plan is None else self._chunks(stored, plan)
            except (CorruptFileError, OSError) as error:
                if step is not None:
                    raise
                logger.warning("the checkpoint of step %d is passed over: %s", each, error)
                continue
            refuse(before, str(self.path))
            check_model(kept.rows, model, {name: row[0] for name, row in self.about().identity["synapses"].items()}, str(self.path))
            moment = self._moment(stored, with_tree(model, kept.tree), chunks)
            self._remember(stored, moment.model, kept, plan)
            return moment
        raise FileNotFoundError(f"no checkpoint in {self.path} is whole. `neuro4d doctor {self.path}` says what it holds.")

    def _model_of(self, stored: Stored) -> Snapshot:
        return read_snapshot(self.path / MODELS / str(stored.meta["model"]))

    def _chunks(self, stored: Stored, plan: RunPlan) -> dict[str, Any]:
        keeps = any(not (probe.carried or probe.streams) for probe in plan.probes.values())
        names = [_segment_name(*each) for each in stored.meta["segments"]] if keeps else []
        found = [_segment(self.path / RECORDS / name) for name in names]
        return chunks_from(plan.probes, found, stored.tree["carried"], stored.meta["carried"], plan.chunk)

    def _moment(self, stored: Stored, model: Model, chunks: Any) -> Moment:
        rows = [row for row in stored.rows if row.path[0] == "state"]
        state = None
        if stored.tree["state"]:
            check_state(rows, model, str(self.path))
            state = state_from(model, stored.tree["state"])
        return Moment(stored.step, model, state, chunks, float(stored.meta.get("wall_s", 0.0)))

    def _remember(self, stored: Stored, model: Model, kept: Snapshot, plan: RunPlan | None) -> None:
        segments, number = tuple((a, b) for a, b in stored.meta["segments"]), stored.meta["model"]
        self._model = (number, model, marks(kept.rows))
        self.written = Written(stored.step, segments, max(stored.step - (plan.discarded if plan else 0), 0), number)

    def drop_after(self) -> None:
        """Removes what lies beyond the moment that was read: the run writes it anew."""
        self.store.drop_after(self.written.passed)
        named = {_segment_name(*each) for each in self.written.segments}
        for folder, keep in ((RECORDS, lambda name: name in named), (MODELS, lambda name: name.isdigit() and int(name) <= self.written.model)):
            for each in (self.path / folder).iterdir() if (self.path / folder).is_dir() else ():
                if not keep(each.name):
                    remove(each)

    def model_rows(self, number: int) -> list[Leaf]:
        """The rows of a model, without reading its arrays."""
        return read_manifest(self.path / MODELS / str(number))[1]


def _checked(stored: Stored, path: Path) -> Stored:
    """A checkpoint, if it names a model and segments by numbers, which become parts of paths.

    **Raises:** `CorruptFileError` for anything else.
    """
    number, segments, places = (stored.meta.get(name) for name in ("model", "segments", "carried"))
    pairs = segments if isinstance(segments, list) and all(isinstance(each, list) and len(each) == 2 for each in segments) else [[None]]
    counts = all(type(n) is int and n >= 0 for n in (number, *(n for each in pairs for n in each)))
    if not counts or not isinstance(places, dict) or not all(isinstance(stored.tree.get(name), dict) for name in ("state", "carried")):
        raise CorruptFileError(f"{path} does not say of which model and with which records it is.")
    return stored


def _segment(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A segment of records as `segment` made it."""
    found = read_snapshot(folder)
    table = found.meta.get("table")
    if not isinstance(table, dict):
        raise CorruptFileError(f"{folder} does not say which chunks it holds.")
    return found.tree, table


def _segment_name(begin: int, end: int) -> str:
    return f"{begin}-{end}"


def _same_arrays(a: Model, b: Model) -> bool:
    """Whether two models hold the very same arrays."""
    x, y = jax.tree.leaves(a), jax.tree.leaves(b)
    return len(x) == len(y) and all(one is two for one, two in zip(x, y, strict=True))


def own_copy(state: State) -> State:
    """A copy that stays when the state is given away."""
    return jax.tree.map(jnp.copy, state)


def plain(data: Any) -> Any:
    """Plain data as JSON would give it back, or a `TypeError`."""
    return json.loads(json.dumps(data, allow_nan=False))
