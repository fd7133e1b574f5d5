"""Checkpoints: a run that was killed goes on with the same bits."""

from neuro4d.io import recording as _recording  # its recorders may stand in the description of a run
from neuro4d.io.checkpoint._bounds import lies_in as lies_in
from neuro4d.io.checkpoint._checkpoints import Checkpoints as Checkpoints
from neuro4d.io.checkpoint._doctor import Finding as Finding
from neuro4d.io.checkpoint._doctor import examine as examine
from neuro4d.io.checkpoint._log import CheckpointWarning as CheckpointWarning
from neuro4d.io.checkpoint._resume import resume as resume
from neuro4d.io.checkpoint._resume import run_folder as run_folder
from neuro4d.io.checkpoint._save import restore as restore
from neuro4d.io.checkpoint._save import save as save
from neuro4d.io.checkpoint._store import Store as Store
from neuro4d.io.checkpoint._store import Stored as Stored
