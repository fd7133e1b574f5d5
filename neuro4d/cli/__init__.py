"""L11: the command `neuro4d`."""

from neuro4d.cli._main import main as main
