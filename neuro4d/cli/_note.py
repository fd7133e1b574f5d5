"""The rows that commands leave in the database of runs."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neuro4d.cli._quantity import UserError
from neuro4d.model import Model
from neuro4d.results import Run
from neuro4d.runs import RunDB, how_it_failed


@dataclasses.dataclass
class Note:
    """The row of a run that goes on. Without a path nothing is kept."""

    path: Path | None
    number: int = 0
    ended: bool = False
    kept: bool = False

    def end(
        self, result: Run | None = None, status: str | None = None, metrics: Mapping[str, Any] | None = None, files: Sequence[Path] = ()
    ) -> None:
        """Ends the row, once. That it cannot be written is no reason to lose what was computed: it is said, and no error."""
        if self.path is None or self.ended:
            return
        self.ended = True
        try:
            with RunDB(self.path, check=False) as db:
                db.finish(self.number, result, status=status, metrics=metrics, files=files)
            self.kept = True
        except (OSError, ValueError) as error:
            print(f"neuro4d: this run is not noted: {error}", file=sys.stderr)

    def __str__(self) -> str:
        return f", noted as run {self.number} in {self.path}" if self.kept else ""


@contextlib.contextmanager
def noted(path: str | None, name: str, parameters: Mapping[str, Any], seed: int, model: Model) -> Iterator[Note]:
    """A row that says "running" from now on, and at the end what became of it.

    **Raises:** `UserError` for a database that cannot be written, before anything is simulated.
    """
    note = Note(None if path is None else Path(path))
    if note.path is not None:
        with open_database(str(note.path)) as db:
            note.number = db.start(name, parameters=parameters, seed=seed, model=model)
    try:
        yield note
    except BaseException as error:
        status, metrics = how_it_failed(error)
        note.end(status=status, metrics=metrics)
        raise
    note.end()


def note_report(path: str, report: Any) -> str:
    """A row for a benchmark. Returns what to tell the user."""
    try:
        with RunDB(path, check=False) as db:
            return f"noted as run {db.record(report)} in {path}"
    except (OSError, ValueError) as error:
        return f"neuro4d: these figures are not noted: {error}"


def open_database(path: str, readonly: bool = False) -> RunDB:
    """The database of runs.

    **Raises:** `UserError` for one that is missing, damaged or cannot be written.
    """
    try:
        return RunDB(path, readonly=readonly)
    except FileNotFoundError:
        raise UserError(f"there is no database at {path}; `neuro4d run` writes one, and `--db PATH` names another.") from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{error} Another one is named by `--db PATH`; `neuro4d run` and `neuro4d bench` write none with `--no-db`."
        ) from error
