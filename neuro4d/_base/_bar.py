"""A progress bar, where a person can see it."""

import sys
import warnings
from typing import Any


def watched() -> bool:
    """Whether someone can see a bar on the standard error: a terminal or a notebook."""
    stream = sys.stderr
    # In a notebook the stream is ipykernel's own, which is no terminal and still is watched.
    return stream is not None and (stream.isatty() or type(stream).__module__.startswith("ipykernel."))


def progress_bar(total: int, unit: str) -> Any:
    """A bar of `tqdm`: `update(n)` moves it, `close()` leaves it as it stands."""
    with warnings.catch_warnings():
        # Without ipywidgets a notebook gets the text bar; the warning about it would be the loudest line of the run.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    return tqdm(total=total, unit=f" {unit}", unit_scale=True, dynamic_ncols=True, mininterval=0.2, smoothing=0.1, disable=False)
