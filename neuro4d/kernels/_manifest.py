"""What the compiled handlers offer, as they say it themselves."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

ENUMERATIONS = MappingProxyType(
    {
        "weight_kinds": ("one", "source", "edge"),
        "isas": ("baseline", "avx2", "avx512"),
        "extra_kinds": ("current", "conductance", "jump", "arrival", "noise", "colored_noise"),
    }
)
"""Names whose places are numbers that a call speaks of: the handlers must have the same."""


def numbers(enumeration: str) -> Mapping[str, int]:
    """The numbers of the names of an enumeration."""
    return MappingProxyType({name: number for number, name in enumerate(ENUMERATIONS[enumeration])})


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


class NativeRule(NamedTuple):
    """A rule of plasticity of the manifest: its number, and the names of its parameters, its traces of arrivals and of targets."""

    number: int
    params: tuple[str, ...]
    pre: tuple[str, ...]
    post: tuple[str, ...]


class NativeManifest(NamedTuple):
    """Cells, receptors and rules of plasticity by their Python names, and limits."""

    cells: Mapping[str, NativeFields]
    receptors: Mapping[str, NativeFields]
    rules: Mapping[str, NativeRule]
    limits: NativeLimits


def read_manifest(raw: Mapping[str, Any]) -> NativeManifest:
    """The manifest from what the extension gives. Raises `LookupError`, `TypeError` or `ValueError` for another form."""
    limits = NativeLimits(**{name: int(raw["limits"][name]) for name in NativeLimits._fields})
    for name, ours in ENUMERATIONS.items():
        if tuple(raw["enumerations"][name]) != ours:
            raise ValueError(f"expected {name} {', '.join(ours)}; got {', '.join(raw['enumerations'][name])}")
    rules = {rule["name"]: NativeRule(k, *(tuple(rule[what]) for what in ("params", "pre", "post"))) for k, rule in enumerate(raw["rules"])}
    return NativeManifest(_parts(raw["cells"]), _parts(raw["receptors"]), rules, limits)


def _parts(raw: Any) -> dict[str, NativeFields]:
    return {part["name"]: NativeFields(number, tuple(part["params"]), tuple(part["state"]), bool(part["made"])) for number, part in enumerate(raw)}
