"""What can be typed after `neuro4d resume` and `neuro4d doctor`; the help texts are the docstrings."""

import dataclasses
from typing import Annotated

import tyro

from neuro4d.cli._runs_arguments import DATABASE, Database, NoDatabase


@dataclasses.dataclass(frozen=True)
class Resume:
    """Go on with a run that `neuro4d run --checkpoint` or `n4.io.Checkpoints` kept, to its end."""

    folder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """The folder of the checkpoints."""

    out: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for the results. Default: that of the run if it lies in DIR, and runs/NAME if the run was given none; a run of a script writes none."""

    outside: bool = False
    """Let what DIR says write outside of it: results, recorders with a path, symbolic links. For a DIR of your own."""

    progress: bool = True
    """Show a progress bar where there is a terminal."""

    db: Database = DATABASE
    """Database in which the run is noted, for `neuro4d runs`."""

    no_db: NoDatabase = False
    """Note it nowhere."""


@dataclasses.dataclass(frozen=True)
class Doctor:
    """Say what a folder holds (checkpoints, recordings, HDF5, databases) and what of it is damaged; exit code 1 if something is."""

    folder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
    """The folder, or a file."""
