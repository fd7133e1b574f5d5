"""`neuro4d bench`."""

import dataclasses
import importlib
import shlex
import sys
from pathlib import Path
from typing import Annotated

import tyro

from neuro4d.cli._runs_arguments import DATABASE, Database, NoDatabase

FAILED = 1


@dataclasses.dataclass(frozen=True)
class Bench:
    """Measure: cuba, coba, brunel, microcircuit (also against other simulators), seeds, ladder, threads, backends, batch, fixed,
    delivery, events."""

    benchmark: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """What to measure; every measurement runs in a process of its own."""

    peers: Annotated[str, tyro.conf.arg(metavar="PEER[,PEER...]")] = ""
    """Other simulators on the same machine in the same run: brian2, nest, brainpy. Their environments are made by
    `benchmarks/peers/setup.sh`; the variable NEURO4D_PEERS names another folder for them."""

    json: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Where to write all timings, with machine, versions, command and date."""

    quick: bool = False
    """Small sizes and few runs: shows that everything works, not how fast it is."""

    full: bool = False
    """Adds what takes more than ten minutes: the full microcircuit, COBA with 100 million synapses."""

    db: Database = DATABASE
    """Database in which the figures are noted, for `neuro4d runs`."""

    no_db: NoDatabase = False
    """Note them nowhere."""


def run(command: Bench) -> int:
    """Measures, prints the table, writes the file. Returns the exit code: 1 if a check did not hold."""
    bench, note = importlib.import_module("neuro4d.bench"), importlib.import_module("neuro4d.cli._note")
    peers = bench.parse_peers(command.peers)
    if not command.no_db and Path(command.db).exists():
        note.open_database(command.db).close()  # a mistake is told before anything is measured
    report = bench.run_benchmark(command.benchmark, peers=peers, quick=command.quick, full=command.full, command=_typed(command))
    print(report)
    if command.json is not None:
        path = Path(command.json).expanduser()
        report.write(path)
        print(f"written to {path}")
    if not command.no_db:
        print(note.note_report(command.db, report))
    if not report.ok:
        print("neuro4d: a check did not hold; the figures above mean little", file=sys.stderr)
    return 0 if report.ok else FAILED


def _typed(command: Bench) -> str:
    """The command as it would be typed."""
    words = ["neuro4d", "bench", command.benchmark]
    words += ["--peers", command.peers] if command.peers else []
    words += ["--json", command.json] if command.json is not None else []
    words += [flag for flag, on in (("--quick", command.quick), ("--full", command.full)) if on]
    return shlex.join(words)
