"""Answers as soon as they are certain: networks that really stop."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neuro4d._base import check_count, is_traced
from neuro4d.train.layers import Readout, Sequential
from neuro4d.train.tuners._cumulative import certainty, confidence, split_readout
from neuro4d.train.tuners._stepwise import Steps, stepwise

SCORES = ("confidence", "entropy")


class Exited(NamedTuple):
    """**Fields:** `output`: when each sample left, `(batch, classes)`; `steps`: how many it took, `(batch,)`; `spikes`: of each layer until
    then, `(batch, layers)`."""

    output: Any
    steps: Any
    spikes: Any


class Progress(NamedTuple):
    """Where a batch is: the step, the state of the layers, what the readout has gathered, who has left, and what they left with."""

    step: Int[Array, ""]
    states: Any
    gathered: Any
    done: Any
    exited: Exited


class EarlyExit(eqx.Module):
    r"""A network that answers each sample as soon as it is certain, and stops.

    After every step the readout so far gives logits. A sample leaves when their score exceeds `threshold`, or after `steps` steps.

    | `score` | is |
    |---|---|
    | `"confidence"` | the largest probability of the softmax |
    | `"entropy"` | $1 - H/\ln K$ for the entropy $H$ of the softmax over $K$ classes |

    Called with a batch it runs in one compiled loop, which ends with the slowest sample; works under `jit` and `vmap`, also over thresholds. `compacted` goes on
    with those who have not left, in ever smaller batches, so that every sample costs only its own steps.

    **Arguments:** `net`: ends with a `Readout`, or gives logits in every step, whose mean counts; `threshold`: from 0 to 1; `steps`: at
    most; by default as many as `Hold` of the network says, or as the input has.

    **Raises:** `ValueError` for numbers outside these ranges; `TypeError` for layers that cannot be stepped.

    **Source:** Y. Li, T. Geller, Y. Kim, P. Panda, SEENN, NeurIPS 36 (2023).

    !!! Example

        >>> net = n4.train.Sequential(
        ...     n4.train.Dense(64, 10, key=jr.key(0)), n4.train.Hold(8), n4.train.Spiking(n4.PLIF(v_th=0.1*u.mV)), n4.train.Readout("rate"),
        ... )
        >>> exits = n4.train.EarlyExit(net, threshold=0.12)
        >>> seen = exits(jnp.asarray(n4.train.data.digits().test.x[:3])[None])
        >>> seen.output.shape, bool((seen.steps <= 8).all())
        ((3, 10), True)
    """

    net: Sequential
    threshold: Float[Array, ""]
    steps: int | None = eqx.field(static=True)
    score: str = eqx.field(static=True)

    def __init__(self, net: Sequential, threshold: Any, *, steps: int | None = None, score: str = "confidence"):
        if score not in SCORES:
            raise ValueError(f'EarlyExit: score is "confidence" or "entropy"; got {score!r}.')
        if not is_traced(threshold) and not 0 <= threshold <= 1:
            raise ValueError(f"EarlyExit: threshold lies between 0 and 1, for example 0.9; got {threshold!r}.")
        self.steps = None if steps is None else check_count(steps, "EarlyExit: steps")
        self.net, self.score = net, score
        self.threshold = jnp.asarray(threshold, jnp.result_type(float))  # an array: another threshold compiles nothing anew
        stepwise(split_readout(net)[0])  # refuses what cannot be stepped

    def __call__(self, x: Float[Array, "time batch ..."]) -> Exited:
        """The answers of a batch, `(time, batch, ...)`; one step of time for networks with `Hold`. One loop that ends when all have left."""
        return _together(self, jnp.asarray(x))

    def compacted(self, x: Any, *, every: int = 1) -> Exited:
        """The same answers; after each `every` steps those who have left make room. Sizes of batches are powers of two, so that few programs are
        compiled."""
        check_count(every, "EarlyExit.compacted: every")
        x, progress = _started(self, jnp.asarray(x))
        n = x.shape[1]
        who = np.arange(n)
        out = jax.tree.map(lambda leaf: np.array(leaf), progress.exited)
        while len(who):  # after the last step all have left
            progress = _advanced(self, x, progress, every)
            stay = np.flatnonzero(~np.asarray(progress.done)[: len(who)])
            size = 1 << (len(stay) - 1).bit_length() if len(stay) else 0
            if size < progress.done.shape[0]:  # who has left keeps its answer in the batch until the batch shrinks
                for mine, its in zip(jax.tree.leaves(out), jax.tree.leaves(progress.exited)):
                    mine[who] = np.asarray(its)[: len(who)]
                who = who[stay]
                rows = jnp.asarray(np.concatenate([stay, np.zeros(size - len(stay), int)]).astype(np.int32))
                if size:
                    x, progress = _kept(x, progress, rows, jnp.arange(size) >= len(stay))
        return out

    def _held(self, x: Array) -> Array:
        return stepwise(split_readout(self.net)[0]).held(x)

    def _begin(self, x: Array) -> tuple[Steps, int]:
        run = stepwise(split_readout(self.net)[0]).begin(x)
        longest = run.steps
        if self.steps is not None and self.steps > longest:
            raise ValueError(f"EarlyExit: the input has {longest} steps; got steps={self.steps}.")
        return run, longest if self.steps is None else self.steps

    def _start(self, run: Steps) -> Progress:
        batch = run.batch
        output, spikes = run.shapes()
        exited = Exited(jnp.zeros(output.shape, output.dtype), jnp.zeros(batch, jnp.int32), jnp.zeros(spikes.shape, spikes.dtype))
        gathered = self._readout().nothing(output.shape, output.dtype)
        return Progress(jnp.zeros((), jnp.int32), run.states, gathered, jnp.zeros(batch, bool), exited)

    def _readout(self) -> Readout:
        return split_readout(self.net)[1]

    def _advance(self, run: Steps, p: Progress, most: Any) -> Progress:
        states, output, spikes = run.step(p.states, p.step)
        step = p.step + 1
        gathered, logits = self._readout().gather(p.gathered, output, step, self.net.dt)
        score = confidence(logits) if self.score == "confidence" else certainty(logits)
        mine = ~p.done
        exited = Exited(
            jnp.where(mine[:, None], logits, p.exited.output),
            jnp.where(mine, step, p.exited.steps),
            p.exited.spikes + jnp.where(mine[:, None], spikes, 0),
        )
        return Progress(step, states, gathered, p.done | (score > self.threshold) | (step >= most), exited)


@eqx.filter_jit
def _together(exits: EarlyExit, x: Array) -> Exited:
    run, most = exits._begin(exits._held(x))
    start = exits._start(run)
    end = jax.lax.while_loop(lambda p: (p.step < most) & ~jnp.all(p.done), lambda p: exits._advance(run, p, most), start)
    return end.exited


@eqx.filter_jit
def _started(exits: EarlyExit, x: Array) -> tuple[Array, Progress]:
    x = exits._held(x)
    return x, exits._start(exits._begin(x)[0])


@eqx.filter_jit
def _advanced(exits: EarlyExit, x: Array, progress: Progress, every: int) -> Progress:
    run, most = exits._begin(x)
    last = jnp.minimum(progress.step + every, most)
    return jax.lax.while_loop(lambda p: (p.step < last) & ~jnp.all(p.done), lambda p: exits._advance(run, p, most), progress)


@jax.jit
def _kept(x: Array, p: Progress, rows: Array, filler: Array) -> tuple[Array, Progress]:
    """Some samples of a batch. Fillers make up the size and count as having left."""
    states, gathered, exited = jax.tree.map(lambda leaf: leaf[rows], (p.states, p.gathered, p.exited))
    return x[:, rows], Progress(p.step, states, gathered, p.done[rows] | filler, exited)
