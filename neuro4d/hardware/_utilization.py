"""How full cores are, as fractions."""

import dataclasses

from neuro4d._base import card, html_table, table
from neuro4d.hardware._packing import Usage, limits
from neuro4d.hardware._partition import used
from neuro4d.hardware._placement import Placement

HEAD = ("resource", "in use", "fullest core")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Utilization:
    """How full a chip is, as fractions.

    **Fields:** `cores`: of the cores of all chips in use; `memory`, `neurons`, `axons_in`, `axons_out`: of what the cores in use have together, `None` where the limit of a core is
    not known; `fullest`: of the fullest core, by resource.
    """

    target: str
    cores: float
    neurons: float | None
    axons_in: float | None
    axons_out: float | None
    memory: float | None
    fullest: dict[str, float]

    def rows(self) -> list[tuple[str, str, str]]:
        """What is printed: a resource, its share over cores in use, and that of the fullest core."""
        names = [name for name in ("neurons", "axons_in", "axons_out", "memory") if getattr(self, name) is not None]
        return [("cores", f"{self.cores:.1%}", ""), *((name, f"{getattr(self, name):.1%}", f"{self.fullest[name]:.1%}") for name in names)]

    def __repr__(self) -> str:
        return f"Utilization of {self.target}\n{table(HEAD, self.rows())}"

    def _repr_html_(self) -> str:
        return card(f"Utilization of {self.target}", html_table(HEAD, self.rows()))


def stored(placement: Placement) -> Usage:
    """What each core uses, with its memory as it is stored after `compress`."""
    found = used(placement)
    return found if placement.layout is None else found._replace(memory=placement.layout.memory)


def utilization(placement: Placement) -> Utilization:
    """How full the chips and the cores of a placement are; memory as it is stored after `compress`.

    !!! Example

        >>> nothing = np.zeros(0, int)
        >>> work = n4.hardware.layered(["E"], [1500], nothing, nothing, np.zeros(1500), dt=1*u.ms, steps=1)
        >>> n4.hardware.utilization(n4.hardware.partition(work, n4.hardware.target("loihi1")))
        Utilization of loihi1
        resource   in use  fullest core
        ---------  ------  ------------
        cores        1.6%
        neurons     73.2%        100.0%
        axons_in     0.0%          0.0%
        axons_out    0.0%          0.0%
        memory       0.0%          0.0%
    """
    found = stored(placement)
    known = limits(placement.target)
    share = {name: float(getattr(found, name).mean()) / limit for name, limit in known.items()}
    return Utilization(
        target=placement.target.name,
        cores=placement.n_cores / (placement.n_chips * placement.chip.cores),
        neurons=share.get("neurons"),
        axons_in=share.get("axons_in"),
        axons_out=share.get("axons_out"),
        memory=share.get("memory"),
        fullest={name: float(getattr(found, name).max()) / limit for name, limit in known.items()},
    )
