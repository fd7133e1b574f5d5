"""Who hears what a user's calls give back: a protocol, so that what runs a model knows no database."""

import abc
import contextvars
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class AbstractListener(abc.ABC):
    """Hears of calls from their beginning to their end. From `ended` and `failed` nothing may be raised: what was computed is not lost for what is said of it."""

    @abc.abstractmethod
    def begun(self, kind: str) -> Any:
        """A call begins, all of whose arguments fit; what is given back names it from now on."""

    @abc.abstractmethod
    def ended(self, call: Any, result: Any) -> None:
        """It has given back a result."""

    @abc.abstractmethod
    def failed(self, call: Any, error: BaseException) -> None:
        """It has raised."""


LISTENERS: contextvars.ContextVar[tuple[AbstractListener, ...]] = contextvars.ContextVar("neuro4d_listeners", default=())
"""Those who listen in this thread."""


def heard(kind: str, work: Callable[[], T]) -> T:
    """Does the work of a public call, and tells those who listen. What the work calls itself is a part of it, and not heard."""
    listeners = LISTENERS.get()
    if not listeners:
        return work()
    calls: list[tuple[AbstractListener, Any]] = []
    inside = LISTENERS.set(())
    try:
        calls.extend((each, each.begun(kind)) for each in listeners)
        result = work()
    except BaseException as error:
        for each, call in calls:
            each.failed(call, error)
        raise
    finally:
        LISTENERS.reset(inside)
    for each, call in calls:
        each.ended(call, result)
    return result
