"""Weights: full and convolutional. One product for all time steps."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import check_count
from neuro4d.train.layers._base import AbstractLayer, Passed, as_float, check_key, folded, uniform_weights


class Dense(AbstractLayer):
    r"""All inputs to all outputs: $y_t = x_t W + b$, as one matrix product over all time steps.

    **Arguments:**

    - `inputs`, `outputs`: how many.
    - `key`: for the weights, uniform in $\pm 1/\sqrt{\text{inputs}}$.
    - `bias`: whether there is $b$; it starts at 0.

    **Raises:** `ValueError` without a key, or for an input of another width.

    !!! Example

        >>> import jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> n4.train.Dense(64, 10, key=jr.key(0))(jnp.ones((16, 32, 64))).shape
        (16, 32, 10)
    """

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"] | None

    def __init__(self, inputs: int, outputs: int, *, key: Any, bias: bool = True):
        inputs, outputs = check_count(inputs, "Dense: inputs"), check_count(outputs, "Dense: outputs")
        self.weight = uniform_weights(check_key(key, "Dense"), (inputs, outputs), inputs)
        self.bias = jnp.zeros(outputs, self.weight.dtype) if bias else None

    def apply(self, x, context):
        if x.shape[-1] != self.weight.shape[0]:
            raise ValueError(
                f"Dense of {self.weight.shape[0]} inputs got {x.shape[-1]}: x has shape {x.shape}, (time, batch, inputs). "
                "`train.Flatten()` before it makes one axis of several."
            )
        # Time and batch as one axis: the product for the gradient of the weights then needs no transposed copy.
        y = folded(lambda flat: flat @ self.weight, as_float(x, self.weight))
        return Passed(y if self.bias is None else y + self.bias)

    def fan_out(self):
        return float(self.weight.shape[1])


class Conv2d(AbstractLayer):
    r"""Convolution in two dimensions, over all time steps as one batch. Images are `(time, batch, height, width, channels)`.

    **Arguments:**

    - `inputs`, `outputs`: channels.
    - `size`: of the square kernel.
    - `key`: for the weights, uniform in $\pm 1/\sqrt{n}$ for $n$ inputs of a neuron.
    - `stride`: between neighbouring outputs.
    - `padding`: `"same"` (zeros around the image) or `"valid"`.
    - `bias`: whether each channel has one; it starts at 0.

    **Raises:** `ValueError` without a key, for another padding, or for an input of another shape.

    !!! Example

        >>> import jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> n4.train.Conv2d(1, 8, 3, key=jr.key(0))(jnp.ones((4, 2, 8, 8, 1))).shape
        (4, 2, 8, 8, 8)
    """

    weight: Float[Array, "size size inputs outputs"]
    bias: Float[Array, " outputs"] | None
    stride: int = eqx.field(static=True)
    padding: str = eqx.field(static=True)

    def __init__(self, inputs: int, outputs: int, size: int, *, key: Any, stride: int = 1, padding: str = "same", bias: bool = True):
        inputs, outputs = check_count(inputs, "Conv2d: inputs"), check_count(outputs, "Conv2d: outputs")
        size, self.stride = check_count(size, "Conv2d: size"), check_count(stride, "Conv2d: stride")
        if padding not in ("same", "valid"):
            raise ValueError(f'Conv2d: padding is "same" or "valid"; got {padding!r}.')
        self.padding = padding
        self.weight = uniform_weights(check_key(key, "Conv2d"), (size, size, inputs, outputs), size * size * inputs)
        self.bias = jnp.zeros(outputs, self.weight.dtype) if bias else None

    def apply(self, x, context):
        if x.ndim != 5 or x.shape[-1] != self.weight.shape[2]:
            raise ValueError(
                f"Conv2d of {self.weight.shape[2]} channels takes (time, batch, height, width, {self.weight.shape[2]}); got {x.shape}. "
                "An image without channels gets one by `x[..., None]`."
            )
        y = folded(self._convolve, as_float(x, self.weight))
        return Passed(y if self.bias is None else y + self.bias)

    def _convolve(self, x: Array) -> Array:
        strides = (self.stride, self.stride)
        return jax.lax.conv_general_dilated(x, self.weight, strides, self.padding.upper(), dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def fan_out(self):
        size, _, _, outputs = self.weight.shape
        return size * size * outputs / self.stride**2
