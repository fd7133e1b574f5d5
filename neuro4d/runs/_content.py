"""Rows before they are written: what the user says, and what results say."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from types import MappingProxyType
from typing import Any

import msgspec

from neuro4d._base import check_seed, load_1_minute, machine, now, versions
from neuro4d.runs._facts import Facts
from neuro4d.runs._plain import plain, plain_mapping
from neuro4d.runs._row import Content, file_sum


def content(
    parameters: Mapping[str, Any] | None,
    seed: int | None,
    metrics: Mapping[str, Any] | None,
    files: Iterable[str | PathLike[str]],
    note: str,
) -> Content:
    """What the user says, as plain values; everything is checked here, before anything is written."""
    if not isinstance(note, str):
        raise TypeError(f"note is text; got {note!r:.80}.")
    return Content(
        parameters=plain_mapping(parameters, "parameters"),
        metrics=plain_mapping(metrics, "metrics"),
        versions=dict(_versions()),
        machine=_machine() | {"load_1_minute": load_1_minute()},
        seed=None if seed is None else check_seed(seed),
        ended=now(),
        files=tuple(file_sum(path) for path in _several(files)),
        note=note,
    )


def with_facts(said: Content, facts: Facts) -> Content:
    """What a result says, below what the user says.

    **Raises:** `ValueError` where the two name one parameter.
    """
    twice = sorted(set(said.parameters) & set(facts.parameters))
    if twice:
        raise ValueError(f"parameters: {', '.join(twice)} is told by the result itself; give yours another name.")
    return msgspec.structs.replace(
        said,
        parameters=plain(facts.parameters, "parameters") | said.parameters,
        metrics=plain(facts.metrics, "metrics") | said.metrics,
        model=plain(facts.model, "model"),
        versions=said.versions | (facts.versions or {}),
        machine=said.machine if facts.machine is None else plain(facts.machine, "machine"),
        seed=facts.seed if said.seed is None else said.seed,
        spikes=facts.spikes,
        again=facts.again,
    )


def with_network(said: Content, sha256: str | None, why: str | None) -> Content:
    """With the sum of the text of the network, or the reason why there is none."""
    model = said.model if why is None else said.model | {"not_described": why}
    return msgspec.structs.replace(said, network=sha256, model=model)


@functools.cache
def _versions() -> Mapping[str, str]:
    """Asked once: looking them up takes as long as writing twenty rows."""
    return MappingProxyType(versions())


@functools.cache
def _machine() -> dict[str, Any]:
    """What does not change while a process lives. Not to be changed; `|` makes another."""
    return plain(machine(), "machine")


def _several(files: Any) -> Sequence[Any]:
    if isinstance(files, str | PathLike):
        raise TypeError(f"files is a list of paths, `files=[{str(files)!r}]`; got one path.")
    return tuple(files)
