"""Who dies and who divides: pure functions of what is known of neurons."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

from neuro4d._base import uniform_jax
from neuro4d.structure._life_state import LifeState


def older(life: LifeState, alive: Bool[Array, " n"], steps: int, lost: Float[Array, ""] | None) -> LifeState:
    """Lives after `steps` more, in which health falls by `lost`: those of the living. The dead stay as they are."""
    age = life.age + jnp.where(alive, jnp.uint32(steps), jnp.uint32(0))
    if lost is None:
        return life._replace(age=age)
    health = jnp.where(alive, jnp.maximum(life.health - lost, 0), life.health)
    return life._replace(age=age, health=health)


def dying(life: LifeState, alive: Bool[Array, " n"], below: Float[Array, ""], oldest: UInt32[Array, ""] | None) -> Bool[Array, " n"]:
    """The living whose health is less than `below`, or that have lived more than `oldest` steps."""
    ends = life.health < below
    return alive & (ends if oldest is None else ends | (life.age > oldest))


def dividing(
    alive: Bool[Array, " n"], word: UInt32[Array, " n"], probability: Float[Array, ""], busy: Bool[Array, " n"] | None
) -> Bool[Array, " n"]:
    """The living that divide, each with a probability, of those that are `busy` enough; `word`: a random one for each."""
    drawn = uniform_jax(word, probability.dtype) < probability
    return alive & (drawn if busy is None else drawn & busy)
