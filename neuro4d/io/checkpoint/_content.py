"""A model as a tree with what identifies it, and whether another model is the same."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import brainunit as u
import jax
import numpy as np

from neuro4d.io._leaves import Leaf, differences, flatten, joined
from neuro4d.model import Model, Share, State, from_user, shares, state_tree, to_user, unit_finder

PAST = ("spikes", "soft", "near", "coming")
"""Parts of a state whose first axis counts steps, of which a model may keep more or fewer."""

ROWS = "rows:"
"""Before checksums that are taken row by row, which the first files did not have."""


def model_tree(model: Model) -> dict[str, Any]:
    """The arrays of a model: parameters, weights, gap junctions."""
    return {name: part for name, part in to_user(model).items() if isinstance(part, Mapping)}


def with_tree(model: Model, tree: Mapping[str, Any]) -> Model:
    """A model with the numbers of `model_tree`."""
    return from_user(model, {"seed": model.build_seed, **tree})[0]


def basics(model: Model) -> dict[str, Any]:
    """What identifies a model, without its synapses: plain data."""
    return {
        "fingerprint": model.fingerprint(),
        "seed": model.build_seed,
        "dt_ms": model.dt_ms,
        "precision": np.dtype(model.dtype).name,
        "populations": {name: span.size for name, span in model.populations.items()},
    }


def identity(model: Model) -> dict[str, Any]:
    """What two models must have in common to exchange numbers: plain data."""
    return basics(model) | {"synapses": _synapses_of(model) | {name: _wired(model, name) for name in model.gaps}}


class _Wiring:
    """A checksum of who is connected to whom and how late, from edges that come one behind the other."""

    def __init__(self, model: Model, projection: str):
        self.counts = np.zeros(model.populations[model.layout.projections_by_name[projection].pre.population].size, np.int64)
        self.posts, self.delays = hashlib.sha256(), hashlib.sha256()

    def take(self, share: Share, grid: bool) -> None:
        """Some more edges; `grid`: whether delays are no numbers of the model, which training changes."""
        if not share.n:
            return
        pre = share.pre
        first = int(pre[0])
        found = np.bincount(pre - first)
        self.counts[first : first + len(found)] += found
        self.posts.update(np.ascontiguousarray(share.post, "<i4").data)
        if grid:
            self.delays.update(np.ascontiguousarray(share.delay, "<i4").data)

    def row(self) -> list[Any]:
        """The number of edges and the checksum."""
        whole = hashlib.sha256(self.counts.astype("<i8").tobytes() + self.posts.digest() + self.delays.digest())
        return [int(self.counts.sum()), ROWS + whole.hexdigest()]


def _synapses_of(model: Model) -> dict[str, Any]:
    """By projection, the number of its synapses and their checksum: one pass over each pathway."""
    found = {name: _Wiring(model, name) for name in model.projections}
    for pathway, spans in model.layout.projections_by_pathway.items():
        for share in shares(model, pathway, [span.name for span in spans]):
            found[share.span.name].take(share, model.pathways[pathway].free is None)
    return {name: wiring.row() for name, wiring in found.items()}


def _wired(model: Model, name: str) -> list[Any]:
    """The number of gap junctions, or of synapses of a projection, and a checksum as the first files had it for both."""
    edges = model.edges(name)
    found = hashlib.sha256()
    for values in (edges.pre, edges.post):
        found.update(np.ascontiguousarray(values, np.int64).data)
    steps = np.broadcast_to(np.asarray(edges.delay.to_decimal(u.ms), np.float64) / model.dt_ms, np.shape(edges.pre))
    found.update(np.ascontiguousarray(np.round(steps, 6)).data)
    return [len(edges.pre), found.hexdigest()]


def other_settings(stored: Mapping[str, Any], model: Model) -> list[str]:
    """In which arguments of `build` a model differs from the one that was stored, one sentence each."""
    own = {"dt_ms": model.dt_ms, "precision": np.dtype(model.dtype).name, "seed": model.build_seed}
    names = {"dt_ms": "the time step (ms)", "precision": "the precision", "seed": "the seed of `build`"}
    return [f"{names[key]} is {stored.get(key)!r} in the file and {value!r} in the model" for key, value in own.items() if stored.get(key) != value]


def unlike(stored: Mapping[str, Any], model: Model) -> list[str]:
    """In what a model differs from the one that was stored, one sentence each; empty where states and weights can be exchanged."""
    own, found = identity(model), other_settings(stored, model)
    if any(not str(row[1]).startswith(ROWS) for name, row in stored.get("synapses", {}).items() if name in model.projections):
        own["synapses"] = {name: _wired(model, name) for name in own["synapses"]}
    for key, what, text in (("populations", "population", _neurons), ("synapses", "projection", _synapses)):
        old, new = stored.get(key, {}), own[key]
        found += [f"{what} {name!r} is not in the model" for name in old if name not in new]
        found += [f"{what} {name!r} is not in the file" for name in new if name not in old]
        found += [text(name, old[name], new[name]) for name in old if name in new and old[name] != new[name]]
    if not found and stored.get("fingerprint") != own["fingerprint"]:
        found.append("populations, ports or delays have another structure (`model.fingerprint()`)")
    return found


def _neurons(name: str, old: Any, new: Any) -> str:
    return f"population {name!r} has {old} neurons in the file and {new} in the model"


def _synapses(name: str, old: Any, new: Any) -> str:
    if old[0] != new[0]:
        return f"projection {name!r} has {old[0]} synapses in the file and {new[0]} in the model"
    return f"projection {name!r} connects other neurons, or with other delays"


def check_rows(stored: Sequence[Leaf], model: Model, state: bool, what: str, before: Sequence[str] = ()) -> None:
    """Raises one `ValueError` that lists everything in which rows and model differ, after the differences that were found `before`."""
    found = list(before)
    if not found:  # else every row differs, and none says why
        tree: dict[str, Any] = {"state": state_tree(model, fresh_state(model))} if state else model_tree(model)
        found = differences(stored, flatten(tree, unit_finder(model), checksums=False)[0], rows_free=lambda row: row.path[1:2] != () and row.path[1] in PAST)
    refuse(found, what)


def refuse(found: Sequence[str], what: str) -> None:
    """Raises one error with all differences, if there are any."""
    if found:
        raise ValueError(
            f"{what} does not belong to this model:{joined(found)}\nBuild the network as it was built there, or leave `model` out: then it is built "
            "from the file. `n4.from_user` takes numbers by name into another network."
        )


def fresh_state(model: Model) -> State:
    """Any state of a model: for its shapes."""
    return model.init(jax.random.key(0))


def marks(rows: Sequence[Leaf]) -> list[Any]:
    """What tells the numbers of one tree from those of another: equal for equal trees, whether or not their rows have units."""
    return [(row.path, row.shape, row.dtype, row.sha256) for row in rows]


def tree_digest(tree: Mapping[str, Any]) -> str:
    """One checksum for a whole tree."""
    rows = flatten(tree)[0]
    return hashlib.sha256(repr([row.as_json() for row in rows]).encode()).hexdigest()
