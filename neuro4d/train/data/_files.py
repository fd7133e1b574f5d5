"""Samples in files: one folder per class, each file read when a batch asks for it."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from neuro4d.train.data._errors import DataFormatError, checked_folder
from neuro4d.train.data._samples import AbstractSamples


class FileSamples(AbstractSamples):
    """Samples that are files. `read(path)` gives one as an array; all have one shape, which the first file decides unless it is given.

    !!! Example

        >>> from pathlib import Path
        >>> import numpy as np
        >>> from neuro4d.train.data import FileSamples
        >>> for k in range(3): np.save(f"{k}.npy", np.full(2, k, np.float32))
        >>> FileSamples(sorted(Path(".").glob("?.npy")), np.load).take(np.array([2, 0]))
        array([[2., 2.],
               [0., 0.]], dtype=float32)
    """

    __slots__ = ("_dtype", "_paths", "_read", "_shape")

    def __init__(
        self, paths: Sequence[Path], read: Callable[[Path], np.ndarray], *, shape: tuple[int, ...] | None = None, dtype: Any = np.float32
    ):
        if not paths:
            raise ValueError("there is no file; a set has at least one sample.")
        self._paths, self._read, self._dtype = tuple(paths), read, np.dtype(dtype)
        self._shape = read(self._paths[0]).shape if shape is None else tuple(shape)

    @property
    def shape(self):
        return self._shape

    @property
    def dtype(self):
        return self._dtype

    def __len__(self):
        return len(self._paths)

    def take(self, index):
        out = np.empty((len(index), *self._shape), self._dtype)
        for row, number in enumerate(index):
            sample = self._read(self._paths[number])
            if sample.shape != self._shape:
                raise DataFormatError(
                    f"{str(self._paths[number])!r} has the shape {sample.shape}, the samples before it {self._shape}. "
                    "A batch needs one shape: cut or scale the files first."
                )
            out[row] = sample
        return out


def files_by_class(folder: str | PathLike[str], suffixes: Sequence[str], what: str) -> tuple[list[Path], np.ndarray, tuple[str, ...]]:
    """Paths, labels and classes of a folder with one folder per class, everything in the order of the names.

    Names that begin with a dot are passed over; any other file that is not of `suffixes` is an error, so that nothing is left out
    unnoticed.
    """
    top = checked_folder(folder, what)
    names = sorted(each.name for each in top.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not names:
        raise DataFormatError(f"{what}: {str(top)!r} holds no folder; it needs one per class, for example {str(top / 'cat')!r}.")
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        found = sorted(each for each in (top / name).iterdir() if not each.name.startswith("."))
        other = [each for each in found if each.suffix.lower() not in suffixes or not each.is_file()]
        if other:
            raise DataFormatError(f"{what}: {str(other[0])!r} is none of {', '.join(suffixes)}. Move it elsewhere.")
        if not found:
            raise DataFormatError(f"{what}: the class {str(top / name)!r} is empty. Remove the folder, or fill it.")
        paths += found
        labels += [label] * len(found)
    return paths, np.asarray(labels, np.int32), tuple(names)
