"""The records of runs: one SQLite file, one row for each run."""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from neuro4d._base import check_count, now
from neuro4d.model import Model
from neuro4d.results import Run
from neuro4d.runs._again import NotReplayableError, Replay, read_again, run_again
from neuro4d.runs._compare import Comparison
from neuro4d.runs._content import content, with_facts, with_network
from neuro4d.runs._described import described, described_model
from neuro4d.runs._export import export_rows
from neuro4d.runs._facts import differences, facts_of, spike_sum
from neuro4d.runs._row import KINDS, STATUSES, Content, RunRow, check_run_name, content_of, file_sum, this_process
from neuro4d.runs._rows import Rows, check_where, known, matches
from neuro4d.runs._store import Store
from neuro4d.runs._watch import Watcher, watching


class RunDB:
    """A database of runs: what was run with which parameters, seed and versions, what came out, and which files were written.

    **Arguments:**

    - `path`: the file; it is made where there is none, with its folder.
    - `readonly`: opens a file that is there and writes nothing.
    - `check`: whether the whole file is checked when it is opened. Rows are checked one by one in any case, when they are read.
    - `timeout`: how long to wait for other processes that write. [s]

    Many processes may write to one file at once; each opens it for itself. What a method has returned from is on the disk, and stays there if the
    process is killed. The file must lie on a disk of this machine: processes share its log through memory, which file systems of a network do not
    have. One file per machine and `merge` serve there.

    **Raises:** `CorruptFileError` for a damaged file and for one with other tables, `ValueError` for one of a later version, `PermissionError`,
    `TimeoutError`.

    !!! Example

        >>> with n4.RunDB("runs.db") as db:
        ...     number = db.add("run", "cells", parameters={"rate": 5*u.Hz}, seed=3, metrics={"cv": 0.9})
        ...     db.get(number).metrics["cv"], len(db.runs(where={"seed": 3}))
        (0.9, 1)
    """

    def __init__(self, path: str | os.PathLike[str], *, readonly: bool = False, check: bool = True, timeout: float = 30.0):
        self._store = Store(path, readonly, check, timeout)
        self._rows = Rows(self._store)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._store.path

    def __enter__(self) -> "RunDB":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the file back; a second time does no harm."""
        self._store.close()

    def __len__(self) -> int:
        return self._store.count("runs")

    def __repr__(self) -> str:
        return f"RunDB({str(self.path)!r}, " + ("closed)" if self._store.closed else f"{len(self)} runs)")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is written at once or, after an error, not at all: also the quick way to write many rows.

        !!! Example

            >>> with n4.RunDB("many.db") as db:
            ...     with db.together():
            ...         numbers = [db.add("run", "cells", seed=seed) for seed in range(100)]
            ...     len(db)
            100
        """
        with self._store.writing():
            yield

    def add(
        self,
        kind: str = "run",
        name: str = "run",
        *,
        parameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        metrics: Mapping[str, Any] | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
        status: str = "finished",
        note: str = "",
    ) -> int:
        """A row with values of yours.

        **Arguments:**

        - `kind`: `"run"`, `"sweep"`, `"tune"`, `"fit"` or `"benchmark"`; `name` of what was run.
        - `parameters`, `metrics`: numbers, texts, quantities, arrays, and dictionaries of them; `seed`: 0 to 2^64 - 1.
        - `files`: that were written; path, size and SHA-256 are noted.
        - `status`: `"finished"`, `"interrupted"` or `"failed"`. A run that goes on is begun with `start`.

        **Returns:** the number of the row.

        **Raises:** `TypeError`, `ValueError`, `FileNotFoundError`, before anything is written.
        """
        if known(status, STATUSES, "status") == "running":
            raise ValueError(
                "a run that goes on is begun with `db.start(name)`, which notes the process, and ended with `db.finish(number)`."
            )
        held = content(parameters, seed, metrics, files, note)
        return self._rows.insert(known(kind, KINDS, "kind"), check_run_name(name), status, str(held.ended), held)

    def record(
        self,
        result: Any,
        name: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
        note: str = "",
    ) -> Any:
        """A row for what `n4.simulate`, `n4.train.tune`, `n4.train.fit` or a benchmark gave back; a row for each run of `n4.sweep` and `n4.batch`.

        Sizes, time step, rates, CVs, times, memory, versions and the sum of all spikes are taken from the result; of a sweep also the numbers in
        which its models differ.

        **Arguments:** as for `add`; `name`: by default the kind; `seed`: by default that of `build`.

        **Returns:** the number of the row; of a sweep a list of numbers.

        **Raises:** as `add`; `TypeError` for anything else.

        !!! Example

            >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
            >>> cells = n4.Population("cells", 2, lif)
            >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
            >>> with n4.RunDB("runs.db") as db:
            ...     row = db.get(db.record(n4.simulate(model, jr.key(0), 100*u.ms), "two cells", parameters={"drive": 150*u.pA}))
            >>> row.spikes.total, row.model["dt_ms"], row.parameters["drive"]
            (8, 0.1, {'value': 150, '$unit': 'pA'})
        """
        held = content(parameters, seed, None, files, note)
        if isinstance(result, Sequence) and result and all(isinstance(each, Run) for each in result):
            return self._record_sweep(result, name, held)
        facts = facts_of(result)
        kept, title = with_facts(held, facts), check_run_name(name or facts.name or facts.kind)
        text, why = described(result)
        with self._store.writing():
            kept = self._with_text(kept, text, why)
            return self._rows.insert(facts.kind, title, facts.status, str(kept.ended), kept)

    def _record_sweep(self, runs: Sequence[Run], name: str | None, held: Any) -> list[int]:
        """A row for each lane, which name the first of them."""
        changed = differences(runs)
        each = [facts_of(run)._replace(kind="sweep", parameters={"lane": lane, **({"changed": changed[lane]} if changed[lane] else {})})
                for lane, run in enumerate(runs)]  # fmt: skip
        ready = [(facts, with_facts(held, facts)) for facts in each]
        text, why = described(runs[0])
        title, first = check_run_name(name or "sweep"), uuid.uuid4().hex
        numbers: list[int] = []
        with self._store.writing():
            sha = None if text is None else self._rows.keep_text(text)
            for lane, (run, (facts, kept)) in enumerate(zip(runs, ready, strict=True)):
                same = run.model.origin is runs[0].model.origin
                one = msgspec.structs.replace(with_network(kept, sha if same else None, why), sweep=first if lane else None)
                numbers.append(self._rows.insert("sweep", title, facts.status, str(one.ended), one, None if lane else first))
        return numbers

    def _with_text(self, held: Content, text: str | None, why: str | None) -> Content:
        """With the text of the network, which is kept, or the reason why there is none. Within `writing`."""
        return with_network(held, None if text is None else self._rows.keep_text(text), why)

    def start(
        self,
        name: str,
        *,
        kind: str = "run",
        parameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        note: str = "",
        model: Model | None = None,
    ) -> int:
        """A row that says `"running"`, for a run that begins now; `finish` ends it. If the process is killed before, `row.lost` is true.

        **Arguments:** as for `add`; `model`: its network is kept as text, once for all runs of it.

        !!! Example

            >>> with n4.RunDB("runs.db") as db:
            ...     number = db.start("cells", parameters={"scale": 0.1})
            ...     status = db.get(number).status
            ...     db.finish(number, metrics={"rate": 5.0})
            ...     status, db.get(number).status
            ('running', 'finished')
        """
        held = content(parameters, seed, None, (), note)
        held = msgspec.structs.replace(held, ended=None, process=this_process())
        text, why = (None, None) if model is None else described_model(model)
        kind, name = known(kind, KINDS, "kind"), check_run_name(name)
        with self._store.writing():
            return self._rows.insert(kind, name, "running", now(), self._with_text(held, text, why))

    def finish(
        self,
        number: int,
        result: Any = None,
        *,
        status: str | None = None,
        metrics: Mapping[str, Any] | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
    ) -> None:
        """Ends a row that says `"running"`, with the facts of a result, with `metrics`, or with both.

        **Raises:** `ValueError` for a row that has ended already; else as `add`.
        """
        facts = None if result is None else facts_of(result)
        said = (facts.status if facts else "finished") if status is None else known(status, STATUSES[1:], "status")
        more = content(None, None, metrics, files, "")
        text, why = (None, None) if self.get(number).network else described(result)
        with self._store.writing():
            row = self.get(number)
            if row.status != "running":
                raise ValueError(f"run {number} has ended before ({row.status}). A row is written once; `db.add(...)` makes another.")
            kept = content_of(row) if facts is None else with_facts(content_of(row), facts)
            if kept.network is None:
                kept = self._with_text(kept, text, why)
            files_of_it = kept.files + more.files
            kept = msgspec.structs.replace(kept, metrics=kept.metrics | more.metrics, files=files_of_it, ended=more.ended, process=None)
            self._rows.replace(row, said, kept)

    @contextlib.contextmanager
    def watch(self, name: str | None = None, *, parameters: Mapping[str, Any] | None = None, note: str = "") -> Iterator[None]:
        """Rows for all that is run inside: `n4.simulate`, `batch`, `sweep`, `train.tune`, `train.fit`, benchmarks, and the ways in which they end. What these run
        themselves is a part of them. A row that cannot be written is a `RuntimeWarning`: the result is kept. Other threads are not watched.

        **Arguments:** as for `record`.

        !!! Example

            >>> model = n4.Network(n4.Population("cells", 2, n4.PoissonNeuron(rate=9*u.Hz))).build(dt=0.1*u.ms, seed=0)
            >>> with n4.RunDB("watched.db") as db, db.watch("two cells"):
            ...     run = n4.simulate(model, jr.key(0), 100*u.ms)
            ...     [(row.kind, row.status) for row in db.runs()]
            [('run', 'finished')]
        """
        with watching(Watcher(self, name, {"parameters": parameters, "note": note})):
            yield

    def runs(
        self,
        *,
        kind: str | None = None,
        name: str | None = None,
        status: str | None = None,
        where: Mapping[str, Any] | Callable[[RunRow], bool] | None = None,
        limit: int | None = None,
    ) -> list[RunRow]:
        """Rows, the latest first.

        **Arguments:** `kind`, `name`, `status`: exactly these; `where`: values by their names in `row.flat()`, the section of which may be left out
        (`{"seed": 3, "scale": 0.1}`), or a function of a row; `limit`: at most so many.

        !!! Example

            >>> with n4.RunDB("look.db") as db:
            ...     numbers = [db.add(name="cells", metrics={"rate": 2.0 * k}) for k in range(4)]
            ...     [row.id for row in db.runs(where=lambda row: row.metrics["rate"] > 3)]
            [4, 3]
        """
        check_where(where)
        most = None if limit is None else check_count(limit, "limit")
        found: list[RunRow] = []
        asked = {} if name is None else {"name": name}
        if kind is not None:
            asked["kind"] = known(kind, KINDS, "kind")
        if status is not None:
            asked["status"] = known(status, STATUSES, "status")
        with self._store.reading():
            for row in self._rows.latest_first(asked):
                if matches(row, where):
                    found.append(row)
                if len(found) == most:
                    break
        return found

    def get(self, number: int) -> RunRow:
        """The row of this number; negative numbers count from the latest, which is -1.

        **Raises:** `UnknownNameError` for a number that no row has.
        """
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"a run has a whole number, for example `db.get(1)`; got {number!r:.80}.")
        return self._rows.get(number)

    def text(self, sha256: str) -> str:
        """A text that rows refer to, such as the description of a network: `db.text(row.network)`.

        **Raises:** `UnknownNameError` where there is none of this sum.
        """
        return self._rows.text(sha256)

    def of_file(self, path: str | os.PathLike[str]) -> list[RunRow]:
        """The runs that wrote a file with exactly this content, wherever it lies now."""
        wanted = file_sum(path).sha256
        return self.runs(where=lambda row: any(file.sha256 == wanted for file in row.files))

    def compare(self, a: int, b: int) -> Comparison:
        """What two runs have apart, and whether their spikes are the same.

        !!! Example

            >>> with n4.RunDB("pair.db") as db:
            ...     pair = [db.add(name="cells", seed=seed, metrics={"rate": 5.0}) for seed in (1, 2)]
            ...     db.compare(*pair).differences
            {'seed': (1, 2)}
        """
        return Comparison(self.get(a), self.get(b))

    def replay(self, number: int, *, parts: Iterable[type] = (), progress: bool | None = None) -> Replay:
        """Runs a run of a row again, from its row alone: network, numbers, seeds and length are in it. Says whether the spikes are the same.

        Inputs of `Input` ports, hooks and a state that another run left are not in a row: a run with these gives other spikes, and the answer
        says so.

        **Arguments:** `parts`: classes of yours that the network uses; `progress`: as for `n4.simulate`.

        **Returns:** a `Replay`: `run` and `same_spikes`.

        **Raises:** `NotReplayableError`, a `ValueError`, where the row does not hold enough, with the reason.

        !!! Example

            >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
            >>> cells = n4.Population("cells", 2, lif)
            >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
            >>> with n4.RunDB("runs.db") as db:
            ...     number = db.record(n4.simulate(model, jr.key(0), 100*u.ms))
            ...     db.replay(number).same_spikes
            True
        """
        row = self.get(number)
        try:
            if row.kind not in ("run", "sweep"):
                raise NotReplayableError(f"it is a {row.kind}, and only runs and those of sweeps are repeated.")
            plan = read_again(row.again)
            if row.network is None or row.spikes is None:
                raise NotReplayableError(f"its network is not in the row: {row.model.get('not_described', 'none was given')}.")
            run = run_again(plan, self.text(row.network), parts, progress)
        except NotReplayableError as error:
            raise NotReplayableError(f"run {number} of {self.path} cannot be run again: {error}") from None
        noted = spike_sum(run, plan.populations)
        if noted is None:
            raise self._store.damaged(f"row {number}")
        return Replay(run, noted[0].sha256 == row.spikes.sha256, row.spikes, noted[0])

    def export(self, path: str | os.PathLike[str], format: str | None = None, *, rows: Sequence[RunRow] | None = None) -> Path:
        """Writes rows to a file: JSON (nested, everything), CSV or Parquet (one column for each name of `row.flat()`).

        **Arguments:** `format`: `"json"`, `"csv"` or `"parquet"`, by default what the name of the file ends in; `rows`: those of `db.runs(...)`, by
        default all.

        **Returns:** the path.

        **Raises:** `ValueError` for another format; `ImportError` for Parquet without `pip install "neuro4d[parquet]"`.
        """
        return export_rows(self.runs() if rows is None else rows, path, format)

    def merge(self, other: "RunDB") -> int:
        """Takes over the rows of another database that are not here, with their texts. Numbers are new, `uid` stays. Returns how many."""
        with self._store.writing():
            there = self._rows.uids()
            new = [row for row in reversed(other.runs()) if row.uid not in there]
            for sha in dict.fromkeys(row.network for row in new if row.network is not None):
                self._rows.keep_text(other.text(sha))
            for row in new:
                self._rows.insert(row.kind, row.name, row.status, row.started, content_of(row), row.uid)
        return len(new)

    def settle(self) -> list[int]:
        """Marks as interrupted the rows that say "running" though their process is gone from this machine. Returns their numbers."""
        with self._store.writing():
            lost = [row for row in self.runs(status="running") if row.lost]
            for row in lost:
                self._rows.replace(row, "interrupted", msgspec.structs.replace(content_of(row), process=None))
        return [row.id for row in lost]

