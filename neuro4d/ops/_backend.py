"""Which machine may compute: a value that travels with the model, never a global switch."""

import enum

import jax

from neuro4d.kernels import native_available


class Backend(enum.Enum):
    """How a model is computed.

    - `AUTO`: the native CPU kernels where they are installed and the platform is a CPU, plain XLA elsewhere.
    - `REFERENCE`: plain XLA everywhere; the oracle for the others.
    """

    AUTO = "auto"
    REFERENCE = "reference"

    @property
    def native(self) -> bool:
        """Whether programs for a CPU use the native kernels."""
        return self is Backend.AUTO and native_available()

    @property
    def native_here(self) -> bool:
        """The same, and programs are for a CPU unless somebody asks for another platform."""
        return self.native and jax.default_backend() == "cpu"
