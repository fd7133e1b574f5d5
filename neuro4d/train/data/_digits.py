"""The handwritten digits that come with the package."""

from importlib import resources

import numpy as np

from neuro4d.train.data._dataset import Dataset, Splits
from neuro4d.train.data._samples import ArraySamples

SCALE = 1 / 16


def digits(*, seed: int = 0, validation: float = 0.1, test: float = 0.2, shape: tuple[int, ...] = (64,)) -> Splits:
    """1,797 images of handwritten digits, 8 by 8 pixels, values from 0 to 1 in steps of 1/16; ten classes of 174 to 183 images.

    Split into three parts in which every class has the same share. The images of a writer lie in all three: what is measured is how
    well other images of the same writers are read.

    **Arguments:**

    - `seed`: which images lie in which part.
    - `validation`, `test`: the shares of two parts; the rest is `train`.
    - `shape`: of one sample, 64 numbers: `(64,)` for `Dense`, or with a channel such as `(8, 8, 1)`.

    **Source:** E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository
    (CC BY 4.0), its test set, as distributed with scikit-learn (BSD-3-Clause). The licence lies beside the file.

    !!! Example

        >>> import neuro4d as n4
        >>> digits = n4.train.data.digits()
        >>> digits.train
        Dataset(1258 samples of (64,) float32, 10 classes)
        >>> len(digits.validation), len(digits.test)
        (180, 359)
    """
    if not (isinstance(validation, float) and isinstance(test, float) and min(validation, test) > 0 and validation + test < 1):
        raise ValueError(
            f"validation and test are shares above 0 that leave a rest, for example 0.1 and 0.2; got {validation!r}, {test!r}."
        )
    images, labels = _read()
    whole = Dataset(ArraySamples(images, scale=SCALE, shape=shape), labels)
    return Splits(*whole.split(1 - validation - test, validation, test, seed=seed))


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Images `(1797, 8, 8)` and labels `(1797,)` as bytes."""
    with resources.files("neuro4d.train.data").joinpath("digits.npz").open("rb") as file, np.load(file, allow_pickle=False) as packed:
        return packed["images"], packed["labels"]
