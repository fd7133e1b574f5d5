"""Sums over pytrees of numbers."""

from typing import Any

import jax
import jax.numpy as jnp


def arrays(y: Any) -> Any:
    """The same tree with floating-point arrays for leaves."""
    return jax.tree.map(lambda x: jnp.asarray(x) if jnp.issubdtype(jnp.result_type(x), jnp.inexact) else jnp.asarray(x, float), y)


def plus(y: Any, *terms: tuple[Any, Any]) -> Any:
    """`y` and a sum of trees of its structure, each with a factor."""
    for factor, tree in terms:
        y = jax.tree.map(lambda a, b, f=factor: a + f * b, y, tree)
    return y
