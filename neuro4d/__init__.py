"""neuro4d: spiking neural networks on a four-dimensional lattice, in JAX."""

__version__ = "0.1.0"
