"""The files of a run. Each appears complete or not at all."""

import importlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neuro4d._base import write_whole
from neuro4d.cli._quantity import UserError

FILES = ("summary.json", "spikes.npz", "counts.npz", "trace.npz", "raster.png")


def claim(folder: Path) -> Path:
    """Makes sure that results can be written, before the run starts. Results of an earlier run are removed.

    **Raises:** `UserError` if the folder is a file, cannot be made, or cannot be written into.
    """
    folder = folder.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out names a folder; {folder} is a file.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"--out: cannot write into {folder} ({error.strerror}); choose another folder with `--out DIR`.") from None
    return folder


def written(folder: Path) -> list[Path]:
    """The files of a run that are there."""
    return [folder / name for name in FILES if (folder / name).is_file()]


def check_folder(option: str, file: str | None) -> None:
    """Refuses a file that cannot be written, before anything is simulated."""
    if file is not None and (not Path(file).absolute().parent.is_dir() or Path(file).is_dir()):
        raise UserError(f"{option} names a file in a folder that is there; got {file!r}.")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """JSON with numbers only: a NaN would make a file that other programs refuse."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """An archive of plain arrays, to be read with `numpy.load(path, allow_pickle=False)`."""
    write_whole(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def write_raster(path: Path, run: Any) -> str:
    """The picture of a run.

    **Returns:** an empty text, or why there is no picture.
    """
    os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib is imported: there may be no screen
    try:
        importlib.import_module("neuro4d.plot")
    except ImportError:
        return "no raster.png: pictures need matplotlib, `pip install 'neuro4d[plot]'`"
    axes = run.plot.raster()
    write_whole(path, lambda file: axes.figure.savefig(file, format="png", dpi=120))
    return ""
