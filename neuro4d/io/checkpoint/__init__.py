"""Checkpoints: a run that was killed goes on with the same bits."""

from neuro4d.io.checkpoint._store import Store as Store
from neuro4d.io.checkpoint._store import Stored as Stored
