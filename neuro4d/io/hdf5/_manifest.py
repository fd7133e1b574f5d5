"""The manifest of a model in an HDF5 file, read from bytes that may come from anybody."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from neuro4d._base import CorruptFileError
from neuro4d.io._leaves import Leaf, rows_from
from neuro4d.io.hdf5._writer import FORMAT, KIND

_KEYS = frozenset({"format", "kind", "versions", "description", "why", "network", "has_state", "rows"})
_NETWORK = frozenset({"fingerprint", "seed", "dt_ms", "precision", "populations", "projections", "areas"})


def parsed(text: bytes, path: Path) -> tuple[dict[str, Any], list[Leaf]]:
    """The content of a manifest and its rows, every part of it checked.

    **Raises:** `CorruptFileError`; `ValueError` for a later format.
    """
    try:
        whole = json.loads(text)
        content = whole["content"]
        known = hashlib.sha256(json.dumps(content, allow_nan=False, separators=(",", ":")).encode()).hexdigest()
        if known != whole["sha256"] or content["kind"] != KIND:
            raise ValueError("its checksum is not that of its content")
        later = isinstance(content["format"], int) and content["format"] > FORMAT
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptFileError(f"the manifest of {str(path)!r} is damaged: {str(error)[:200]}.") from error
    if later:
        raise ValueError(f"{str(path)!r} has format {content['format']}, and this neuro4d reads format {FORMAT}. Update: `pip install -U neuro4d`.")
    try:
        _check(content)
        return content, rows_from(content["rows"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(f"the manifest of {str(path)!r} is damaged: {str(error)[:200]}.") from error


def _check(content: dict[str, Any]) -> None:
    network = content["network"]
    if set(content) != _KEYS or content["format"] != FORMAT or set(network) != _NETWORK:
        raise ValueError(f"its entries are {sorted(map(str, content))}, {sorted(map(str, network))}")
    if not (content["description"] is None or isinstance(content["description"], str)) or not isinstance(content["why"], str):
        raise ValueError("its description is no text")
    if not isinstance(content["has_state"], bool) or not isinstance(content["versions"], dict):
        raise ValueError("it does not say whether it has a state, or who wrote it")
    dt = network["dt_ms"]
    if not isinstance(dt, float) or not 0 < dt < math.inf:
        raise ValueError(f"a time step of {dt!r:.60} ms")
    for name, n in network["populations"].items():
        _count(n, name)
    for name, (source, target, n) in network["projections"].items():
        _count(n, name)
        if source not in network["populations"] or target not in network["populations"]:
            raise ValueError(f"projection {name!r:.80} has ends {source!r:.80} and {target!r:.80}")
    if not isinstance(network["areas"], list) or not all(isinstance(name, str) for name in network["areas"]):
        raise ValueError("its areas are no names")


def _count(n: Any, name: str) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 1 << 48:
        raise ValueError(f"{name!r:.80} has {n!r:.60} members")
