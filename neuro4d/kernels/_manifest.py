"""What the compiled handlers offer, as they say it themselves."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class NativeLimits(NamedTuple):
    """How much one native call serves: the receptors of a group, and the axes that `vmap` puts around it."""

    ports: int
    batch_axes: int


class NativeFields(NamedTuple):
    """A cell or receptor of the manifest: its number, and the names of its parameters and variables; `made`: these are results only."""

    number: int
    params: tuple[str, ...]
    state: tuple[str, ...]
    made: bool = False


class NativeManifest(NamedTuple):
    """Cells and receptors by their Python names, and limits."""

    cells: Mapping[str, NativeFields]
    receptors: Mapping[str, NativeFields]
    limits: NativeLimits


def read_manifest(raw: Mapping[str, Any]) -> NativeManifest:
    """The manifest from what the extension gives. Raises `LookupError`, `TypeError` or `ValueError` for another form."""
    limits = NativeLimits(**{name: int(raw["limits"][name]) for name in NativeLimits._fields})
    return NativeManifest(_parts(raw["cells"]), _parts(raw["receptors"]), limits)


def _parts(raw: Any) -> dict[str, NativeFields]:
    return {part["name"]: NativeFields(number, tuple(part["params"]), tuple(part["state"]), bool(part["made"])) for number, part in enumerate(raw)}
