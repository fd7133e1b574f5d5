"""What a row keeps so that its run can be run again, and running it again."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import brainunit as u
import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from neuro4d.describe import Description, describe
from neuro4d.model import Model, from_user, to_user
from neuro4d.recorders import Counts, Spikes
from neuro4d.results import Run
from neuro4d.runs._blob import from_blob, to_blob
from neuro4d.runs._row import SpikeSum
from neuro4d.simulate import simulate

LARGEST_TEXT = 16 * 2**20
"""Characters of a network with its arrays. A larger one is built by its script, or kept in a checkpoint."""

MOST_NUMBERS = 20_000
"""Numbers of a model that a row keeps one by one: parameters, not weights."""

MOST_SYNAPSES = 5_000_000
"""A model with more is not read as a whole only to note its sum."""

_APART = frozenset({"weights", "fingerprint", "seed"})


class Again(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run in numbers: the key and the first step of its state, the steps before anything was recorded, those of the run, what is compared and of
    which populations; the numbers of the model, where they are few, and the sum of all of them."""

    key: tuple[int, int]
    start: int
    before: int
    steps: int
    of: str
    populations: tuple[str, ...]
    numbers: dict[str, Any] | None
    sha256: str | None


class Replay(NamedTuple):
    """A run that was run again.

    **Fields:** `run`; `same_spikes`: whether every spike came at the same step from the same neuron; `before`, `now`: the sums of all spikes.
    """

    run: Run
    same_spikes: bool
    before: SpikeSum
    now: SpikeSum


class NotReplayableError(ValueError):
    """A run of which its row does not hold enough to run it again. The message says what is missing."""


def read_again(held: Mapping[str, Any] | None) -> Again:
    """What a row says.

    **Raises:** `NotReplayableError` where it says nothing, or something else.
    """
    if held is None:
        raise NotReplayableError(
            "it noted no spikes of a whole run that could be compared: record them with `n4.Spikes()` or `n4.Counts()`."
        )
    try:
        return msgspec.convert(held, Again)
    except msgspec.ValidationError as error:
        raise NotReplayableError(f"its row does not say how to run it again: {error}.") from None


def network_text(model: Model) -> str:
    """The network of a model and the arguments of its `build`, as one text.

    **Raises:** `ValueError` for a network that cannot be described, or is too large; the message says why.
    """
    description = describe(model)
    _check_length(sum(x.nbytes for x in description.arrays.values()) * 4 // 3)  # before gigabytes become text
    arrays = {name: base64.b64encode(to_blob(x)[1]).decode() for name, x in description.arrays.items()}
    text = json.dumps({"description": description.to_json(), "arrays": arrays})
    _check_length(len(text))
    return text


def read_network(text: str) -> Description:
    """The description in a text.

    **Raises:** `ValueError` for anything else.
    """
    held = json.loads(text)
    if not isinstance(held, dict) or set(held) != {"description", "arrays"} or not isinstance(held["arrays"], dict):
        raise ValueError("not the text of a network")
    arrays = {name: from_blob(b"npy", base64.b64decode(x, validate=True)) for name, x in held["arrays"].items()}
    return Description.from_json(held["description"], arrays)


def again_of(run: Run, spikes: SpikeSum, populations: tuple[str, ...]) -> dict[str, Any]:
    """What it takes to run a run again, beside its network."""
    state, tree = run.state, to_user(run.model) if run.model.n_synapses <= MOST_SYNAPSES else None
    start = int(state.start)
    low, high = (int(word) for word in np.asarray(state.key))
    numbers, sha = (None, None) if tree is None else (_few(tree), sum_of_tree(tree))
    return msgspec.to_builtins(Again((low, high), start, run.start_step - start, run.n_steps, spikes.of, populations, numbers, sha))


def run_again(plan: Again, text: str, parts: Iterable[type], progress: bool | None) -> Run:
    """The run, from a row and the text of its network.

    **Raises:** `NotReplayableError`, and what building and running a network raises.
    """
    model = read_network(text).build(parts)
    if plan.numbers is not None:
        tree = to_user(model)
        model = from_user(model, _replaced(tree, plan.numbers))[0]
    if plan.sha256 is not None and sum_of_tree(to_user(model)) != plan.sha256:
        raise NotReplayableError(
            "the model that ran had other numbers than its network gives: weights or other arrays were changed after `build`. "
            "They are in a checkpoint or a file of the run, not in its row."
        )
    key = jax.random.wrap_key_data(jnp.asarray(plan.key, jnp.uint32), impl="threefry2x32")
    recorder = Spikes() if plan.of == "spikes" else Counts()
    steps = lambda n: float(n * model.dt_ms) * u.ms  # noqa: E731
    discard = steps(plan.before) if plan.before else None
    return simulate(model, model.init(key, start=plan.start), steps(plan.steps), record=recorder, discard=discard, progress=progress)


def sum_of_tree(tree: Mapping[str, Any]) -> str:
    """The SHA-256 of all numbers of a model in the form of `n4.to_user`: on any number of cores the same."""
    sha = hashlib.sha256()
    for path, leaf in sorted(_leaves(tree)):
        array = np.ascontiguousarray(leaf)
        sha.update(f"{path} {array.dtype.str} {array.shape}\n".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def _leaves(tree: Any, path: str = "") -> list[tuple[str, np.ndarray]]:
    if isinstance(tree, Mapping):
        return [leaf for name, each in tree.items() for leaf in _leaves(each, f"{path}/{name}")]
    return [] if isinstance(tree, str) or tree is None else [(path, np.asarray(tree))]


def _few(tree: Mapping[str, Any]) -> dict[str, Any] | None:
    """The numbers besides weights as lists, where they are few."""
    apart = {name: each for name, each in tree.items() if name not in _APART}
    if sum(leaf.size for _, leaf in _leaves(apart)) > MOST_NUMBERS:
        return None
    return _lists(apart)


def _lists(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {name: _lists(each) for name, each in tree.items()}
    return tree if isinstance(tree, str) or tree is None else np.asarray(tree).tolist()


def _replaced(tree: Any, numbers: Any) -> Any:
    """The tree with these numbers, in its own types."""
    if isinstance(tree, Mapping):
        if not isinstance(numbers, Mapping):
            raise NotReplayableError("the row names other numbers than the network has.")
        return {name: _replaced(each, numbers[name]) if name in numbers else each for name, each in tree.items()}
    if isinstance(tree, str) or tree is None:
        return tree
    return np.asarray(numbers, np.asarray(tree).dtype)


def _check_length(n: int) -> None:
    if n > LARGEST_TEXT:
        raise ValueError(f"its description takes {n:,} characters; a row keeps {LARGEST_TEXT:,}.")
