"""`neuro4d zoo`."""

from collections.abc import Sequence

from neuro4d._base import table
from neuro4d.zoo import ZooEntry, get, names


def show() -> int:
    """Prints every entry with its size, reference rates and source."""
    entries = [get(name) for name in names()]
    rows = [(e.name, f"{e.neurons:,}", f"{e.synapses:,}", _rates(e), e.summary, e.source) for e in entries]
    heads = ("name", "neurons", "synapses", "reference rates (Hz)", "what", "source")
    print(_align(heads, rows))
    print("\nSizes and rates at scale 1. `neuro4d run NAME` starts one; `--scale` changes the number of neurons.")
    return 0


def _rates(entry: ZooEntry) -> str:
    bands = entry.rates(1.0 if entry.scale is not None else None)
    return " ".join(dict.fromkeys(band.span for band in bands))


def _align(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """The two columns of sizes at the right, all texts at the left."""
    width = [max(len(row[i]) for row in (heads, *rows)) for i in (1, 2)]
    shifted = [(row[0], row[1].rjust(width[0]), row[2].rjust(width[1]), *row[3:]) for row in (heads, *rows)]
    return table(shifted[0], shifted[1:], left=len(heads))
