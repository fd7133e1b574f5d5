"""What can be typed after `neuro4d runs`, as immutable values; the help texts are the docstrings."""

import dataclasses
from typing import Annotated, Literal

import tyro

DATABASE = "runs/runs.db"
"""Where rows are written and looked for, unless `--db` says otherwise."""

Number = Annotated[int, tyro.conf.Positional, tyro.conf.arg(metavar="N")]
Database = Annotated[str, tyro.conf.arg(metavar="PATH")]
NoDatabase = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclasses.dataclass(frozen=True)
class List:
    """What was run, the latest first."""

    kind: Literal["run", "sweep", "tune", "fit", "benchmark"] | None = None
    """Only these."""

    name: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Only those of this name."""

    status: Literal["running", "finished", "interrupted", "failed"] | None = None
    """Only those that ended like this."""

    limit: Annotated[int, tyro.conf.arg(metavar="N")] = 20
    """At most so many."""

    db: Database = DATABASE
    """The database."""


@dataclasses.dataclass(frozen=True)
class Show:
    """All that is known of a run."""

    number: Number
    """Its number; -1 is the latest."""

    db: Database = DATABASE
    """The database."""


@dataclasses.dataclass(frozen=True)
class Compare:
    """What two runs have apart, and whether their spikes are the same."""

    a: Number
    """The number of a run."""

    b: Number
    """The number of the other."""

    db: Database = DATABASE
    """The database."""


@dataclasses.dataclass(frozen=True)
class Replay:
    """Run it again from its row, with the same seed, and say whether the spikes are the same."""

    number: Number
    """Its number; -1 is the latest."""

    device: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """Where to compute; auto takes what JAX prefers."""

    threads: Annotated[str, tyro.conf.arg(metavar="N|auto")] = "auto"
    """Number of CPU cores to use; auto takes all that the system grants this process."""

    progress: bool = True
    """Show a progress bar where there is a terminal."""

    db: Database = DATABASE
    """The database."""


@dataclasses.dataclass(frozen=True)
class Export:
    """Write all rows to a file for other programs."""

    path: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """A name ending in .json, .csv or .parquet."""

    format: Literal["json", "csv", "parquet"] | None = None
    """Where the name does not say."""

    db: Database = DATABASE
    """The database."""


@dataclasses.dataclass(frozen=True)
class Runs:
    """What was run before: list, show, compare, run again, export."""

    action: (
        Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Show, tyro.conf.subcommand("show")]
        | Annotated[Compare, tyro.conf.subcommand("compare")]
        | Annotated[Replay, tyro.conf.subcommand("replay")]
        | Annotated[Export, tyro.conf.subcommand("export")]
    )
