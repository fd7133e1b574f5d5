"""One row of the table of runs."""

import dataclasses
import datetime
import hashlib
import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil

from neuro4d._base import card, html_table, table
from neuro4d.runs._plain import flat, from_text, shown, to_text
from neuro4d.runs._store import digest

KINDS = ("run", "sweep", "tune", "fit", "benchmark")
STATUSES = ("running", "finished", "interrupted", "failed")
SECTIONS = ("parameters", "model", "metrics", "versions", "machine")

LONGEST_NAME = 200


class FileSum(NamedTuple):
    """A file that a run has written or read: where it was, its size in bytes and its SHA-256."""

    path: str
    bytes: int
    sha256: str


class SpikeSum(NamedTuple):
    """The SHA-256 of all recorded spikes of a run (`of="spikes"`), or of the counts of every neuron (`of="counts"`), and how many there are."""

    of: str
    sha256: str
    total: int


class Process(NamedTuple):
    """Who runs: machine, process, and when that process began, since numbers of processes come again."""

    host: str
    pid: int
    began: float


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a row holds as one JSON text; another shape is refused when it is read."""

    parameters: dict[str, Any] = {}
    model: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    versions: dict[str, str] = {}
    machine: dict[str, Any] = {}
    seed: int | None = None
    ended: str | None = None
    files: tuple[FileSum, ...] = ()
    spikes: SpikeSum | None = None
    network: str | None = None
    sweep: str | None = None
    again: dict[str, Any] | None = None
    process: Process | None = None
    note: str = ""

    def text(self) -> str:
        """The JSON text."""
        return to_text(msgspec.structs.asdict(self), "a row")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RunRow:
    """What is known of one run. `print` shows it as a table.

    **Fields:**

    - `id`: its number in this file; `uid`: its name in any file.
    - `kind`: `"run"`, `"sweep"`, `"tune"`, `"fit"` or `"benchmark"`; `name`: what was run.
    - `status`: `"running"`, `"finished"`, `"interrupted"` or `"failed"`; `started`, `ended`: UTC, ISO 8601; of a row that was not begun with
      `RunDB.start`, both say when it was written.
    - `seed`; `parameters`: what was asked for; `model`: facts of what ran (sizes, time step, fingerprint); `metrics`: what came out.
    - `versions`, `machine`: of the software, of the processor.
    - `files`: a `FileSum` each; `spikes`: a `SpikeSum`, by which a replay is judged.
    - `network`: the SHA-256 of the description of the network, which `RunDB.text` gives; `sweep`: the `uid` of the first row of the same sweep.
    - `again`: what `RunDB.replay` needs to run it again; `process`: who runs it; `note`: of the user.

    !!! Example

        >>> with n4.RunDB("row.db") as db:
        ...     row = db.get(db.add(name="cells", metrics={"rates_hz": {"e": 5.0}}))
        >>> row.status, row.flat()["metrics.rates_hz.e"]
        ('finished', 5.0)
    """

    id: int
    uid: str
    kind: str
    name: str
    status: str
    started: str
    ended: str | None
    seed: int | None
    parameters: dict[str, Any]
    model: dict[str, Any]
    metrics: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, Any]
    files: tuple[FileSum, ...]
    spikes: SpikeSum | None
    network: str | None
    sweep: str | None
    again: dict[str, Any] | None
    process: Process | None
    note: str

    @property
    def lost(self) -> bool:
        """Whether it says that it runs, but on this machine the process is no more: it was killed."""
        return self.status == "running" and self.process is not None and self.process.host == host() and not _alive(self.process)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, nested as in the row."""
        return {name: getattr(self, name) for name in _COLUMNS} | {
            name: _named(getattr(self, name)) for name in Content.__struct_fields__ if name != "process"
        }

    def flat(self) -> dict[str, Any]:
        """All values under one name each, `row.flat()["metrics.rates_hz.e"]`."""
        found = {name: getattr(self, name) for name in (*_COLUMNS, "seed", "ended", "network", "sweep", "note")}
        for section in SECTIONS:
            found |= flat(getattr(self, section), section)
        return found if self.spikes is None else found | {"spikes.sha256": self.spikes.sha256, "spikes.total": self.spikes.total}

    def _title(self) -> str:
        state = "running, but its process is gone" if self.lost else self.status
        return f"{self.kind} {self.id}: {shown(self.name)}, {state}, {shown(self.started)}"

    def _lines(self) -> list[tuple[str, str]]:
        lines = [(shown(name), shown(value)) for name, value in self.flat().items() if name not in _COLUMNS and value not in (None, "")]
        return lines + [(f"file {shown(file.path)}", f"{file.bytes:,} bytes, {file.sha256[:16]}") for file in self.files]

    def __repr__(self) -> str:
        return f"RunRow({self._title()})"

    def __str__(self) -> str:
        return f"{self._title()}\n{table(('field', 'value'), self._lines(), left=2)}"

    def _repr_html_(self) -> str:
        return card(self._title(), html_table(("field", "value"), self._lines()))


