"""From a sequence to one vector per sample."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import check_quantity
from neuro4d.train.layers._base import AbstractLayer, Passed

KINDS = ("mean", "rate", "sum", "max", "last", "first")


class Readout(AbstractLayer):
    r"""One number for each output neuron: `(time, batch, n)` becomes `(batch, n)`.

    | `kind` | of | is |
    |---|---|---|
    | `"mean"`, `"max"`, `"last"`, `"sum"` | potentials or currents | over time |
    | `"rate"` | spikes | spikes per step |
    | `"first"` | spikes | $-t_\mathrm{first}/\vartheta$: the earlier, the larger |

    The first spike is $t_\mathrm{first} = dt \sum_t \prod_{s \le t} (1 - z_s)$: the time of all steps that end without a spike so far. Who does not fire has the
    length of the run. The sum is linear in every single spike, so that its derivative by a spike is the time which that spike saves, and
    by a step without one the time which a spike would save.

    **Arguments:** `kind`; `temperature` $\vartheta$, for `"first"` [time].

    **Raises:** `ValueError` for another kind, and for `"first"` without a temperature.

    **Source:** of first spikes: S. Park, S. Kim, B. Na, S. Yoon, DAC (2020), the code; the derivative is that of the sum.

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> spikes = jnp.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])[:, None]
        >>> n4.train.Readout("first", temperature=1*u.ms)(spikes).tolist()
        [[-1.0, -3.0]]
    """

    kind: str = eqx.field(static=True)
    temperature: Float[Array, ""] | None

    def __init__(self, kind: str, *, temperature: Any = None):
        if kind not in KINDS:
            raise ValueError(f"Readout: kind is one of {', '.join(KINDS)}; got {kind!r}.")
        if (kind == "first") != (temperature is not None):
            raise ValueError('Readout: `temperature` belongs to "first", for example `Readout("first", temperature=2*u.ms)`.')
        self.kind = kind
        self.temperature = None
        if temperature is not None:
            above_zero = check_quantity(temperature, u.ms, "Readout: temperature", low=0, open_low=True)
            self.temperature = jnp.asarray(above_zero, jnp.result_type(float))

    def apply(self, x, context):
        return Passed(self._read(x, context.dt))

    def _read(self, x: Array, dt: float) -> Array:
        match self.kind:
            case "first":
                return -first_spike(x, dt) / jnp.asarray(self.temperature)
            case "sum":
                return jnp.sum(x, axis=0)
            case "max":
                return jnp.max(x, axis=0)
            case "last":
                return x[-1]
        return jnp.mean(x, axis=0)

    def kept(self):
        return ("temperature",)

    def nothing(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """What is gathered before the first step: one array, or for first spikes who has not fired and a sum."""
        if self.kind == "first":
            return jnp.ones(shape, dtype), jnp.zeros(shape, dtype)
        return jnp.full(shape, -jnp.inf if self.kind == "max" else 0, dtype)

    def gather(self, gathered: Any, output: Float[Array, "batch n"], step: Array, dt: float) -> tuple[Any, Float[Array, "batch n"]]:
        """What is gathered after one more step, and what the readout would give if the run ended with it.

        **Arguments:** `output`: of this step; `step`: how many there were with it; `dt`: in ms.
        """
        match self.kind:
            case "sum":
                total = gathered + output
                return total, total
            case "max":
                most = jnp.maximum(gathered, output)
                return most, most
            case "last":
                return output, output
            case "first":
                silent = gathered[0] * (1 - output)
                total = gathered[1] + silent
                return (silent, total), -dt * total / jnp.asarray(self.temperature)
        total = gathered + output
        return total, total / step.astype(total.dtype)


def as_logits(output: Array) -> Float[Array, "batch classes"]:
    """The outputs of a network; of every step, their mean over time."""
    return output if output.ndim == 2 else jnp.mean(output, axis=0)


def first_spike(spikes: Float[Array, "time ..."], dt: float) -> Float[Array, "..."]:
    """Time of the first spike in ms after the beginning, the length of the run where there is none; linear in every spike."""
    return dt * jnp.sum(jnp.cumprod(1 - spikes, axis=0), axis=0)
