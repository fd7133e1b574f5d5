"""What a state holds of synapses that come and go."""

from typing import NamedTuple

from jaxtyping import Array, Float, Int32, UInt, UInt32


class Elements(NamedTuple):
    """Synaptic elements, and the calcium that they follow: of the sources of a projection and of its targets."""

    axonal: Float[Array, " sources"]
    dendritic: Float[Array, " targets"]
    calcium_pre: Float[Array, " sources"]
    calcium_post: Float[Array, " targets"]


class Slots(NamedTuple):
    """Which synapses exist, in rows with room behind them, as `Pathway` has its arrays of that name.

    **Fields:** `targets`, `bounds`; `fan_in`: how many synapses of the pathway reach each neuron of the target group; `born`: the event at which a synapse
    was formed, 0 for those of the beginning, and `used`: the last event before which a source fired; `spikes_pre`, `spikes_post`: spikes of both ends
    counted up to the last event; `elements`: where there is growth; `formed`, `pruned`, `refused`: how many synapses were, since the beginning, modulo 2^32.
    """

    targets: UInt[Array, " nnz"]
    bounds: UInt32[Array, "n_source blocks+1"]
    fan_in: Int32[Array, " n_target"]
    born: UInt32[Array, " nnz"]
    used: UInt32[Array, " sources"]
    spikes_pre: UInt32[Array, " sources"]
    spikes_post: UInt32[Array, " targets"]
    elements: Elements | None
    formed: UInt32[Array, ""]
    pruned: UInt32[Array, ""]
    refused: UInt32[Array, ""]
