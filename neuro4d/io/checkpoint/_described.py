"""What a folder says about the model that it is of, and about the run: written once, before the first step."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from neuro4d._base import CorruptFileError
from neuro4d.describe import Description, describe
from neuro4d.io.checkpoint._content import identity
from neuro4d.io.checkpoint._snapshot import read_snapshot, write_snapshot
from neuro4d.model import Model
from neuro4d.ops import Backend
from neuro4d.recorders import AbstractRecorder

FOLDER = "description"

_COUNTS = ("n_steps", "discarded", "chunk", "keep")
_OF_RUN = frozenset((*_COUNTS, "every_ms", "wall_s", "keep_every_ms", "note"))
"""What `resume` asks of a run."""


class About(NamedTuple):
    """The description of a model, `None` where it has none and `why`; what identifies it; what is known of the run, empty where there is none; the values
    of its inputs."""

    description: Description | None
    why: str
    identity: dict[str, Any]
    run: dict[str, Any]
    inputs: dict[str, Any]

    def build(self, path: Path, parts: Iterable[type] = (), backend: Backend | None = None) -> Model:
        """The model, built anew.

        **Raises:** `ValueError` where there is no description; what `Description.build` raises.
        """
        if self.description is None:
            raise ValueError(f"{path} holds no description of its network ({self.why}). Build it with your script, and give the model: `model=model`.")
        return self.description.build(parts, backend=backend)

    def recorders(self, path: Path, parts: Iterable[type] = ()) -> Sequence[AbstractRecorder]:
        """The recorders of the run, made anew.

        **Raises:** `ValueError` where they are not described.
        """
        if self.description is None or not self.run.get("recorders_described"):
            names = ", ".join(map(repr, self.run.get("recorders", []))) or "none"
            raise ValueError(f"the recorders of the run in {path} are not described ({self.why}). Give them, `record=[...]`; their names: {names}.")
        return self.description.recorders(parts)


def write_about(folder: Path, model: Model, recorders: Sequence[AbstractRecorder], run: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    """Writes what a folder is about.

    **Raises:** `OSError`.
    """
    description, why, whole = _described(model, recorders)
    run = {**run, "recorders": [each.name for each in recorders], "recorders_described": whole} if run else {}
    meta = {"description": None if description is None else description.to_json(), "why": why, "identity": identity(model), "run": run}
    arrays = {} if description is None else dict(description.arrays)
    write_snapshot(folder / FOLDER, {"description": arrays, "inputs": dict(inputs)}, meta, compress=True)


def _described(model: Model, recorders: Sequence[AbstractRecorder]) -> tuple[Description | None, str, bool]:
    """The description with recorders where they have one, else without; why not, and whether the recorders are in it."""
    try:
        return describe(model, recorders=recorders), "", True
    except ValueError as error:
        why = " ".join(str(error).split())
    try:
        return describe(model), why, False
    except ValueError as error:
        return None, " ".join(str(error).split()), False


def read_about(folder: Path) -> About:
    """What a folder is about.

    **Raises:** `FileNotFoundError`, `CorruptFileError`.
    """
    tree, meta, _ = read_snapshot(folder / FOLDER)
    try:
        text, why, own, run = (meta[key] for key in ("description", "why", "identity", "run"))
        arrays, inputs = tree["description"], tree["inputs"]
    except KeyError as error:
        raise CorruptFileError(f"{folder / FOLDER} does not say its {error}.") from error
    named = isinstance(own, dict) and all(isinstance(own.get(name), dict) for name in ("populations", "synapses"))
    counted = isinstance(run, dict) and (not run or (set(run) >= _OF_RUN and all(type(run[name]) is int for name in _COUNTS)))
    if not (named and counted and isinstance(why, str)):
        raise CorruptFileError(f"{folder / FOLDER} does not say what it is about.")
    return About(None if text is None else Description.from_json(text, arrays), why, own, run, inputs)
