"""Training: go through the data, improve, validate, keep the best, stop early."""

import contextlib
import functools
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from neuro4d._base import AbstractLog, AbstractLogs, NoLog, check_count, heard, log_of, progress_bar, watched
from neuro4d.train._bounds import Bounds
from neuro4d.train._fit_feed import Feed, epoch_order
from neuro4d.train._fit_result import Epoch, FitResult, Resume
from neuro4d.train._fit_update import Carry, Sums, Task, evaluate, shape_of_output, update_model, update_network
from neuro4d.train._kept import Begun, digest, fit_from, fit_tree, key_text, said
from neuro4d.train._trainable import as_arrays, trainable
from neuro4d.train.data._order import seed_of
from neuro4d.train.layers import Sequential
from neuro4d.train.losses import AbstractLoss, check_classes

EVALUATION = 2**31 - 1
"""Where the keys of evaluation lie, far from those of updates."""


def fit(
    model: Any,
    data: Any = None,
    *,
    loss: Callable[..., Any],
    where: Any = None,
    validation: Any = None,
    epochs: int = 10,
    batch_size: int = 64,
    optimizer: Any = None,
    encoder: Callable[..., Any] | None = None,
    augment: Callable[..., Any] | None = None,
    bounds: Bounds | None = None,
    patience: int | None = None,
    key: Any = None,
    progress: bool | None = None,
    resume: FitResult | None = None,
    checkpoint: AbstractLogs | None = None,
) -> FitResult:
    """Trains a network of layers on data, or numbers of a model on a loss of your own.

    **Arguments:** `model`: a `train.Sequential`, or an `n4.Model`;

    - `data`: a `train.data.Dataset`, or a pair `(x, y)` of arrays with the sample first; `None` for a model.
    - `loss`: of `train.losses`, or a function `(output, labels, records) -> number`; for a model `(model, key) -> number`.
    - `where`: which numbers are trained (`trainable`); `bounds`: ranges in addition to those that parts declare (`Bounds`).
    - `validation`: samples that are never learnt from, in either form. With them the best epoch is the one of the highest accuracy on them, or of the
        lowest loss where there are no classes; ties go to the lower loss. Without them it is the one of the lowest training loss.
    - `epochs`: how often the data are gone through, with those of a resumed run; for a model, updates, each with the loss before it.
    - `batch_size`: samples per update. The last batch of an epoch is completed with samples from its beginning.
    - `optimizer`: of optax; `optax.adam(1e-3)` by default. Updates are compiled for the object: make it once and give it to every run.
    - `encoder`: from a batch of samples to a sequence, one of `train.encoders`. By default samples are shown in one step, `Direct(1)`, or as they are
        if they have time.
    - `augment`: `(x, key) -> x`, changes samples before they are encoded, in training only.
    - `patience`: ends training when that many epochs brought no improvement. `progress`: a bar; by default where a person can see it.
    - `key`: of the order of samples and all that is drawn; `jax.random.key(0)` by default.
    - `resume`: the result of a run with the same arguments, which goes on as if it had never ended, bit for bit.
    - `checkpoint`: `n4.io.Checkpoints("runs/fit", wall=60*u.second, resume=True)` keeps the run; after a kill the same call goes on, bit for bit.

    **Returns:** a `FitResult`, also after Ctrl-C (`stopped` is `"interrupted"`) and after a loss that is not finite (`"diverged"`): the whole epochs before.

    **Raises:** `TypeError`, `ValueError` for arguments that do not fit together, before anything is compiled.

    !!! Example

        >>> import jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> x = jr.uniform(jr.key(1), (64, 2)); y = (x[:, 0] > x[:, 1]).astype(int)
        >>> net = n4.train.Sequential(n4.train.Hold(8), n4.train.Dense(2, 2, key=jr.key(0)), n4.train.Readout("mean"))
        >>> result = n4.train.fit(net, (x, y), loss=n4.train.losses.CrossEntropy(), epochs=3, batch_size=32)
        >>> len(result.history), result.stopped
        (3, 'epochs')
    """
    run = _Run(model, data, validation, check_count(epochs, "fit: epochs"), check_count(batch_size, "fit: batch_size"))
    patience = None if patience is None else check_count(patience, "fit: patience")
    key = _checked_key(key, resume)
    chosen, optimizer = trainable(model, where), _checked_optimizer(optimizer)
    limits = (Bounds() if bounds is None else bounds).limits(model, chosen)
    encoder = run.train.encoder() if encoder is None and run.train is not None else encoder
    task = Task(model, chosen, limits, loss, optimizer, encoder, augment, key)
    return run.kept(task, patience, progress, resume, checkpoint)


