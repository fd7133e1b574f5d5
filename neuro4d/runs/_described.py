"""The network of a result as text, or why there is none."""

from typing import Any

from neuro4d.model import Model
from neuro4d.results import Run
from neuro4d.runs._again import network_text


def described(result: Any) -> tuple[str | None, str | None]:
    """The text of the network of a run, or of the model of what `tune` gave back; else the reason why there is none."""
    model = result.model if isinstance(result, Run) else getattr(result, "model", None)
    return described_model(model) if isinstance(model, Model) else (None, None)


def described_model(model: Model) -> tuple[str | None, str | None]:
    """The text of the network of a model, or the reason why there is none."""
    try:
        return network_text(model), None
    except ValueError as error:
        return None, str(error)
