"""`resume`: a run goes on from its last checkpoint."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import brainunit as u

from neuro4d.io.checkpoint._bounds import check_links, check_recorders
from neuro4d.io.checkpoint._checkpoints import Checkpoints
from neuro4d.io.checkpoint._content import fresh_state
from neuro4d.io.checkpoint._described import About
from neuro4d.io.checkpoint._folder import absolute
from neuro4d.io.checkpoint._moments import RUN, RunFolder
from neuro4d.io.checkpoint._save import open_folder
from neuro4d.model import Model
from neuro4d.ops import Backend
from neuro4d.recorders import AbstractRecorder
from neuro4d.results import Run
from neuro4d.simulate import simulate


def resume(
    path: str | os.PathLike[str],
    *,
    model: Model | None = None,
    record: Sequence[AbstractRecorder] | None = None,
    parts: Iterable[type] = (),
    backend: Backend | None = None,
    progress: bool | None = None,
    log_every: Any = None,
    on_chunk: Callable[..., Any] | None = None,
    between: Callable[..., Any] | None = None,
    throw: bool = True,
    outside: bool = False,
) -> Run:
    """Goes on with a run that `Checkpoints` kept, to its end, and gives the `Run` that it would have been without the interruption, records and all.

    It needs no script: network, recorders and inputs are in the folder, as far as they can be described. Functions cannot; give them again.
    A run that had ended is read, and nothing is simulated.

    **Arguments:**

    - `path`: the folder.
    - `model`, `parts`, `backend`: as for `restore`.
    - `record`: the recorders of the run, where one of them has a function in it, or writes outside of the folder.
    - `on_chunk`, `between`: the same functions as in the run.
    - `progress`, `log_every`, `throw`: as for `simulate`.
    - `outside`: whether what the folder says may write outside of it: recorders such as `SpikesToDisk` with a path elsewhere, and symbolic links in the
      folder. By default neither, because a folder may come from somebody else.

    **Returns:** the `Run`, bit for bit. Further checkpoints are written as before.

    **Raises:** as `restore`, `Checkpoints` and `simulate`; `UnsafeFileError` for what would write outside of the folder.

    !!! Example

        >>> n4.io.resume("no-such-folder")
        Traceback (most recent call last):
            ...
        FileNotFoundError: there is no folder 'no-such-folder'.
    """
    folder, about = run_folder(path, outside=outside)
    recorders = _recorders(folder, about, parts, outside) if record is None else record
    given = about.build(folder.path, parts, backend) if model is None else model
    dt, run = given.dt_ms * u.ms, about.run
    return simulate(
        given,
        fresh_state(given),
        run["n_steps"] * dt,
        recorders,
        discard=run["discarded"] * dt if run["discarded"] else None,
        inputs=about.inputs or None,
        progress=progress,
        log_every=log_every,
        chunk=run["chunk"],
        on_chunk=on_chunk,
        between=between,
        throw=throw,
        checkpoint=going_on(folder.path, run),
    )


def _recorders(folder: RunFolder, about: About, parts: Iterable[type], outside: bool) -> Sequence[AbstractRecorder]:
    """The recorders that the folder describes."""
    found = about.recorders(folder.path, parts)
    if not outside:
        check_recorders(folder.path, found)
    return found


def run_folder(path: str | os.PathLike[str], *, outside: bool = False) -> tuple[RunFolder, About]:
    """The folder of a run, and what it is about.

    **Raises:** `FileNotFoundError`, `CorruptFileError`, `ValueError` for a folder of `save`; `UnsafeFileError` for symbolic links in it, unless `outside`.
    """
    where = absolute(path)
    if not where.is_dir():
        raise FileNotFoundError(f"there is no folder {os.fspath(path)!r}.")
    folder = open_folder(where)
    if not outside:
        check_links(where)
    about = folder.about()
    if folder.store.kind != RUN or not about.run:
        raise ValueError(f"{where} holds a model and its states, and no run. `model, state = n4.restore({os.fspath(path)!r})` reads them.")
    return folder, about


def going_on(path: Any, run: dict[str, Any]) -> Checkpoints:
    """The keeper of a run, as it was when the run began."""
    times = {name: None if run[f"{name}_ms"] is None else run[f"{name}_ms"] * u.ms for name in ("every", "keep_every")}
    wall = None if run["wall_s"] is None else run["wall_s"] * u.second
    keeper = Checkpoints(path, times["every"], wall=wall, keep=run["keep"], keep_every=times["keep_every"], resume=True, note=run["note"])
    keeper.same_start = False  # the state at the beginning is not asked for again
    return keeper