class _Run:
    """One call of `fit`."""

    def __init__(self, model: Any, data: Any, validation: Any, epochs: int, batch: int):
        self.model, self.epochs, self.batch = model, epochs, batch
        layered = isinstance(model, Sequential)
        if layered == (data is None) or (not layered and validation is not None):
            raise TypeError(
                "a `train.Sequential` is trained on data, `fit(net, (x, y), loss=...)`; a model on a loss alone, "
                "`fit(model, loss=lambda model, key: ..., where=...)`."
            )
        self.train = Feed(data, "fit: data") if layered else None
        self.held_out = None if validation is None else Feed(validation, "fit: validation")

    def _check_labels(self, task: Task) -> None:
        """Compares labels with the classes of a loss that knows some. The network is traced once, and nothing is compiled."""
        if self.train is None or not isinstance(task.loss, AbstractLoss) or not task.loss.classifies():
            return
        first = self.train.first
        classes = shape_of_output(task, np.broadcast_to(first, (self.batch, *first.shape[1:])))[-1]
        for feed, where in ((self.train, "fit: data"), (self.held_out, "fit: validation")):
            if feed is not None and np.issubdtype(feed.y.dtype, np.integer):  # the loss says what it thinks of other labels
                check_classes(feed.y, classes, where)

    def kept(self, task: Task, patience: int | None, progress: bool | None, resume: FitResult | None, checkpoint: AbstractLogs | None) -> FitResult:
        if checkpoint is not None and resume is not None:
            raise TypeError("fit: give `checkpoint` or `resume`: a folder of checkpoints says what to go on from.")
        log = log_of(checkpoint, "fit")
        try:
            return heard("fit", lambda: self.go(task, patience, progress, resume, log))
        finally:
            log.close()

    def go(self, task: Task, patience: int | None, progress: bool | None, resume: FitResult | None, log: AbstractLog) -> FitResult:
        self._check_labels(task)
        carry, best, history, best_epoch = begun = self._begin(task, resume, log)
        stopped = "epochs"
        with _bar(progress, self.epochs - len(history)) as bar:
            for number in range(len(history), self.epochs):
                if patience is not None and number - best_epoch >= patience and best_epoch:
                    stopped = "patience"
                    break
                try:
                    new, row = self._epoch(task, as_arrays(carry), number)
                except KeyboardInterrupt:
                    if not history:
                        raise
                    stopped = "interrupted"
                    break
                if not (math.isfinite(row.loss) and finite(new.parameters)):
                    stopped = "diverged"
                    break
                # Of a model the loss of a row is that of the numbers before the update.
                measured = carry if self.train is None else new
                carry, history = new, (*history, row)
                if best_epoch == 0 or self._score(row) > self._score(history[best_epoch - 1]):
                    best, best_epoch = measured, number + 1
                begun = Begun(carry, best, history, best_epoch)
                log.keep(len(history), functools.partial(fit_tree, begun), False)
                bar(row)
        if not history:
            raise ValueError(
                "fit: the loss or a parameter is not finite after the first epoch; take a smaller step, `optimizer=optax.adam(1e-4)`, and look for "
                "what is not finite in the data."
            )
        log.keep(len(history), functools.partial(fit_tree, begun), True)
        made = task.network(best.parameters, best.statistics), task.network(carry.parameters, carry.statistics)
        return FitResult(*made, history, best_epoch, stopped, Resume(carry, best, task.key))

    def _begin(self, task: Task, resume: FitResult | None, log: AbstractLog) -> Begun:
        parameters = task.chosen.take(self.model)
        if resume is not None:
            if not alike(parameters, resume.state.carry.parameters):
                raise ValueError(
                    "fit: `resume` is the result of another network or another choice of what is trained; give the same `model` and `where`."
                )
            return Begun(resume.state.carry, resume.state.best, resume.history, resume.best_epoch)
        carry = Carry(parameters, task.optimizer.init(parameters), statistics_of(self.model), jnp.zeros((), jnp.uint32))
        kept = None if isinstance(log, NoLog) else log.begin(self._what(task, carry))
        return Begun(carry, carry, (), 0) if kept is None else fit_from(kept, carry)

    def _what(self, task: Task, carry: Carry) -> dict[str, Any]:
        """What tells one run from another: plain data. Of samples their number, their labels and the first, since they may lie in files."""
        feeds = {"data": self.train, "validation": self.held_out}
        samples = {name: None if feed is None else [feed.n, digest(feed.y, feed.first)] for name, feed in feeds.items()}
        how = {"batch_size": self.batch, "key": key_text(task.key), "loss": said(task.loss), "encoder": said(task.encoder)}
        return {"numbers at the beginning": digest(carry), **how, **samples}

    def _epoch(self, task: Task, carry: Carry, number: int) -> tuple[Carry, Epoch]:
        begin = time.perf_counter()
        if self.train is None:
            carry, total = update_model(task, carry)
            seen = [total]
        else:
            seen = []
            for x, y in self.train.chunks(epoch_order(self.train.n, task.key, number), self.batch):
                carry, sums = update_network((task, jnp.asarray(x), jnp.asarray(y)), carry)
                seen.append(sums)
        held_out = [] if self.held_out is None else self._evaluate(task, carry, self.held_out)
        loss, accuracy, spikes = _means(seen)
        held_out_loss, held_out_accuracy, held_out_spikes = _means(held_out)
        seconds = time.perf_counter() - begin
        return carry, Epoch(number + 1, loss, accuracy, spikes, held_out_loss, held_out_accuracy, held_out_spikes, seconds)

    def _score(self, row: Epoch) -> tuple[float, float]:
        """The larger the better: accuracy, then loss, on what is held out; without it, the training loss. A loss that is `nan` is the worst."""
        accuracy, loss = (0.0, row.loss) if self.held_out is None else (row.held_out_accuracy, row.held_out_loss)
        if math.isnan(loss):
            return (-math.inf, -math.inf)
        return (0.0 if math.isnan(accuracy) else accuracy, -loss)

    def _evaluate(self, task: Task, carry: Carry, feed: Feed) -> list[Sums]:
        sums = []
        for number, start in enumerate(range(0, feed.n, self.batch)):
            x, y = feed.take(np.arange(start, min(start + self.batch, feed.n)))
            key = jr.fold_in(jr.fold_in(task.key, EVALUATION), number)
            sums.append(evaluate(task, carry, jnp.asarray(x), jnp.asarray(y), key))
        return sums


