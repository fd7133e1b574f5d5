"""What the scripts in this folder end with: their report on the screen and, if it is asked for, in a file that `report.py` reads."""

import sys
from pathlib import Path

from neuro4d.bench import Outcome, Report
from neuro4d.bench._machine import machine, now, versions

ROOT = Path(__file__).resolve().parents[1]


def finish(name: str, outcome: Outcome, path: Path | None, *, quick: bool) -> int:
    """Prints and writes a report; the exit status says whether every check held. `quick`: sizes that say nothing, which the page refuses."""
    report = Report(name, command(sys.argv), now(), quick, machine(), versions(), *outcome)
    print(report)
    if path:
        report.write(path)
    return 0 if report.ok else 1


def command(typed: list[str]) -> str:
    """The command as it would be typed in the repository, without the folders of this machine."""
    return " ".join(["python", f"benchmarks/{Path(typed[0]).name}", *map(portable, typed[1:])])


def portable(argument: str) -> str:
    """A path in the repository as seen from there; of one elsewhere its last part."""
    option, equals, value = argument.rpartition("=")
    path = Path(value)
    if path.is_absolute():
        value = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    return f"{option}{equals}{value}"
