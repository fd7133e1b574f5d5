"""Morton (Z) order: neighbours in space become neighbours in memory.

Morton, G. M. (1966), A computer oriented geodetic data base and a new technique in file sequencing. IBM.
"""

import dataclasses

import numpy as np
from jaxtyping import Int, UInt64


def morton_code(sites: Int[np.ndarray, "n axes"]) -> UInt64[np.ndarray, "n"]:
    """The bits of the coordinates, interleaved: bit `b` of axis `a` becomes bit `b * axes + a`.

    **Arguments:** `sites`, coordinates from 0 to `2**(64 // axes) - 1` (16 bits for each of 4 axes).

    **Raises:** `TypeError` for coordinates that are not integers, `ValueError` for a wrong shape and for a coordinate out of range.

    !!! Example

        >>> import numpy as np
        >>> from neuro4d.lattice import morton_code
        >>> morton_code(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [2, 0, 0, 0]])).tolist()
        [1, 2, 8, 16]
    """
    sites = _checked(sites)
    n_axes = sites.shape[1]
    bits = 64 // n_axes
    if sites.size and (sites.min() < 0 or int(sites.max()) >= 1 << bits):
        bad = int(np.flatnonzero((sites < 0).any(axis=1) | (sites.astype(np.uint64) >> np.uint64(bits - 1) > 1).any(axis=1))[0])
        raise ValueError(f"a Morton code of {n_axes} axes takes coordinates from 0 to {2**bits - 1}; site {bad} is {sites[bad].tolist()}.")
    spread = _spread_table(n_axes, min(bits, 8))
    code = np.zeros(len(sites), np.uint64)
    for axis in range(n_axes):
        rest, shift = sites[:, axis].astype(np.uint64), axis
        while rest.any():  # one byte of the coordinate at a time
            code |= spread[rest & np.uint64(len(spread) - 1)] << np.uint64(shift)
            rest >>= np.uint64(8)
            shift += 8 * n_axes
    return code


def _checked(sites) -> np.ndarray:
    sites = np.asarray(sites)
    if sites.dtype.kind not in "iu":
        raise TypeError(f"sites are whole numbers; got an array of {sites.dtype}.")
    if sites.ndim != 2 or not 1 <= sites.shape[1] <= 16:
        raise ValueError(f"sites have the shape (n, axes) with 1 to 16 axes; got {sites.shape}.")
    return sites


def _spread_table(n_axes: int, bits: int) -> np.ndarray:
    values = np.arange(1 << bits, dtype=np.uint64)
    table = np.zeros_like(values)
    for bit in range(bits):
        table |= (values >> np.uint64(bit) & np.uint64(1)) << np.uint64(bit * n_axes)
    return table


def morton_order(sites: Int[np.ndarray, "n axes"]) -> Int[np.ndarray, "n"]:
    """The permutation that sorts sites by their Morton code; equal sites keep their order.

    !!! Example

        >>> import numpy as np
        >>> from neuro4d.lattice import morton_order
        >>> morton_order(np.array([[3, 3], [0, 1], [1, 0], [0, 0]])).tolist()
        [3, 2, 1, 0]
    """
    return np.argsort(morton_code(sites), kind="stable")


@dataclasses.dataclass(frozen=True)
class AccessPattern:
    """How far apart in space things lie that are next to each other in memory."""

    n_accesses: int
    unique_sites: int
    mean_jump: float
    max_jump: float

    @property
    def locality(self) -> float:
        r"""$1 / (1 + \text{mean jump})$: 1 when consecutive accesses stay at one site."""
        return 1.0 / (1.0 + self.mean_jump)


def access_pattern(sites: Int[np.ndarray, "n axes"], order: Int[np.ndarray, "m"] | None = None) -> AccessPattern:
    """Statistics of the jumps between consecutively visited sites, in units of the lattice spacing.

    **Arguments:** `sites`, and the `order` in which they are visited (as they stand if omitted).
    """
    visited = _checked(sites) if order is None else _checked(sites)[np.asarray(order)]
    jumps = np.sqrt((np.diff(visited.astype(np.float64), axis=0) ** 2).sum(axis=1))
    mean, largest = (float(jumps.mean()), float(jumps.max())) if len(jumps) else (0.0, 0.0)
    return AccessPattern(len(visited), len(np.unique(visited, axis=0)), mean, largest)


def locality(sites: Int[np.ndarray, "n axes"], order: Int[np.ndarray, "m"] | None = None) -> float:
    r"""The locality score $1 / (1 + \text{mean jump})$ of visiting sites in an order.

    !!! Example

        >>> import numpy as np
        >>> from neuro4d.lattice import locality, morton_order
        >>> sites = np.random.default_rng(0).integers(0, 16, (2000, 4))
        >>> locality(sites, morton_order(sites)) > 1.5 * locality(sites)
        True
    """
    return access_pattern(sites, order).locality
