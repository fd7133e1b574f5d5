"""The relative exponential, which rate functions and propagators share."""

import jax.numpy as jnp
from jaxtyping import Array, Float

SMALL = 0.05


def exprel(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    r"""$(e^x - 1)/x$, with its limit 1 at 0 and finite derivatives everywhere that the value is finite.

    Near 0 the series to the tenth term, exact in double precision; both branches are safe to differentiate.

    !!! Example

        >>> import jax, jax.numpy as jnp
        >>> from neuro4d.integrators import exprel
        >>> float(exprel(jnp.array(0.0))), float(jax.grad(exprel)(0.0))
        (1.0, 0.5)
    """
    near = jnp.abs(x) < SMALL
    safe = jnp.where(near, 1, x)
    series = 1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6 * (1 + x / 7 * (1 + x / 8 * (1 + x / 9)))))))
    return jnp.where(near, jnp.where(near, series, 0), jnp.expm1(safe) / safe)
