"""Which machine may compute: a value that travels with the model, never a global switch."""

import enum


class Backend(enum.Enum):
    """How a model is computed.

    - `AUTO`: the native CPU kernels where they are installed and the platform is a CPU, plain XLA elsewhere.
    - `REFERENCE`: plain XLA everywhere; the oracle for the others.
    """

    AUTO = "auto"
    REFERENCE = "reference"
