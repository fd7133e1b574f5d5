"""What a folder of checkpoints holds, and what of it is damaged."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from neuro4d.io.checkpoint._described import FOLDER, read_about
from neuro4d.io.checkpoint._folder import absolute, card
from neuro4d.io.checkpoint._moments import MODELS, RECORDS, RUN, STATE
from neuro4d.io.checkpoint._snapshot import LEFTOVERS, read_snapshot
from neuro4d.io.checkpoint._store import STEPS, Store


class Finding(NamedTuple):
    """One thing that was looked at: where it lies, what it is, and what is wrong with it; empty if it is whole."""

    where: Path
    what: str
    damage: str = ""


def examine(path: str | os.PathLike[str]) -> list[Finding]:
    """Everything in a folder of `Checkpoints`, of `save` or of a `Store`, each array held against its checksum.

    **Raises:** `FileNotFoundError` for a folder of anything else.

    !!! Example

        >>> import tempfile
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     n4.save(folder, n4.Network(cells).build(dt=0.1*u.ms, seed=0))
        ...     [found.what for found in n4.io.examine(folder)]
        ['1 population, 3 neurons, 0 synapses; described', 'model 0', 'state of step 0']
    """
    where = absolute(path)
    said = card(where) if where.is_dir() else None
    if said is None:
        raise FileNotFoundError(f"{where} is no folder of checkpoints.")
    kind = str(said.get("kind"))
    return list(_about(where) if kind in (RUN, STATE) else ()) + list(_parts(where, kind))


def _about(where: Path) -> Iterator[Finding]:
    folder = where / FOLDER
    try:
        about = read_about(where)
    except (OSError, ValueError) as error:
        yield Finding(folder, "description", str(error))
        return
    sizes = about.identity["populations"]
    synapses = sum(each[0] for each in about.identity["synapses"].values())
    described = "described" if about.description is not None else f"not described: {about.why}"
    yield Finding(folder, f"{len(sizes)} population{'s' * (len(sizes) != 1)}, {sum(sizes.values()):,} neurons, {synapses:,} synapses; {described}")
    if about.run:
        steps, dt = about.run["discarded"] + about.run["n_steps"], about.identity["dt_ms"]
        yield Finding(where, f"a run of {steps:,} steps, {steps * dt:g} ms")


def _parts(where: Path, kind: str) -> Iterator[Finding]:
    store = Store(where, kind)
    word = {RUN: "checkpoint", STATE: "state"}.get(kind, kind)
    for each in _folders(where / MODELS):
        if not each.name.endswith(LEFTOVERS):
            yield _looked(each, f"model {each.name}", functools.partial(read_snapshot, each))
    segments = [each for each in _folders(where / RECORDS) if not each.name.endswith(LEFTOVERS)]
    found = [_looked(each, f"records of steps {each.name}", functools.partial(read_snapshot, each)) for each in segments]
    whole = sum(not each.damage for each in found)
    if whole:
        yield Finding(where / RECORDS, f"{whole} segment{'s' * (whole != 1)} of records")
    yield from (each for each in found if each.damage)
    for step in store.steps():
        yield _looked(store.at(step), f"{word} of step {step}", functools.partial(store.read, step))
    for place in (where, *(where / name for name in (STEPS, MODELS, RECORDS))):
        for each in _folders(place):
            if each.name.endswith(LEFTOVERS):
                yield Finding(each, "left behind by a kill; the next writer removes it")


def _folders(where: Path) -> list[Path]:
    return sorted(each for each in where.iterdir() if each.is_dir()) if where.is_dir() else []


def _looked(where: Path, what: str, look: Callable[[], Any]) -> Finding:
    try:
        look()
    except (OSError, ValueError) as error:
        return Finding(where, what, str(error))
    return Finding(where, what)
