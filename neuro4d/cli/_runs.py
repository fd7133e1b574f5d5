"""`neuro4d runs`."""

from collections.abc import Sequence
from typing import Any

from neuro4d._base import table, versions
from neuro4d.cli._machine import prepare
from neuro4d.cli._note import open_database
from neuro4d.cli._runs_arguments import Compare, Export, List, Replay, Runs, Show
from neuro4d.kernels import native_status
from neuro4d.runs import RunDB, RunRow

OTHER_SPIKES = 1


def run(command: Runs) -> int:
    """Does what is asked. Returns the exit code: 1 where spikes are other ones."""
    action = command.action
    with open_database(action.db, readonly=True) as db:
        match action:
            case List():
                print(_table(db.runs(kind=action.kind, name=action.name, status=action.status, limit=action.limit)))
            case Show():
                print(db.get(action.number))
            case Compare():
                found = db.compare(action.a, action.b)
                print(found)
                return OTHER_SPIKES if found.same_spikes is False else 0
            case Export():
                print(f"written to {db.export(action.path, action.format)}")
            case Replay():
                return _replay(db, action)
    return 0


def _replay(db: RunDB, action: Replay) -> int:
    row = db.get(action.number)
    prepare(action.device, action.threads, row.model.get("precision", "float32"))
    found = db.replay(row.id, progress=None if action.progress else False)
    same = "the same" if found.same_spikes else "OTHER"
    print(
        f"run {row.id} again ({row.name}): {same} {found.now.of}, {found.before.total:,} then, {found.now.total:,} now, in {found.run.wall_s:.3g} s"
    )
    if not found.same_spikes:
        for name, was, now in _versions_apart(row):
            print(f"  {name} was {was}, is {now}")
    return 0 if found.same_spikes else OTHER_SPIKES


def _versions_apart(row: RunRow) -> list[tuple[str, str, str]]:
    now = versions() | {"kernels": native_status()}
    return [(name, was, now[name]) for name, was in row.versions.items() if name in now and now[name] != was]


def _table(rows: Sequence[RunRow]) -> str:
    if not rows:
        return "no runs"
    head = ("run", "started (UTC)", "kind", "name", "status", "seed", "neurons", "ms", "s per s")
    lines = [
        (
            str(row.id),
            row.started[:19].replace("T", " "),
            row.kind,
            row.name,
            "lost" if row.lost else row.status,
            *(
                _number(value)
                for value in (row.seed, row.model.get("neurons"), row.model.get("duration_ms"), row.metrics.get("real_time_factor"))
            ),
        )
        for row in rows
    ]
    return table(head, lines, left=5)


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