_COLUMNS = ("id", "uid", "kind", "name", "status", "started")


def sum_of(number: int, uid: str, kind: str, name: str, status: str, started: str, content: str | bytes) -> bytes:
    """The SHA-256 over everything that a row holds."""
    return digest(str(number), uid, kind, name, status, started, content)


def check_run_name(name: Any) -> str:
    """A name that can be printed on one line."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a run is text, for example `'brunel'`; got {name!r:.80}.")
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(f"the name of a run is one line of 1 to {LONGEST_NAME} characters; got {name!r:.80}.")
    return name


def read_row(values: tuple[Any, ...]) -> RunRow:
    """A row from what the file holds, checked against its sum.

    **Raises:** `ValueError` for a row that is not what was written.
    """
    number, uid, sha, kind, name, status, started, content = values
    texts = (uid, kind, name, status, started, content)
    if not isinstance(number, int) or not all(isinstance(each, bytes) for each in (*texts, sha)):
        raise ValueError("another type of value")
    if sum_of(number, *texts) != sha:
        raise ValueError("its sum does not fit")
    decoded = [each.decode() for each in texts[:-1]]
    if decoded[1] not in KINDS or decoded[3] not in STATUSES:
        raise ValueError("an unknown kind or status")
    check_run_name(decoded[2])
    if not decoded[4].isprintable():
        raise ValueError("a time that is none")
    datetime.datetime.fromisoformat(decoded[4])
    try:
        held = msgspec.convert(from_text(content), Content)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from None
    return RunRow(number, *decoded, **msgspec.structs.asdict(held))


def content_of(row: RunRow) -> Content:
    """What of a row is kept as text."""
    return Content(**{name: getattr(row, name) for name in Content.__struct_fields__})


def _named(value: Any) -> Any:
    """Named tuples as dictionaries, for those who read the names in a file."""
    if isinstance(value, tuple):
        return value._asdict() if isinstance(value, FileSum | SpikeSum) else [_named(each) for each in value]
    return value


def file_sum(path: str | os.PathLike[str]) -> FileSum:
    """Size and SHA-256 of a file.

    **Raises:** `FileNotFoundError`, and `ValueError` for what is no file.
    """
    found = Path(path)
    if not found.exists():
        raise FileNotFoundError(f"files: there is no file {str(found)!r}; give files that have been written.")
    if not found.is_file():
        raise ValueError(f"files: {str(found)!r} is no file; give the files of a folder one by one, `files=list(Path('out').iterdir())`.")
    with found.open("rb") as file:
        sha = hashlib.file_digest(file, "sha256").hexdigest()
        return FileSum(str(found), file.tell(), sha)


def host() -> str:
    """The name of this machine."""
    return platform.node()


def this_process() -> Process:
    """The process that asks."""
    return Process(host(), os.getpid(), psutil.Process().create_time())


def _alive(process: Process) -> bool:
    try:
        return abs(psutil.Process(process.pid).create_time() - process.began) < 1
    except psutil.AccessDenied:  # it is there, and belongs to somebody else
        return True
    except psutil.Error:
        return False
