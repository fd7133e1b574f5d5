"""The entry point: parse, dispatch, and turn mistakes of the user into one sentence."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import tyro

from neuro4d.cli._arguments import Command, Cost, Devices, Map, Run
from neuro4d.cli._bench import Bench
from neuro4d.cli._keep_arguments import Doctor, Resume
from neuro4d.cli._quantity import UserError
from neuro4d.cli._runs_arguments import Runs

MISTAKES = (UserError, ValueError, TypeError, LookupError, OSError, NotImplementedError, MemoryError)
"""What the package raises for bad input. A set variable NEURO4D_TRACEBACK shows where."""

USER_MISTAKE, INTERRUPTED = 2, 130


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command with the given arguments (default: those of the process).

    **Returns:** the exit code: 0, 2 for a mistake of the user, 130 if the run was interrupted.
    """
    command = tyro.cli(
        Command,
        prog="neuro4d",
        args=None if args is None else list(args),
        description="Spiking neural networks on a four-dimensional lattice.",
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    try:
        return _dispatch(command)
    except MISTAKES as error:
        if os.environ.get("NEURO4D_TRACEBACK"):
            traceback.print_exc()
        print(f"neuro4d: error: {str(error) or type(error).__name__}", file=sys.stderr)
        return USER_MISTAKE
    except KeyboardInterrupt:
        print("neuro4d: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED


def _dispatch(command: Run | Devices | object) -> int:
    # Each handler is opened when it is asked for: `neuro4d zoo` and `--help` need no simulation engine.
    if isinstance(command, Run):
        return importlib.import_module("neuro4d.cli._run").run(command)
    if isinstance(command, Resume):
        return importlib.import_module("neuro4d.cli._resume").run(command)
    if isinstance(command, Doctor):
        return importlib.import_module("neuro4d.cli._doctor").run(command)
    if isinstance(command, Cost):
        return importlib.import_module("neuro4d.cli._cost").run(command)
    if isinstance(command, Map):
        return importlib.import_module("neuro4d.cli._map").run(command)
    if isinstance(command, Bench):
        return importlib.import_module("neuro4d.cli._bench").run(command)
    if isinstance(command, Runs):
        return importlib.import_module("neuro4d.cli._runs").run(command)
    if isinstance(command, Devices):
        return importlib.import_module("neuro4d.cli._devices").show()
    return importlib.import_module("neuro4d.cli._zoo").show()
