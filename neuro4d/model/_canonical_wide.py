"""What rules hold that need more than spikes, in the canonical form: by target of an edge, and by population and port."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from neuro4d.model._learn_wide import coming, served
from neuro4d.model._model import Model
from neuro4d.model._shares import Share, check_counts, shares
from neuro4d.model._state import EdgeState, State, Wide


def wide_tree(held: EdgeState, share: Share) -> dict[str, np.ndarray]:
    """The variables per target that each of some edges sees, `"target.theta"`."""
    return {} if held.wide is None else {f"target.{name}": np.asarray(x)[share.target] for name, x in held.wide.targets.items()}


def coming_tree(model: Model, state: State) -> dict[str, dict[str, np.ndarray]]:
    """What is on its way along dendrites, by population and port."""
    found = {}
    for group in model.layout.groups:
        sums = coming(model, state, group)
        for span in group.spans if sums else ():
            found[span.name] = {port: x[:, span.start : span.start + span.size] for port, x in sums.items()}
    return found


def wide_from(model: Model, pathway: str, fresh: EdgeState, tree: Mapping[str, Any]) -> Wide | None:
    """What the rule of a pathway holds, from the state of a tree."""
    if fresh.wide is None:
        return None
    targets = {name: np.array(x) for name, x in fresh.wide.targets.items()}
    names = [span.name for span in model.layout.projections_by_pathway[pathway] if span.name in tree["edges"]]
    counts = dict.fromkeys(names, 0)
    for share in shares(model, pathway, names) if targets else ():
        counts[share.span.name] = share.here.stop
        for variable, values in targets.items():
            given = tree["edges"][share.span.name][f"target.{variable}"]
            if len(given) >= share.here.stop:
                values[share.target] = given[share.here]
    for variable, values in targets.items():
        check_counts(counts, {name: tree["edges"][name][f"target.{variable}"] for name in names}, each=values.shape[1:])
    return Wide({name: jnp.asarray(x) for name, x in targets.items()}, later_from(model, pathway, fresh, tree))


def later_from(model: Model, pathway: str, fresh: EdgeState, tree: Mapping[str, Any]) -> Any:
    """What a pathway has on its way along dendrites, if it sends any, from the state of a tree."""
    if fresh.wide is None or fresh.wide.later is None:
        return None
    return jnp.asarray(_later_from(model, pathway, np.array(fresh.wide.later), tree))


def _later_from(model: Model, pathway: str, later: np.ndarray, tree: Mapping[str, Any]) -> np.ndarray:
    """What is on its way at a port is given to the first pathway along dendrites that reaches it: sums do not say where they come from."""
    path, group, slots = model.pathways[pathway], model.layout.group(model.pathways[pathway].target), len(later)
    rows = np.zeros((slots, path.n_ports, path.n_blocks * path.width), later.dtype)
    taken = _ports_before(model, pathway)
    for span in group.spans:
        for port, values in tree.get("coming", {}).get(span.name, {}).items():
            if np.any(values[slots:]) or np.shape(values)[1] != span.size:
                raise ValueError(
                    f"population {span.name!r} has {span.size} neurons and delays below {slots} steps; the tree has spikes on their way for "
                    f"{np.shape(values)[1]} neurons and {len(values)} steps."
                )
            number = group.port_number(port)
            if number in served(model, group, pathway) and number not in taken:
                rows[: len(values), number, span.start : span.start + span.size] = values[:slots]
    blocks = rows.reshape(slots, path.n_ports, path.n_blocks, path.width).transpose(0, 2, 1, 3).reshape(slots, -1)
    return np.roll(blocks, int(tree["step"]) % slots, axis=0)


def _ports_before(model: Model, pathway: str) -> set[int]:
    """The ports that pathways before this one reach along dendrites."""
    group, found = model.layout.group(model.pathways[pathway].target), set()
    for name, path in model.pathways.items():
        if name == pathway:
            break
        rule = model.plasticity.get(name)
        if path.target == group.name and rule is not None and rule.dendritic():
            found |= {*served(model, group, name)}
    return found
