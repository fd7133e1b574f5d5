"""A model as a tree with what identifies it, and whether another model is the same."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import brainunit as u
import jax
import numpy as np

from neuro4d.io._leaves import Leaf, differences, flatten, joined
from neuro4d.model import Model, State, from_user, model_tree, state_tree, to_user, unit_finder, wiring

PAST = ("spikes", "soft", "near", "coming")
"""Parts of a state whose first axis counts steps, of which a model may keep more or fewer."""

EDGES = "edges:"
"""Before sums over edges, as `wiring` makes them; the first files had checksums of another kind."""


def model_arrays(model: Model) -> dict[str, Any]:
    """The arrays of a model: parameters, weights, gap junctions."""
    return _arrays(to_user(model))


def _arrays(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in tree.items() if isinstance(part, Mapping)}


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
    synapses = {name: [n, f"{EDGES}{total:016x}"] for name, (n, total) in wiring(model).items()}
    return basics(model) | {"synapses": synapses | {name: _wired(model, name) for name in model.gaps}}


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
    if any(not str(row[1]).startswith(EDGES) for name, row in stored.get("synapses", {}).items() if name in model.projections):
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


def check_model(stored: Sequence[Leaf], model: Model, synapses: Mapping[str, int], what: str) -> None:
    """Raises one `ValueError` that lists everything in which the rows of a model differ from this one. `synapses`: how many each projection has, which was seen to be
    the same in both."""
    weights = {span.name: np.asarray(model.pathways[span.pathway].weight) for span in model.layout.projections}
    shapes = {name: np.broadcast_to(np.zeros((), x.dtype), (synapses[name], *x.shape[1:])) for name, x in weights.items()}
    _check(stored, model, _arrays(model_tree(model, shapes)), what)


def check_state(stored: Sequence[Leaf], model: Model, what: str) -> None:
    """The same of the rows of a state; how many past steps it has is free."""
    _check(stored, model, {"state": state_tree(model, fresh_state(model))}, what)


def _check(stored: Sequence[Leaf], model: Model, tree: Mapping[str, Any], what: str) -> None:
    rows = flatten(tree, unit_finder(model), checksums=False)[0]
    refuse(differences(stored, rows, rows_free=lambda row: row.path[1:2] != () and row.path[1] in PAST), what)


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
