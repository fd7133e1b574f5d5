"""`save` and `restore`: a model and a state in a folder."""

import os
from collections.abc import Iterable
from typing import Any

from neuro4d.io.checkpoint._folder import absolute, card
from neuro4d.io.checkpoint._moments import RUN, STATE, RunFolder
from neuro4d.io.checkpoint._store import Store
from neuro4d.model import Model, State
from neuro4d.ops import Backend
from neuro4d.simulate import Moment, check_state

ALL = 2**62
"""Steps that a folder of `save` keeps: whoever saves by hand lets go by hand."""


def save(path: str | os.PathLike[str], model: Model, state: State | None = None) -> None:
    """Saves a model and a state of it into a folder: numbers by population, projection and canonical edge, and the description of the network.

    What is saved restores on another number of cores and another backend, and after a version that lays out differently. It returns when all is on the disk.

    **Arguments:**

    - `path`: a folder that is new, empty, or one into which this model was saved before: then the state is kept beside the earlier ones, by its step.
    - `model`, `state`: from `Network.build` and a run. Without a state, the model alone.

    **Raises:** `TypeError`; `FileExistsError` for a folder of a run or of other things; `OSError` where it cannot be written, and then nothing of an
    earlier state is lost; `ValueError`, which lists the differences, for a folder of another model.

    !!! Example

        >>> import tempfile
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> model = n4.Network(cells).build(dt=0.1*u.ms, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     n4.save(folder, model, model.init(jr.key(0), start=7))
        ...     model, state = n4.restore(folder)
        >>> int(state.step), model.n_neurons
        (7, 3)
    """
    if not isinstance(model, Model) or not (state is None or isinstance(state, State)):
        raise TypeError(f"save takes a folder, a model and a state, `n4.save('brain', model, run.state)`; got {type(model).__name__}, {type(state).__name__}.")
    if state is not None:
        check_state(model, state, False)
    with Store(path, STATE, keep=ALL) as store:
        store.open()
        folder = RunFolder(store)
        if not folder.begun():
            folder.begin(model, (), {}, {})
        elif store.steps():
            folder.read(model, None)
        else:
            folder.check(model)
        folder.write(Moment(0 if state is None else int(state.step), model, state, {}, 0.0), {}, 0)


def restore(
    path: str | os.PathLike[str],
    model: Model | None = None,
    parts: Iterable[type] = (),
    *,
    step: int | None = None,
    backend: Backend | None = None,
) -> tuple[Model, State | None]:
    """A model and a state from a folder of `save`, or the newest checkpoint of a run from a folder of `Checkpoints`.

    Every array is held against its checksum; a checkpoint that is damaged is passed over, with a warning in the log.

    **Arguments:**

    - `path`: the folder.
    - `model`: of the same network, for its structure; by default it is built from the description in the folder.
    - `parts`: classes of yours that the network uses, such as a neuron, where they are not imported: `parts=[MyNeuron]`.
    - `step`: which one, if not the newest that is whole; then damage raises.
    - `backend`: for another one than the model was built for. Not together with `model`.

    **Returns:** the model with the numbers of the file, and the state, `None` where none was saved.

    **Raises:** `FileNotFoundError`; `CorruptFileError`, with the path, for damage; `ValueError`, which lists all differences, for a model of another
    network, time step, precision or unit; `MemoryBudgetError` before anything is read that cannot fit.

    !!! Example

        >>> n4.restore("no-such-folder")
        Traceback (most recent call last):
            ...
        FileNotFoundError: there is no folder 'no-such-folder'.
    """
    where = absolute(path)
    if not where.is_dir():
        raise FileNotFoundError(f"there is no folder {os.fspath(path)!r}.")
    if model is not None and backend is not None:
        raise TypeError("give `model` or `backend`: a model has a backend already.")
    folder = open_folder(where)
    given = folder.about().build(where, parts, backend) if model is None else model
    if not isinstance(given, Model):
        raise TypeError(f"model is one from `Network.build`; got {type(given).__name__}.")
    moment = folder.read(given, None, step)
    return moment.model, moment.state


def open_folder(path: Any) -> RunFolder:
    """A folder of either kind, for reading.

    **Raises:** `FileNotFoundError` for one that is neither.
    """
    said = card(path)
    kind = None if said is None else said.get("kind")
    if kind not in (RUN, STATE):
        held = "nothing that neuro4d wrote" if said is None else f"a {str(kind)[:40]}"
        raise FileNotFoundError(f"{path} holds {held}, and no checkpoint. `neuro4d doctor {path}` says more.")
    return RunFolder(Store(path, kind))
