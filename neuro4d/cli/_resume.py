"""`neuro4d resume`."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from neuro4d.cli._arguments import Run
from neuro4d.cli._keep_arguments import Resume
from neuro4d.cli._machine import prepare
from neuro4d.cli._output import claim
from neuro4d.cli._quantity import UserError, parse_time
from neuro4d.cli._run import INTERRUPTED, Plan, finish, make_plan, report
from neuro4d.io import resume, run_folder


def run(command: Resume) -> int:
    """Goes on with a run to its end, prints its table and writes its results. Returns the exit code."""
    folder, about = run_folder(command.folder)
    asked = _asked(about.run.get("note"))
    device, cores = ("auto", "auto") if asked is None else (asked.device, asked.threads)
    threads = prepare(device, cores, about.identity["precision"])
    if asked is None:
        return _of_a_script(command, folder.path)
    asked = dataclasses.replace(asked, checkpoint=command.folder, db=command.db, no_db=command.no_db)
    plan = _plan(asked)
    out = claim(Path(command.out or asked.out or Path("runs") / plan.name))
    start = time.perf_counter()
    model = about.build(folder.path)
    build_s = time.perf_counter() - start
    print(f"{plan.name}: {model.n_neurons:,} neurons, {model.n_synapses:,} synapses, built in {build_s:.1f} s", flush=True)
    return finish(asked, plan, model, lambda: resume(folder.path, model=model, progress=None if command.progress else False), build_s, threads, out)


def _asked(note: Any) -> Run | None:
    """The command that began the run, `None` for a run of a script."""
    if not isinstance(note, dict) or "command" not in note:
        return None
    try:
        return Run(**note["command"])
    except TypeError as error:
        raise UserError(f"the run was begun by a command that this version does not know ({error}); `n4.io.resume` goes on with it.") from error


def _plan(asked: Run) -> Plan:
    """What was asked for, with every default filled in."""
    times = [None if text is None else parse_time(text, option) for text, option in ((asked.duration, "--duration"), (asked.dt, "--dt"))]
    return make_plan(asked, times[0], times[1])


def _of_a_script(command: Resume, folder: Path) -> int:
    """A run that no command began: its table alone."""
    if command.out is not None:
        raise UserError(f"this run was begun by a script, which knows what to write: `run = n4.io.resume({str(folder)!r})`. Leave `--out` away.")
    result = resume(folder, progress=None if command.progress else False)
    print(f"\n{report(result, ())}\n\n{result!r}")
    return 0 if result.completed else INTERRUPTED
