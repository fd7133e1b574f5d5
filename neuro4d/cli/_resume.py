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
from neuro4d.io.checkpoint import lies_in
from neuro4d.model import Model


def run(command: Resume) -> int:
    """Goes on with a run to its end, prints its table and writes its results. Returns the exit code."""
    folder, about = run_folder(command.folder, outside=command.outside)
    asked = _asked(about.run.get("note"))
    device, cores = ("auto", "auto") if asked is None else (asked.device, asked.threads)
    threads = prepare(device, cores, about.identity["precision"])
    if asked is None:
        return _of_a_script(command, folder.path)
    asked = dataclasses.replace(asked, checkpoint=command.folder, out=command.out or asked.out, db=command.db, no_db=command.no_db)
    plan = _plan(asked)
    out = claim(_results(command, asked, plan, folder.path))
    start = time.perf_counter()
    model = about.build(folder.path)
    build_s = time.perf_counter() - start
    print(f"{plan.name}: {model.n_neurons:,} neurons, {model.n_synapses:,} synapses, built in {build_s:.1f} s", flush=True)
    return finish(asked, plan, model, lambda: _resumed(command, folder.path, model), build_s, threads, out)


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


def _results(command: Resume, asked: Run, plan: Plan, folder: Path) -> Path:
    """Where the results go. The folder may come from somebody else: it does not choose a place outside of it."""
    if command.out is not None:
        return Path(command.out)
    if asked.out is None and plan.name not in ("", ".", ".."):
        return Path("runs") / plan.name
    wanted = asked.out or "runs"
    if command.outside or lies_in(folder, wanted):
        return Path(wanted)
    raise UserError(f"the results of this run went to {wanted}, outside of {folder}. Say where they go: `neuro4d resume {command.folder} --out {wanted}`.")


def _resumed(command: Resume, folder: Path, model: Model | None = None) -> Any:
    return resume(folder, model=model, progress=None if command.progress else False, outside=command.outside)


def _of_a_script(command: Resume, folder: Path) -> int:
    """A run that no command began: its table alone."""
    if command.out is not None:
        raise UserError(f"this run was begun by a script, which knows what to write: `run = n4.io.resume({str(folder)!r})`. Leave `--out` away.")
    result = _resumed(command, folder)
    print(f"\n{report(result, ())}\n\n{result!r}")
    return 0 if result.completed else INTERRUPTED
