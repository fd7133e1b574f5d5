"""neuro4d: spiking neural networks on a four-dimensional lattice, in JAX."""

import importlib
from typing import TYPE_CHECKING, Any

from neuro4d import analysis as analysis
from neuro4d import integrators as integrators
from neuro4d import io as io
from neuro4d import senses as senses
from neuro4d import zoo as zoo
from neuro4d._base import Constant as Constant
from neuro4d._base import CorruptFileError as CorruptFileError
from neuro4d._base import Drive as Drive
from neuro4d._base import Fault as Fault
from neuro4d._base import LogNormal as LogNormal
from neuro4d._base import Normal as Normal
from neuro4d._base import NotInNIRError as NotInNIRError
from neuro4d._base import Uniform as Uniform
from neuro4d._base import UnitError as UnitError
from neuro4d._base import UnknownNameError as UnknownNameError
from neuro4d._base import UnsafeFileError as UnsafeFileError
from neuro4d._base import quantity as quantity
from neuro4d.connect import AllToAll as AllToAll
from neuro4d.connect import BallMask as BallMask
from neuro4d.connect import BoxMask as BoxMask
from neuro4d.connect import DistanceDecay as DistanceDecay
from neuro4d.connect import EdgeList as EdgeList
from neuro4d.connect import EdgeTable as EdgeTable
from neuro4d.connect import EllipsoidMask as EllipsoidMask
from neuro4d.connect import ExponentialKernel as ExponentialKernel
from neuro4d.connect import FixedInDegree as FixedInDegree
from neuro4d.connect import FixedOutDegree as FixedOutDegree
from neuro4d.connect import FixedProb as FixedProb
from neuro4d.connect import FixedTotalNumber as FixedTotalNumber
from neuro4d.connect import GaussianKernel as GaussianKernel
from neuro4d.connect import Modular as Modular
from neuro4d.connect import Neighbours as Neighbours
from neuro4d.connect import OneToOne as OneToOne
from neuro4d.connect import RingMask as RingMask
from neuro4d.connect import ScaleFree as ScaleFree
from neuro4d.connect import SmallWorld as SmallWorld
from neuro4d.connect import Topographic as Topographic
from neuro4d.io import load_config as load_config
from neuro4d.lattice import Box as Box
from neuro4d.lattice import Lattice as Lattice
from neuro4d.lattice import Mask as Mask
from neuro4d.model import Edges as Edges
from neuro4d.model import Model as Model
from neuro4d.model import Span as Span
from neuro4d.model import State as State
from neuro4d.model import Weights as Weights
from neuro4d.model import from_user as from_user
from neuro4d.model import set_value as set
from neuro4d.model import set_weights as set_weights
from neuro4d.model import to_user as to_user
from neuro4d.model import with_neurons as with_neurons
from neuro4d.network import GapJunctions as GapJunctions
from neuro4d.network import Network as Network
from neuro4d.network import Population as Population
from neuro4d.network import PopulationView as PopulationView
from neuro4d.network import Projection as Projection
from neuro4d.network import TrainableDelays as TrainableDelays
from neuro4d.neurons import ALIF as ALIF
from neuro4d.neurons import EIF as EIF
from neuro4d.neurons import GLIF as GLIF
from neuro4d.neurons import LI as LI
from neuro4d.neurons import LIF as LIF
from neuro4d.neurons import PLIF as PLIF
from neuro4d.neurons import QIF as QIF
from neuro4d.neurons import AdEx as AdEx
from neuro4d.neurons import AdLIF as AdLIF
from neuro4d.neurons import GammaNeuron as GammaNeuron
from neuro4d.neurons import HodgkinHuxley as HodgkinHuxley
from neuro4d.neurons import Izhikevich as Izhikevich
from neuro4d.neurons import LoihiLIF as LoihiLIF
from neuro4d.neurons import PoissonNeuron as PoissonNeuron
from neuro4d.neurons import Relay as Relay
from neuro4d.neurons import SpiNNakerLIF as SpiNNakerLIF
from neuro4d.neurons import TraubMiles as TraubMiles
from neuro4d.ops import SLAYER as SLAYER
from neuro4d.ops import ATan as ATan
from neuro4d.ops import Backend as Backend
from neuro4d.ops import Boxcar as Boxcar
from neuro4d.ops import Erf as Erf
from neuro4d.ops import FastSigmoid as FastSigmoid
from neuro4d.ops import Gaussian as Gaussian
from neuro4d.ops import Scaled as Scaled
from neuro4d.ops import Sigmoid as Sigmoid
from neuro4d.ops import SuperSpike as SuperSpike
from neuro4d.ops import Triangle as Triangle
from neuro4d.plasticity import BCM as BCM
from neuro4d.plasticity import STDP as STDP
from neuro4d.plasticity import AccumulatedSTDP as AccumulatedSTDP
from neuro4d.plasticity import ClopathSTDP as ClopathSTDP
from neuro4d.plasticity import Combined as Combined
from neuro4d.plasticity import Dendritic as Dendritic
from neuro4d.plasticity import Free as Free
from neuro4d.plasticity import Hebbian as Hebbian
from neuro4d.plasticity import Homeostasis as Homeostasis
from neuro4d.plasticity import Mixed as Mixed
from neuro4d.plasticity import Modulated as Modulated
from neuro4d.plasticity import Oja as Oja
from neuro4d.plasticity import PowerLawSTDP as PowerLawSTDP
from neuro4d.plasticity import QuantalRelease as QuantalRelease
from neuro4d.plasticity import RewardSTDP as RewardSTDP
from neuro4d.plasticity import TripletSTDP as TripletSTDP
from neuro4d.plasticity import TsodyksMarkram as TsodyksMarkram
from neuro4d.plasticity import VogelsInhibitory as VogelsInhibitory
from neuro4d.receptors import GABAB as GABAB
from neuro4d.receptors import NMDA as NMDA
from neuro4d.receptors import AlphaConductance as AlphaConductance
from neuro4d.receptors import AlphaCurrent as AlphaCurrent
from neuro4d.receptors import Delta as Delta
from neuro4d.receptors import DualExpConductance as DualExpConductance
from neuro4d.receptors import DualExpCurrent as DualExpCurrent
from neuro4d.receptors import ExpConductance as ExpConductance
from neuro4d.receptors import ExpCurrent as ExpCurrent
from neuro4d.receptors import Modulator as Modulator
from neuro4d.receptors import Neuromodulator as Neuromodulator
from neuro4d.receptors import PromptCurrent as PromptCurrent
from neuro4d.receptors import PulseCurrent as PulseCurrent
from neuro4d.receptors import SpiNNakerCurrent as SpiNNakerCurrent
from neuro4d.recorders import Counts as Counts
from neuro4d.recorders import Events as Events
from neuro4d.recorders import Record as Record
from neuro4d.recorders import Spikes as Spikes
from neuro4d.recorders import SpikeTable as SpikeTable
from neuro4d.recorders import Trace as Trace
from neuro4d.recorders import Window as Window
from neuro4d.results import Run as Run
from neuro4d.simulate import MemoryBudgetError as MemoryBudgetError
from neuro4d.simulate import SimulationError as SimulationError
from neuro4d.simulate import batch as batch
from neuro4d.simulate import run_memory as run_memory
from neuro4d.simulate import scan as scan
from neuro4d.simulate import simulate as simulate
from neuro4d.simulate import sweep as sweep
from neuro4d.stimuli import AC as AC
from neuro4d.stimuli import Clamp as Clamp
from neuro4d.stimuli import CorrelatedPoisson as CorrelatedPoisson
from neuro4d.stimuli import Input as Input
from neuro4d.stimuli import Movie as Movie
from neuro4d.stimuli import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from neuro4d.stimuli import Poisson as Poisson
from neuro4d.stimuli import PulsePackets as PulsePackets
from neuro4d.stimuli import RateSteps as RateSteps
from neuro4d.stimuli import SpikeTimes as SpikeTimes
from neuro4d.stimuli import Steps as Steps
from neuro4d.stimuli import Waveform as Waveform
from neuro4d.stimuli import WhiteNoise as WhiteNoise
from neuro4d.stimuli import drifting_grating as drifting_grating
from neuro4d.stimuli import moving_bar as moving_bar
from neuro4d.structure import Formation as Formation
from neuro4d.structure import GaussianGrowth as GaussianGrowth
from neuro4d.structure import Growth as Growth
from neuro4d.structure import Lifecycle as Lifecycle
from neuro4d.structure import LinearGrowth as LinearGrowth
from neuro4d.structure import Pruning as Pruning
from neuro4d.structure import SigmoidGrowth as SigmoidGrowth
from neuro4d.structure import StructuralPlasticity as StructuralPlasticity

__version__ = "0.1.0"

if TYPE_CHECKING:
    from neuro4d import hardware as hardware
    from neuro4d import plot as plot
    from neuro4d import runs as runs
    from neuro4d import train as train
    from neuro4d.io import restore as restore
    from neuro4d.io import save as save
    from neuro4d.runs import KnowledgeBase as KnowledgeBase
    from neuro4d.runs import RunDB as RunDB
else:

    def __getattr__(name: str) -> Any:
        """`n4.train`, `n4.hardware`, `n4.plot`, files and records of runs are loaded when they are first used: most scripts simulate and do nothing else."""
        if name in ("hardware", "plot", "runs", "train"):
            return importlib.import_module(f"neuro4d.{name}")
        if name in ("KnowledgeBase", "RunDB"):
            return getattr(importlib.import_module("neuro4d.runs"), name)
        if name in ("restore", "save"):
            return getattr(importlib.import_module("neuro4d.io"), name)
        raise AttributeError(f"module 'neuro4d' has no attribute {name!r}")
