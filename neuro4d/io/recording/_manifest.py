"""What a recording on disk says of itself: one small file, replaced as a whole after everything that it speaks of is there."""

import dataclasses
import math
from pathlib import Path
from typing import Any, NamedTuple

from neuro4d._base import CorruptFileError
from neuro4d.io.checkpoint._folder import check_kind
from neuro4d.io.checkpoint._snapshot import as_text, read_body, write_text

FORMAT = 1
KIND = "recording of spikes"
NAME = "manifest.json"

_MOST_EVENTS, _MOST_NEURONS, _MOST_STEPS = 1 << 48, 1 << 31, 1 << 32


class Listed(NamedTuple):
    """A population in a recording: its name, its neurons, and its events that count."""

    name: str
    n: int
    events: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The steps `start_step` to `start_step + n_steps - 1` were recorded. What lies beyond the events that are listed does not count."""

    dt_ms: float
    start_step: int
    n_steps: int
    populations: tuple[Listed, ...]

    @property
    def end(self) -> int:
        """The step after the last."""
        return self.start_step + self.n_steps


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Puts a manifest in the place of the one before: it is whole before and after, and on the disk when this returns."""
    populations = [list(each) for each in manifest.populations]
    steps = {"dt_ms": manifest.dt_ms, "start_step": manifest.start_step, "n_steps": manifest.n_steps}
    write_text(folder / NAME, as_text({"format": FORMAT, **steps, "populations": populations}))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a recording.

    **Raises:** `FileNotFoundError` where there is none; `CorruptFileError` for a damaged one; `ValueError` for one of a later version.
    """
    if not (folder / NAME).is_file():
        raise FileNotFoundError(f"{str(folder)!r} is no recording of spikes: it has no {NAME}. `record=n4.io.SpikesToDisk({str(folder)!r})` makes one.")
    check_kind(folder, KIND)
    data = read_body(folder / NAME)
    try:
        return _from_data(data)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(f"{str(folder / NAME)!r} is damaged: {error}.") from error


def _from_data(data: dict[str, Any]) -> Manifest:
    if data["format"] != FORMAT:
        raise ValueError(f"it has format {data['format']!r:.20}, and this neuro4d reads format {FORMAT}")
    if set(data) != {"format", "dt_ms", "start_step", "n_steps", "populations"}:
        raise ValueError(f"its entries are {sorted(map(str, data))!r:.200}")
    populations = []
    for name, n, events in data["populations"]:
        if not isinstance(name, str):
            raise ValueError(f"a population is named {name!r:.60}")
        populations.append(Listed(name, _whole(n, "neurons", _MOST_NEURONS), _whole(events, "events", _MOST_EVENTS)))
    if len({each.name for each in populations}) != len(populations):
        raise ValueError("two populations have one name")
    dt_ms = data["dt_ms"]
    if not isinstance(dt_ms, float) or not 0 < dt_ms < math.inf:
        raise ValueError(f"a time step of {dt_ms!r:.60} ms")
    start, n_steps = (_whole(data[name], name, _MOST_STEPS) for name in ("start_step", "n_steps"))
    return Manifest(dt_ms, start, n_steps, tuple(populations))


def _whole(value: Any, what: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{what} are a whole number from 0 to {most}; got {value!r:.60}")
    return value
