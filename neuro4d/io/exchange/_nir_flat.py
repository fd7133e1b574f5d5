"""A graph of NIR without graphs inside it."""

from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import check_name
from neuro4d.io.exchange._nir_cells import FIRING, GRADED

LINEAR = ("Linear", "Affine", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Identity", "Delay")
KNOWN = ("Input", "Output", "NIRGraph", *LINEAR, *FIRING, *GRADED)
DEEPEST = 16
"""Graphs inside graphs."""


class Flat(NamedTuple):
    """Nodes by name, those before each node, and those behind it. `wires` are ends of inner graphs, which hand on what they get."""

    nodes: dict[str, Any]
    before: dict[str, list[str]]
    after: dict[str, list[str]]
    wires: frozenset[str]

    def kind(self, name: str) -> str:
        """The class of a node, `Identity` for a wire."""
        return "Identity" if name in self.wires else type(self.nodes[name]).__name__


def flatten(graph: Any, problems: list[str]) -> Flat:
    """All nodes of a graph, those of inner graphs under the name of both, joined by a dot. What cannot be read is added to `problems`."""
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    wires: set[str] = set()
    _collect(graph, "", nodes, edges, wires, problems, 0)
    before: dict[str, list[str]] = {name: [] for name in nodes}
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in dict.fromkeys(edges):
        if a not in nodes or b not in nodes:
            problems.append(f"an edge from {a!r} to {b!r}: there is no node {a if a not in nodes else b!r}")
            continue
        before[b].append(a)
        after[a].append(b)
    return Flat(nodes, before, after, frozenset(wires))


def _collect(graph: Any, prefix: str, nodes: dict, edges: list, wires: set, problems: list[str], depth: int) -> None:
    if depth > DEEPEST:
        problems.append(f"node {prefix[:-1]!r}: graphs inside graphs, more than {DEEPEST}")
        return
    inner: dict[str, tuple[list[str], list[str]]] = {}
    for key, node in graph.nodes.items():
        name, kind = f"{prefix}{key}", type(node).__name__
        if kind == "NIRGraph":
            _collect(node, f"{name}.", nodes, edges, wires, problems, depth + 1)
            ends = [[f"{name}.{k}" for k, each in node.nodes.items() if type(each).__name__ == end] for end in ("Input", "Output")]
            inner[name] = (ends[0], ends[1])
            continue
        if kind not in KNOWN:
            problems.append(f"node {name!r}: {kind}")
        nodes[name] = node
        if prefix and kind in ("Input", "Output"):
            wires.add(name)
    for a, b in graph.edges:
        edges.extend(_joined(f"{prefix}{a}", f"{prefix}{b}", inner, problems))


def _joined(a: str, b: str, inner: dict[str, tuple[list[str], list[str]]], problems: list[str]) -> list[tuple[str, str]]:
    """An edge, where it begins or ends at an inner graph those of its output or input."""
    ends = []
    for name, which in ((a, 1), (b, 0)):
        found = inner[name][which] if name in inner else [name]
        if len(found) != 1:
            problems.append(f"node {name!r}: an inner graph with {len(found)} {'outputs' if which else 'inputs'}, exactly one can be joined")
            return []
        ends.append(found[0])
    return [(ends[0], ends[1])]


def shape_of(node: Any, kind: str) -> tuple[int, ...]:
    """The axes of what a node sends."""
    if kind == "Input":
        return tuple(int(x) for x in np.atleast_1d(node.input_type["input"]))
    return tuple(np.asarray(node.threshold if kind == "Threshold" else node.r).shape) or (1,)


def safe_name(name: str, used: set[str]) -> str:
    """A name that a network takes and that is not used yet; it is added to those that are."""
    kept = "".join(letter if letter.isalnum() or letter in "_-.+ " else "_" for letter in name).strip().lstrip(".").strip()[:80] or "node"
    found, number = kept, 1
    while found in used:
        number += 1
        found = f"{kept} {number}"
    used.add(check_name(found, "node"))
    return found
