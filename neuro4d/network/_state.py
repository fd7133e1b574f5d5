"""What changes from one step to the next, and what a step returns."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

from neuro4d.ops import History, unpack


class State(eqx.Module):
    """Everything that changes from one step to the next.

    **Fields:**

    - `neurons`, `receptors`: variables by group, and by group and port.
    - `weights`: synaptic weights that live in the state, by pathway; empty unless a projection is plastic.
    - `history`: the spikes of the last steps, by group.
    - `key`: the two words of the random key of this trial.
    - `step`: uint32, the number of steps done, the only clock; `start`: its value at the beginning. Stimuli and noise depend on
      `step - start`, so the start changes nothing but the stamps.
    - `fault`: sticky codes, see `neuro4d.Fault`.
    """

    neurons: dict[str, Any]
    receptors: dict[str, dict[str, Any]]
    weights: dict[str, Float[Array, "..."]]
    history: dict[str, History]
    key: UInt32[Array, "2"]
    step: UInt32[Array, ""]
    start: UInt32[Array, ""]
    fault: UInt32[Array, ""]

    def read(self, group: str, port: str | None, variable: str) -> Float[Array, "n"]:
        """A variable of a group, bare, in its internal unit."""
        holder = self.neurons[group] if port is None else self.receptors[group][port]
        return holder._asdict()[variable]


class Spikes(eqx.Module):
    """The spikes of one step.

    `spikes["cells"]` gives them by population: booleans, or floats that carry a gradient in a model with a surrogate.

    **Fields:** `words`: packed bits by group; `soft`: floats by group, or `None`.
    """

    words: dict[str, UInt32[Array, " w"]]
    soft: dict[str, Float[Array, " n"]] | None
    spans: tuple[tuple[str, str, int, int], ...] = eqx.field(static=True)
    sizes: tuple[tuple[str, int], ...] = eqx.field(static=True)

    def fired(self, group: str) -> Bool[Array, "n"]:
        """Who of a group fired."""
        return unpack(self.words[group], dict(self.sizes)[group])

    def number(self, group: str) -> UInt32[Array, ""]:
        """How many of a group fired."""
        return jnp.sum(jax.lax.population_count(self.words[group]), dtype=jnp.uint32)

    def __getitem__(self, population: str) -> Array:
        for name, group, start, size in self.spans:
            if name == population:
                whole = self.fired(group) if self.soft is None else self.soft[group]
                return whole[start : start + size]
        raise KeyError(f"no population named {population!r}; known: {', '.join(span[0] for span in self.spans)}.")
