"""What a network would answer after every step, from one pass at the longest time."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d.train.layers import Hold, Readout, Sequential
from neuro4d.train.tuners._feed import Feed


class Course(NamedTuple):
    """**Fields:** `logits`: after every step, `(time, samples, classes)`; `spikes`: until then, `(time, samples, layers)`; `labels`."""

    logits: np.ndarray
    spikes: np.ndarray
    labels: np.ndarray


def course(net: Sequential, batches: Feed) -> Course:
    """One pass over a set: answers and spikes after every step.

    Every layer acts on the past alone, so what a network gives after `t` steps of a longer run is what it gives in a run of `t` steps.
    """
    logits, spikes, labels = [], [], []
    for x, y, n in batches:
        seen = _course(net, x)
        logits.append(np.asarray(seen[0])[:, :n])
        spikes.append(np.asarray(seen[1])[:, :n])
        labels.append(y[:n])
    return Course(np.concatenate(logits, 1), np.concatenate(spikes, 1), np.concatenate(labels))


@eqx.filter_jit
def _course(net: Sequential, x: Array) -> tuple[Array, Array]:
    body, readout = split_readout(net)
    output, records = body.trace(x)
    each = [jnp.sum(record.spikes, axis=tuple(range(2, record.spikes.ndim))) for record in records]
    return cumulative(readout, output, net.dt), jnp.cumsum(jnp.stack(each, axis=-1), axis=0)


def split_readout(net: Sequential) -> tuple[Sequential, Readout]:
    """The network without its last layer, if that is a readout, and the readout; by default the mean."""
    last = net.layers[-1]
    if not isinstance(last, Readout):
        return net, Readout("mean")
    return eqx.tree_at(lambda n: n.layers, net, net.layers[:-1]), last


def cumulative(readout: Readout, x: Float[Array, "time batch classes"], dt: float) -> Float[Array, "time batch classes"]:
    """What a readout gives after 1, 2, ... steps.

    **Raises:** `ValueError` for an output without time, or with more than classes.
    """
    if x.ndim != 3:
        raise ValueError(
            f"the network gives {x.shape} before its readout; outputs of every step are (time, batch, classes). "
            'End it with `Dense(...)` and `Readout("mean")`, as its own last layers.'
        )
    steps = jnp.arange(1, len(x) + 1)
    return jax.lax.scan(lambda gathered, now: readout.gather(gathered, *now, dt), readout.nothing(x.shape[1:], x.dtype), (x, steps))[1]


def with_steps(net: Sequential, steps: int) -> Sequential:
    """The network with `Hold(steps)` in place of its `Hold`; the same network where it has none, which runs as long as its input."""
    for name, layer in net.walk():
        if isinstance(layer, Hold):
            return net.with_layer(name, Hold(steps))
    return net


def confidence(logits: Any) -> Any:
    """The largest probability of the softmax over classes."""
    return jnp.exp(jnp.max(logits, axis=-1) - jax.nn.logsumexp(logits, axis=-1))


def certainty(logits: Any) -> Any:
    r"""One minus the entropy of the softmax over its largest value: $1 - H / \ln K$."""
    logs = jax.nn.log_softmax(logits, axis=-1)
    return 1 + jnp.sum(jnp.exp(logs) * logs, axis=-1) / np.log(logits.shape[-1])
