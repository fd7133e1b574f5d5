"""What is known of the neurons that are born and die."""

from typing import NamedTuple

from jaxtyping import Array, Float, Int32, UInt32


class LifeState(NamedTuple):
    """The lives of a population, neuron by neuron `(n,)`; of a dead neuron: as it was when it died.

    **Fields:**

    - `age`: steps lived, as of the last event.
    - `health`: 1 at birth, 0 at the least.
    - `generation`: 0 for the first neurons, one more than its parent for each other.
    - `identity`: a number that no other neuron of the population has had: the first carry their index, later ones go on from `n`, in the
      order of birth. `parent`: the identity of the parent, -1 for the first neurons.
    - `born`: the step of birth since the beginning of the trial, -1 for the first neurons.
    - `parameters`: of neurons that inherit them, by name; those that are not here are the same for all generations.
    - `heard`: spikes that were counted up to the last event, or `None` where division does not depend on them.
    - `births`, `deaths`, `refused`: how many so far; refused are births for which there was no free place.
    """

    age: UInt32[Array, " n"]
    health: Float[Array, " n"]
    generation: UInt32[Array, " n"]
    identity: Int32[Array, " n"]
    parent: Int32[Array, " n"]
    born: Int32[Array, " n"]
    parameters: dict[str, Float[Array, " n"]]
    heard: UInt32[Array, " n"] | None
    births: UInt32[Array, ""]
    deaths: UInt32[Array, ""]
    refused: UInt32[Array, ""]
