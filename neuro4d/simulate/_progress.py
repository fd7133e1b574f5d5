"""Progress of a chunked run: a bar for people, log lines for machines. It is told between chunks and never from inside the loop."""

import logging
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import brainunit as u

from neuro4d._base import check_count, progress_bar, strip, watched

logger = logging.getLogger("neuro4d")


class Progress:
    """A progress bar and regular log lines for a run of a known number of steps.

    The bar shows steps per second, the biological time done and the time left. Compilation happens inside the first chunk, so call
    `advance` once per finished chunk and let the bar be closed by the `with` block, also after an exception.

    **Arguments:**

    - `n_steps`: steps of the whole run.
    - `dt_ms`: the time step in ms.
    - `progress`: `True` draws the bar, `False` does not, `None` draws it only where a person can see it: on a terminal
        or in a notebook.
    - `log_every`: wall time between log lines of level INFO on the logger `neuro4d`, for example `10 * u.second`; `None` logs nothing.
    - `clock`: seconds that never run backwards.

    **Raises:** `TypeError` if `progress` is not a bool or None, `UnitError` if `log_every` has no unit, `ValueError` if it is not positive.

    !!! Example

        >>> from neuro4d.simulate._progress import Progress
        >>> with Progress(1000, 0.1, progress=False) as bar:
        ...     bar.advance(500)
        ...     bar.done
        500
    """

    def __init__(
        self,
        n_steps: int,
        dt_ms: float,
        progress: bool | None = None,
        log_every: Any = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if progress is not None and not isinstance(progress, bool):
            raise TypeError(f"progress is True, False or None (only on a terminal or in a notebook); got {progress!r}.")
        self.n_steps = check_count(n_steps, "n_steps", low=0)
        self.done = 0
        self._dt_ms = dt_ms
        self._clock = clock
        self._period = math.inf if log_every is None else _seconds(log_every)
        self._begin = self._logged = clock()
        self._bar = progress_bar(self.n_steps, "steps") if (watched() if progress is None else progress) else None

    def advance(self, steps: int) -> None:
        """Report that `steps` more steps are finished."""
        self.done += steps
        if self._bar is not None:
            self._bar.set_postfix_str(f"{biological(self.done * self._dt_ms)} of {biological(self.n_steps * self._dt_ms)}", refresh=False)
            self._bar.update(steps)
        now = self._clock()
        if now - self._logged >= self._period:
            self._logged = now
            logger.info("%s", self.line())

    def line(self) -> str:
        """One sentence: steps, speed, biological time, time left."""
        elapsed = self._clock() - self._begin
        speed = self.done / elapsed if elapsed > 0 else math.nan
        left = f", {(self.n_steps - self.done) / speed:.0f} s left" if speed > 0 else ""
        share = f"{100 * self.done / self.n_steps:.0f} %" if self.n_steps else "all"
        return (
            f"{self.done} of {self.n_steps} steps ({share}), {biological(self.done * self._dt_ms)} of biological time, "
            f"{speed:.0f} steps/s{left}"
        )

    def close(self) -> None:
        """Leave the bar as it stands; harmless if called twice."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def biological(ms: float) -> str:
    """A span of biological time in the unit a person would choose."""
    return f"{ms / 1e3:.3g} s" if ms >= 1e3 else f"{ms:.4g} ms"


def _seconds(log_every: Any) -> float:
    value = strip(log_every, u.second, where="log_every")
    if value.ndim or not (0 < value < math.inf):
        raise ValueError(f"log_every must be one positive time, for example `10 * u.second`; got {log_every}.")
    return float(value)
