"""What a target file says: a chip or a processor as data, every number with its flag and its source."""

from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from neuro4d.hardware._interval import Interval

Flag = Literal["measured", "simulated", "vendor", "fitted", "derived", "inferred"]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Natural = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]

BAND = MappingProxyType({"measured": 1.1, "fitted": 1.3, "derived": 1.5, "simulated": 1.5, "vendor": 2.0, "inferred": 3.0})
"""By which factor a number may be wrong in either direction, where its source gives no band."""


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a target file; a key that it does not know is an error."""


class Coefficient(Block, frozen=True, kw_only=True):
    """A number with a band, a flag and a source, in the unit of its table: J, s, W or a count.

    **Fields:** `value`; `low` and `high`: its band, from `BAND` where they are left out; `flag`: how it is known; `source`; `note`.
    """

    value: NotNegative
    flag: Flag
    source: Annotated[str, msgspec.Meta(min_length=3)]
    low: NotNegative | None = None
    high: NotNegative | None = None
    note: str = ""

    @property
    def interval(self) -> Interval:
        """The number with its band."""
        factor = BAND[self.flag]
        low = self.value / factor if self.low is None else self.low
        return Interval(self.value, low, self.value * factor if self.high is None else self.high)


class Chip(Block, frozen=True, kw_only=True):
    """Cores and mesh: `cores` per chip in tiles of `per_tile`, `columns` x `rows` of them; `step`: cores wait for each other (`barrier`)
    or follow a clock with a `tick` in s; `chips`: of the largest system. `multicast`: routers copy packets, so that a core sends one per spike, not one for each
    core that it reaches; `board`: chips lie on this one of `boards()`."""

    cores: Natural
    columns: Natural
    rows: Natural
    per_tile: Natural = 1
    mesh: Literal["square", "hexagonal"] = "square"
    step: Literal["barrier", "clock"]
    tick: Positive | None = None
    chips: Natural
    multicast: bool = False
    board: str | None = None
    source: str


class Limits(Block, frozen=True, kw_only=True):
    """What a core holds, as counts; `None` where nothing is known. `memory`: bits for synapses; `table`: entries of a router; `delay`: steps;
    `buffer`: packets at the end of a link."""

    neurons: Coefficient
    axons_in: Coefficient | None = None
    axons_out: Coefficient | None = None
    memory: Coefficient | None = None
    table: Coefficient | None = None
    delay: Coefficient | None = None
    buffer: Coefficient | None = None


class Packing(Block, frozen=True, kw_only=True):
    """How synapses fill the memory of a core, in bits: `synapse` each, `index` of which name its target, `axon` for each source that reaches the core, in words
    of `word`, at most `block` synapses to an entry. `index`: 0 where it is not known. `crossbar`: `axons_in` x `neurons` are there, whatever is connected."""

    rule: Literal["list", "crossbar"]
    synapse: NotNegative = 0
    index: NotNegative = 0
    axon: NotNegative = 0
    neuron: NotNegative = 0
    word: Natural = 1
    block: Natural = 2**30
    flag: Flag
    source: str


class Energy(Block, frozen=True, kw_only=True):
    """J per event. `event`: a spike at a synapse; `update` and `idle`: a neuron in a step in which something, or nothing, arrives; `spike`: one that
    is made; `message`: one that leaves for another core; `hop`: a message over a link, `hop_rows` where rows differ; `between`: over a link between chips."""

    event: Coefficient
    update: Coefficient
    idle: Coefficient | None = None
    spike: Coefficient | None = None
    message: Coefficient | None = None
    hop: Coefficient | None = None
    hop_rows: Coefficient | None = None
    between: Coefficient | None = None


class Barrier(Block, frozen=True, kw_only=True):
    """How long cores take to agree that a step is over, in s, from `tiles` in use on."""

    tiles: Natural
    time: Coefficient


class Time(Block, frozen=True, kw_only=True):
    """s per event of one core, and what every step needs: `barrier` by tiles, `floor`, `floor_chips` where several chips take part.
    `hop`: from link to link through a router, `link`: how long a packet occupies a link; `timeout`: after so long a router drops a packet that is blocked."""

    event: Coefficient
    update: Coefficient
    idle: Coefficient | None = None
    spike: Coefficient | None = None
    message: Coefficient | None = None
    arrival: Coefficient | None = None
    hop: Coefficient | None = None
    link: Coefficient | None = None
    timeout: Coefficient | None = None
    barrier: tuple[Barrier, ...] = ()
    floor: Coefficient | None = None
    floor_chips: Coefficient | None = None


class Power(Block, frozen=True, kw_only=True):
    """W, whatever happens: of a core that is powered, or `gated`; of a chip, a board of `chips_per_board`, and the embedded processors of a chip (`host`).
    `group`: cores are powered in groups of so many."""

    core: Coefficient | None = None
    gated: Coefficient | None = None
    chip: Coefficient | None = None
    board: Coefficient | None = None
    host: Coefficient | None = None
    chips_per_board: Natural = 1
    group: Natural = 1


class Processor(Block, frozen=True, kw_only=True):
    """A machine with launches and a roofline: `launch` in s per kernel, `kernels` per population and step; operations and bytes per second; W at rest and
    in addition when busy; operations and bytes of an update and of an event."""

    launch: Coefficient
    operations: Coefficient
    bandwidth: Coefficient
    rest: Coefficient
    busy: Coefficient
    kernels: Natural = 4
    update_operations: Positive = 20
    update_bytes: Positive = 32
    event_operations: Positive = 1
    event_bytes: Positive = 8


class ChipTarget(Block, frozen=True, kw_only=True):
    """A chip of cores on a mesh: a whole file."""

    name: str
    title: str
    about: str
    chip: Chip
    limits: Limits
    packing: Packing
    energy: Energy
    time: Time
    power: Power


class ProcessorTarget(Block, frozen=True, kw_only=True):
    """A processor that is given kernels: a whole file."""

    name: str
    title: str
    about: str
    processor: Processor


Target = ChipTarget | ProcessorTarget
