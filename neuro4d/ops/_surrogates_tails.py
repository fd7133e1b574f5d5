"""Surrogates with tails: every neuron has a slope, however small, unless `n4.Scaled(..., support=...)` cuts it."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import quantity
from neuro4d.ops._surrogate import AbstractSurrogate


class SuperSpike(AbstractSurrogate):
    r"""A peak with slow tails: $1 / (w (1 + |x|/w)^2)$. Its integral is 2: where half would belong to a spike, it counts twice.

    The same name elsewhere: Norse `super(alpha)` and spyx `superspike(k)` are $1/(1 + k|x|)^2$, a peak of 1 whatever the scale, with
    $w = 1/k$ and an integral of $2/k$ (defaults 100 and 25, in units of the threshold); SpikingJelly's `SuperSpike(alpha)` is
    $\alpha/(1 + |x|)^2$: there `alpha` is no width. `n4.FastSigmoid` is the same shape with an integral of 1.

    **Arguments:** `width` $w$: how far from threshold the slope has fallen to a quarter. [voltage] By default 1 mV.

    **Source:** F. Zenke, S. Ganguli, Neural Computation 30, 1514 (2018).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> model = n4.Network(cells).build(dt=0.1*u.ms, surrogate=n4.SuperSpike(width=2*u.mV))
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return 1 / (width * (1 + jnp.abs(excess) / width) ** 2)


class FastSigmoid(AbstractSurrogate):
    r"""The derivative of a fast sigmoid that goes from 0 to 1, $\frac{1}{2}(1 + \frac{x}{w + |x|})$: $1 / (2 w (1 + |x|/w)^2)$. Its
    integral is 1.

    The same name elsewhere: snnTorch `fast_sigmoid(slope)` is $1/(k|x| + 1)^2$ with $w = 1/k$, a peak of 1 and an integral of $2/k$ (25 by
    default, in units of the threshold); SpikingJelly calls this one `SoftSign(alpha)`, with $w = 1/\alpha$.

    **Arguments:** `width` $w$: how far from threshold the slope has fallen to a quarter. [voltage] By default 1 mV.

    **Source:** F. Zenke, S. Ganguli, Neural Computation 30, 1514 (2018), who leave out the factor.

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> [float(x) for x in n4.FastSigmoid(width=1*u.mV).slope(jnp.array([0.0, 1.0]))]
        [0.5, 0.125]
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return 1 / (2 * width * (1 + jnp.abs(excess) / width) ** 2)


class Sigmoid(AbstractSurrogate):
    r"""The derivative of the logistic function: $\sigma(x/w)\,\sigma(-x/w) / w$. Its integral is 1, its peak $1/(4w)$.

    The same name elsewhere: SpikingJelly `Sigmoid(alpha)` (4 by default) and snnTorch `sigmoid(slope)` (25) are this one, with
    $w = 1/\alpha$ in units of the threshold.

    **Arguments:** `width` $w$: the scale of the logistic function. [voltage] By default 1 mV.

    **Source:** as the escape rate of a neuron, W. Gerstner, W. Kistler, Spiking Neuron Models, section 5.3 (2002).

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> float(n4.Sigmoid(width=2*u.mV).slope(jnp.array(0.0)))
        0.125
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return jax.nn.sigmoid(excess / width) * jax.nn.sigmoid(-excess / width) / width


class ATan(AbstractSurrogate):
    r"""The derivative of an arctangent: $1 / (\pi w (1 + (x/w)^2))$. Its integral is 1, its tails fall with the square of the distance.

    The same name elsewhere: SpikingJelly `ATan(alpha)` and snnTorch `atan(alpha)` are $\frac{\alpha}{2} / (1 + (\frac{\pi}{2}\alpha x)^2)$, this
    one with $w = 2/(\pi\alpha)$, so 0.318 for their default of 2; the documentation of snnTorch prints $\frac{1}{\pi}$ in place of
    $\frac{\alpha}{2}$. spyx `arctan(k)` is $\frac{1}{\pi} / (1 + (\pi k x)^2)$. All in units of the threshold.

    **Arguments:** `width` $w$: how far from threshold the slope has fallen to half. [voltage] By default 1 mV.

    **Source:** W. Fang, Z. Yu, Y. Chen, T. Masquelier, T. Huang, Y. Tian, ICCV (2021).

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> like_spikingjelly = n4.ATan(width=2 / (np.pi * 2) * u.mV)
        >>> round(float(like_spikingjelly.slope(jnp.array(0.0))), 6)
        1.0
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return 1 / (np.pi * width * (1 + (excess / width) ** 2))


class Gaussian(AbstractSurrogate):
    r"""A normal density: $e^{-x^2/(2 w^2)} / (w\sqrt{2\pi})$. Its integral is 1.

    The same name elsewhere: papers that sum several of them with negative lobes call that the multi-Gaussian. `n4.Erf` is the same shape with
    another scale.

    **Arguments:** `width` $w$: the standard deviation. [voltage] By default 1 mV.

    **Source:** B. Yin, F. Corradi, S. M. Bohté, Nature Machine Intelligence 3, 905 (2021).

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> round(float(n4.Gaussian(width=1*u.mV).slope(jnp.array(0.0))), 4)
        0.3989
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return jnp.exp(-0.5 * (excess / width) ** 2) / (width * np.sqrt(2 * np.pi))


class Erf(AbstractSurrogate):
    r"""The derivative of an error function that goes from 0 to 1, $\frac{1}{2}(1 + \mathrm{erf}(x/w))$: $e^{-(x/w)^2} / (w\sqrt\pi)$. Its
    integral is 1.

    The same name elsewhere: SpikingJelly `Erf(alpha)` is this one with $w = 1/\alpha$ (2 by default, in units of the threshold). It is
    `n4.Gaussian` with a standard deviation of $w/\sqrt 2$.

    **Arguments:** `width` $w$: how far from threshold the slope has fallen to $1/e$. [voltage] By default 1 mV.

    **Source:** W. Fang et al., Science Advances 9, eadi1480 (2023).

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> round(float(n4.Erf(width=1*u.mV).slope(jnp.array(0.0))), 4)
        0.5642
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return jnp.exp(-((excess / width) ** 2)) / (width * np.sqrt(np.pi))


class SLAYER(AbstractSurrogate):
    r"""Two exponentials: $e^{-|x|/w} / (2 w)$. Its integral is 1.

    The same name elsewhere: lava-dl multiplies by `scale`, here `damping` of `n4.Scaled`; the SE-adLIF networks use
    $c\,\frac{\alpha}{2} e^{-\alpha|x|}$ with $\alpha = 5$ and $c = 0.4$ (`n4.Scaled(n4.SLAYER(width=0.2*u.mV), damping=0.4)` for a threshold of
    1 mV); SpikingJelly calls it `PiecewiseExp(alpha)`, with $w = 1/\alpha$. SLAYER is also the name of the whole method of training.

    **Arguments:** `width` $w$: how far from threshold the slope has fallen to $1/e$. [voltage] By default 1 mV.

    **Source:** S. B. Shrestha, G. Orchard, NeurIPS (2018).

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> float(n4.SLAYER(width=2*u.mV).slope(jnp.array(0.0)))
        0.25
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return jnp.exp(-jnp.abs(excess) / width) / (2 * width)
