"""Parts of several populations as one part of their group."""

from typing import Any

import jax.numpy as jnp

from neuro4d._base import field_units
from neuro4d.model._draw import with_fields


def merge(parts: list[Any], sizes: list[int]) -> Any:
    """Parts of one kind as one, with one entry per neuron where there are several; scalars stay scalars for a single one."""
    if len(parts) == 1:
        return parts[0]
    names = [name for name in field_units(parts[0]) if getattr(parts[0], name) is not None]
    joined = {
        name: jnp.concatenate([jnp.broadcast_to(getattr(p, name), (n,)) for p, n in zip(parts, sizes, strict=True)]) for name in names
    }
    return with_fields(parts[0], joined)
