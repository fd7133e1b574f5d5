"""neuro4d: spiking neural networks on a four-dimensional lattice, in JAX."""

from neuro4d._base import Constant as Constant
from neuro4d._base import Fault as Fault
from neuro4d._base import LogNormal as LogNormal
from neuro4d._base import Normal as Normal
from neuro4d._base import Uniform as Uniform
from neuro4d._base import UnitError as UnitError
from neuro4d._base import UnknownNameError as UnknownNameError
from neuro4d.connect import AllToAll as AllToAll
from neuro4d.connect import DistanceDecay as DistanceDecay
from neuro4d.connect import EdgeList as EdgeList
from neuro4d.connect import ExponentialKernel as ExponentialKernel
from neuro4d.connect import FixedInDegree as FixedInDegree
from neuro4d.connect import FixedOutDegree as FixedOutDegree
from neuro4d.connect import FixedProb as FixedProb
from neuro4d.connect import FixedTotalNumber as FixedTotalNumber
from neuro4d.connect import GaussianKernel as GaussianKernel
from neuro4d.connect import OneToOne as OneToOne
from neuro4d.lattice import Box as Box
from neuro4d.lattice import Lattice as Lattice
from neuro4d.lattice import Mask as Mask
from neuro4d.network import Model as Model
from neuro4d.network import Network as Network
from neuro4d.network import Population as Population
from neuro4d.network import Projection as Projection
from neuro4d.network import State as State
from neuro4d.network import set_value as set
from neuro4d.neurons import LIF as LIF
from neuro4d.neurons import Izhikevich as Izhikevich
from neuro4d.neurons import Relay as Relay
from neuro4d.ops import Backend as Backend
from neuro4d.ops import SuperSpike as SuperSpike
from neuro4d.ops import Triangle as Triangle
from neuro4d.receptors import AlphaConductance as AlphaConductance
from neuro4d.receptors import AlphaCurrent as AlphaCurrent
from neuro4d.receptors import Delta as Delta
from neuro4d.receptors import ExpConductance as ExpConductance
from neuro4d.receptors import ExpCurrent as ExpCurrent
from neuro4d.receptors import PulseCurrent as PulseCurrent
from neuro4d.recorders import Counts as Counts
from neuro4d.recorders import Spikes as Spikes
from neuro4d.recorders import Trace as Trace
from neuro4d.recorders import Window as Window
from neuro4d.stimuli import Clamp as Clamp
from neuro4d.stimuli import Input as Input
from neuro4d.stimuli import Poisson as Poisson
from neuro4d.stimuli import RateSteps as RateSteps
from neuro4d.stimuli import SpikeTimes as SpikeTimes
from neuro4d.stimuli import Steps as Steps
from neuro4d.stimuli import Waveform as Waveform
from neuro4d.stimuli import WhiteNoise as WhiteNoise


__version__ = "0.1.0"