def alike(a: Any, b: Any) -> bool:
    """Whether two trees have the same structure and the same shapes."""
    structures: list[Any] = [jax.tree.structure(tree) for tree in (a, b)]
    return structures[0] == structures[1] and all(x.shape == y.shape for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)))


@jax.jit
def _finite(leaves: list[Any]) -> Any:
    return jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))


def finite(tree: Any) -> bool:
    """Whether every number of a tree is finite."""
    return bool(_finite(jax.tree.leaves(tree)))


def statistics_of(model: Any) -> Any:
    """Running statistics of a network as they are, or `None`."""
    return model.statistics() if isinstance(model, Sequential) else None


def _means(sums: list[Sums]) -> tuple[float, float, float]:
    """Loss, accuracy and spikes per sample."""
    if not sums:
        return math.nan, math.nan, math.nan
    total = [float(np.sum([float(x) for x in parts])) for parts in zip(*sums)]
    return total[0] / total[3], total[1] / total[3], total[2] / total[3]


def _checked_key(key: Any, resume: FitResult | None) -> Any:
    if resume is None:
        key = jr.key(0) if key is None else key
        seed_of(key, "fit: key")
        return key
    if key is not None and not bool(jnp.all(jr.key_data(key) == jr.key_data(resume.state.key))):
        raise ValueError("fit: a resumed run goes on with the key it began with; leave `key` out.")
    return resume.state.key


def _checked_optimizer(optimizer: Any) -> Any:
    """One of optax, which is imported when something is trained: `import neuro4d` stays light."""
    import optax

    if optimizer is None:
        return _default_optimizer()
    if not isinstance(optimizer, optax.GradientTransformation):
        raise TypeError(f"fit: optimizer is one of optax, for example `optax.adam(1e-3)`; got {optimizer!r:.60}.")
    return optimizer


@functools.cache
def _default_optimizer() -> Any:
    """Made once: another object, though it is the same, would be compiled anew."""
    import optax

    return optax.adam(1e-3)


@contextlib.contextmanager
def _bar(progress: bool | None, epochs: int) -> Any:
    """A function that is told every row."""
    if not (watched() if progress is None else progress):
        yield lambda row: None
        return
    bar = progress_bar(epochs, "epochs")

    def told(row: Epoch) -> None:
        accuracy = row.accuracy if math.isnan(row.held_out_accuracy) else row.held_out_accuracy
        bar.set_postfix_str(f"loss {row.loss:.4g}" + ("" if math.isnan(accuracy) else f", accuracy {100 * accuracy:.2f} %"), refresh=False)
        bar.update(1)

    try:
        yield told
    finally:
        bar.close()
