"""What the scripts of training share: the options `--json` and `--quick`, and a report on the screen and in a file that `report.py` reads."""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from neuro4d._base import machine, now, versions
from neuro4d.bench import Check, Column, Outcome, Report

ROOT = Path(__file__).resolve().parents[1]
Sizes = Mapping[str, tuple[int, int]]
"""Of each option what is measured without it, and what `--quick` takes."""


def add_common(parser: argparse.ArgumentParser, sizes: Sizes) -> None:
    """The options that every script has, and one for each size."""
    for name, (usual, quick) in sizes.items():
        parser.add_argument(f"--{name}", type=int, help=f"{usual} if nothing is said, {quick} with --quick")
    parser.add_argument("--quick", action="store_true", help="does it work? small sizes, which say nothing")
    parser.add_argument("--json", type=Path, help="also write the report into this file")


def settle(given: argparse.Namespace, sizes: Sizes) -> None:
    """Fills in the sizes that were not given; smaller ones than usual are quick, however they came about."""
    for name, (usual, quick) in sizes.items():
        field = name.replace("-", "_")
        if getattr(given, field) is None:
            setattr(given, field, quick if given.quick else usual)
    given.quick = given.quick or any(getattr(given, name.replace("-", "_")) < usual for name, (usual, _) in sizes.items())


def script(
    name: str,
    text: str | None,
    sizes: Sizes,
    rows: Callable[[argparse.Namespace], Iterable[dict[str, Any]]],
    checks: Callable[[list[dict[str, Any]]], list[Check]],
    columns: tuple[Column, ...],
) -> int:
    """A whole script that has no options of its own. Small sizes say nothing, so nothing is checked."""
    parser = argparse.ArgumentParser(description=(text or "").splitlines()[0])
    add_common(parser, sizes)
    given = parser.parse_args()
    settle(given, sizes)
    found = list(rows(given))
    return finish(name, Outcome(found, [] if given.quick else checks(found), columns), given.json, quick=given.quick)


def seconds(work: Callable[..., Any], *given: Any) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    work(*given)
    return time.perf_counter() - began


def finish(name: str, outcome: Outcome, path: Path | None, *, quick: bool) -> int:
    """Prints and writes a report; the exit status says whether every check held. `quick`: sizes that say nothing, which the page refuses."""
    report = Report(name, command(sys.argv), now(), quick, machine(), versions(), *outcome)
    print(report)
    if path:
        report.write(path)
    return 0 if report.ok else 1


def command(typed: list[str]) -> str:
    """The command as it would be typed in the repository, without the folders of this machine."""
    return shlex.join(["python", f"benchmarks/{Path(typed[0]).name}", *map(portable, typed[1:])])


def portable(argument: str) -> str:
    """A path in the repository as seen from there; of one elsewhere its last part."""
    option, equals, value = argument.rpartition("=")
    path = Path(value)
    if path.is_absolute():
        value = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    return f"{option}{equals}{value}"
