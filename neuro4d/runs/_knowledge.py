"""A knowledge base: examples by category, to be shown to a network before it meets the world."""

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import UnknownNameError, address, check_count, check_name, check_seed, did_you_mean, now, words
from neuro4d.runs._blob import from_blob, to_blob
from neuro4d.runs._plain import from_text, plain_mapping, to_text
from neuro4d.runs._store import Store, digest

_COLUMNS = ("id", "uid", "sha256", "category", "data_type", "form", "stored", "metadata", "data")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM knowledge"


class Entry(NamedTuple):
    """What was stored: its number, `category`, `data_type`, `data` (an array, a text, or a value of JSON), `metadata`, and when (UTC)."""

    id: int
    category: str
    data_type: str
    data: Any
    metadata: dict[str, Any]
    stored: str


class Examples(NamedTuple):
    """Arrays to learn from: `samples` `(n, ...)`, `labels` `(n,)` int32, and the category of each label.

    `n4.train.data.Dataset(examples.samples, examples.labels, classes=examples.classes)` is a set that `n4.train.fit` takes.
    """

    samples: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]


class KnowledgeBase:
    """Examples by category, in the same kind of file as `RunDB`, also in the same file.

    Arrays, texts and values of JSON, each with its sum; nothing that is read is run. To learn from it: `dataset`.

    **Arguments:** as for `RunDB`.

    **Raises:** as `RunDB`.

    !!! Example

        >>> with n4.KnowledgeBase("runs.db") as base:
        ...     for k in range(4):
        ...         number = base.store("bars", np.eye(3)[k % 3], data_type="image", metadata={"at": k})
        ...     [entry.metadata["at"] for entry in base.query("bars", limit=2)]
        ...     len(base.query("bars", data_type="image", limit=3, random_sample=True, seed=1))
        [0, 1]
        3
    """

    def __init__(self, path: str | os.PathLike[str], *, readonly: bool = False, check: bool = True, timeout: float = 30.0):
        self._store = Store(path, readonly, check, timeout)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._store.path

    def __enter__(self) -> "KnowledgeBase":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the file back; a second time does no harm."""
        self._store.close()

    def __len__(self) -> int:
        return self._store.count("knowledge")

    def __repr__(self) -> str:
        return f"KnowledgeBase({str(self.path)!r}, " + ("closed)" if self._store.closed else f"{len(self)} entries)")

    def store(self, category: str, data: Any, data_type: str | None = None, metadata: Mapping[str, Any] | None = None) -> int:
        """Stores an example.

        **Arguments:** `category`: what it is an example of; `data`: an array of numbers, a text, or numbers, texts, quantities, lists and
        dictionaries of them; `data_type`: a word of yours, such as `"image"`, by default `"npy"`, `"text"` or `"json"`, as it is kept; `metadata`:
        further values.

        **Returns:** its number.

        **Raises:** `TypeError`, `ValueError`, before anything is written.
        """
        return self.store_all(category, [data], data_type, [metadata])[0]

    def store_all(
        self, category: str, data: Sequence[Any], data_type: str | None = None, metadata: Sequence[Mapping[str, Any] | None] | None = None
    ) -> list[int]:
        """Stores several examples at once, or, after an error, none: the rows of an array, or a list.

        !!! Example

            >>> with n4.KnowledgeBase("many.db") as base:
            ...     base.store_all("noise", np.zeros((3, 8)))
            [1, 2, 3]
        """
        if isinstance(data, str | bytes | Mapping):
            raise TypeError(f"data is several examples, a list or the rows of an array; for one there is `base.store`; got {data!r:.80}.")
        check_name(category, "category")
        kind = None if data_type is None else check_name(data_type, "data_type")
        beside = [None] * len(data) if metadata is None else list(metadata)
        if len(beside) != len(data):
            raise ValueError(f"metadata: one dictionary for each of {len(data)} examples; got {len(beside)}.")
        ready = [(*to_blob(each), to_text(plain_mapping(more, "metadata"), "metadata")) for each, more in zip(data, beside, strict=True)]
        with self._store.writing():
            return [self._insert(category, kind or form, form, text, raw) for form, raw, text in ready]

    def query(
        self,
        category: str | None = None,
        data_type: str | None = None,
        limit: int | None = None,
        random_sample: bool = False,
        seed: int | None = None,
    ) -> list[Entry]:
        """Examples in the order in which they were stored, or at random without repetition.

        **Arguments:** `category`, `data_type`: exactly these, by default any; `limit`: at most so many; `random_sample`: whether they are drawn, with
        `seed`. A draw is a function of the seed and the number of an entry: the same seed gives the same examples, and entries that come later only
        join them.

        **Raises:** `TypeError` for a sample without a seed.

        !!! Example

            >>> with n4.KnowledgeBase("runs.db") as base:
            ...     numbers = base.store_all("tones", np.arange(5.0))
            ...     [float(entry.data) for entry in base.query("tones", limit=2, random_sample=True, seed=7)]
            [1.0, 0.0]
        """
        with self._store.reading() as connection:  # one view: another process may delete what was chosen
            chosen = self._choose(category, data_type, limit, random_sample, seed)
            rows = [connection.execute(f"{_SELECT} WHERE id = ?", (number,)).fetchone() for number in chosen]
        return [self._entry(row) for row in rows]

    def dataset(
        self,
        categories: Sequence[str] | None = None,
        data_type: str | None = None,
        limit: int | None = None,
        random_sample: bool = False,
        seed: int | None = None,
    ) -> Examples:
        """Arrays of several categories with a label for each: what pre-training takes.

        **Arguments:** `categories`: by default all, in alphabetical order; the label of an example is the place of its category. `limit`: at most so
        many of each. The others as for `query`.

        **Raises:** `ValueError` where there are no examples, or where they are not arrays of one shape.

        !!! Example

            >>> with n4.KnowledgeBase("runs.db") as base:
            ...     numbers = base.store_all("low", np.zeros((3, 8))), base.store_all("high", np.ones((2, 8)))
            ...     examples = base.dataset(["low", "high"])
            >>> examples.samples.shape, examples.labels.tolist(), examples.classes
            ((5, 8), [0, 0, 0, 1, 1], ('low', 'high'))
        """
        if isinstance(categories, str):
            raise TypeError(f"categories is a list of names, `categories=[{categories!r}]`; got one name.")
        with self._store.reading():
            names = self.categories() if categories is None else tuple(categories)
            found = [self.query(name, data_type, limit, random_sample, seed) for name in names]
        missing = [name for name, entries in zip(names, found, strict=True) if not entries]
        if missing or not names:
            raise ValueError(
                f"there are no examples of {', '.join(map(repr, missing)) or 'anything'}.{did_you_mean(', '.join(missing), self.categories())}"
            )
        entries = [entry for each in found for entry in each]
        shapes = dict.fromkeys(f"{_shape(entry)} ({entry.category})" for entry in entries)
        if len({_shape(entry) for entry in entries}) > 1 or not isinstance(entries[0].data, np.ndarray):
            raise ValueError(
                f"examples to learn from are arrays of one shape and type; got {', '.join(list(shapes)[:5])}. `query` gives them as they are."
            )
        labels = np.repeat(np.arange(len(names), dtype=np.int32), [len(each) for each in found])
        return Examples(np.stack([entry.data for entry in entries]), labels, names)

    def categories(self) -> tuple[str, ...]:
        """The categories that have examples, in alphabetical order."""
        with self._store.reading() as connection:
            return tuple(name.decode() for (name,) in connection.execute("SELECT DISTINCT category FROM knowledge ORDER BY category"))

    def delete(self, number: int) -> None:
        """Removes an example.

        **Raises:** `UnknownNameError` where there is none of this number.
        """
        with self._store.writing() as connection:
            found = connection.execute("SELECT sha256 FROM knowledge WHERE id = ?", (check_count(number, "number"),)).fetchone()
            if found is None:
                raise UnknownNameError(f"no example has the number {number}; `base.query()` lists them.")
            connection.execute("DELETE FROM knowledge WHERE id = ?", (number,))
            self._store.amend("knowledge", -1, found[0])

    def _insert(self, category: str, data_type: str, form: str, metadata: str, raw: bytes) -> int:
        number, uid, stored = self._store.next_id("knowledge"), uuid.uuid4().hex, now()
        sha = digest(str(number), uid, category, data_type, form, stored, metadata, raw)
        self._store.insert("knowledge", _COLUMNS, (number, uid, sha, category, data_type, form, stored, metadata, raw), sha)
        return number

    def _choose(self, category: Any, data_type: Any, limit: int | None, random_sample: bool, seed: int | None) -> list[int]:
        """The numbers of the entries that are asked for, in their order."""
        most = None if limit is None else check_count(limit, "limit")
        if random_sample and seed is None:
            raise TypeError("a random sample needs a seed, `base.query('bars', limit=10, random_sample=True, seed=0)`.")
        asked = {name: check_name(value, name) for name, value in (("category", category), ("data_type", data_type)) if value is not None}
        clause = f" WHERE {' AND '.join(f'{name} = ?' for name in asked)}" if asked else ""
        with self._store.reading() as connection:
            numbers = [n for (n,) in connection.execute(f"SELECT id FROM knowledge{clause} ORDER BY id", tuple(asked.values()))]
        if random_sample and numbers:
            drawn = words(address(check_seed(seed), "knowledge"), np.asarray(numbers))
            numbers = [numbers[i] for i in np.argsort(drawn, kind="stable")]
        return numbers[:most]

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        number, sha, texts = row[0], row[2], (row[1], *row[3:])
        try:
            if not all(isinstance(each, bytes) for each in texts) or digest(str(number), *texts) != sha:
                raise ValueError("its sum does not fit")
            _, category, data_type, form, stored, metadata, data = texts
            held = from_text(metadata)
            if not isinstance(held, dict):
                raise ValueError("metadata that are no dictionary")
            return Entry(number, category.decode(), data_type.decode(), from_blob(form, data), held, stored.decode())
        except ValueError as error:
            raise self._store.damaged(f"entry {number} of the knowledge base ({error})") from None


def _shape(entry: Entry) -> str:
    data = entry.data
    return f"{data.dtype}{list(data.shape)}" if isinstance(data, np.ndarray) else type(data).__name__
