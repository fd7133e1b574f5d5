"""L3: neuron models."""

from neuro4d.neurons._adaptive import ALIF as ALIF
from neuro4d.neurons._adaptive import AdLIF as AdLIF
from neuro4d.neurons._base import AbstractNeuron as AbstractNeuron
from neuro4d.neurons._base import Fired as Fired
from neuro4d.neurons._base import Membrane as Membrane
from neuro4d.neurons._eif import EIF as EIF
from neuro4d.neurons._eif import AdEx as AdEx
from neuro4d.neurons._gamma import GammaNeuron as GammaNeuron
from neuro4d.neurons._glif import GLIF as GLIF
from neuro4d.neurons._hodgkin_huxley import HodgkinHuxley as HodgkinHuxley
from neuro4d.neurons._izhikevich import Izhikevich as Izhikevich
from neuro4d.neurons._leaky import LI as LI
from neuro4d.neurons._leaky import PLIF as PLIF
from neuro4d.neurons._lif import LIF as LIF
from neuro4d.neurons._lif import LIFState as LIFState
from neuro4d.neurons._loihi import LoihiLIF as LoihiLIF
from neuro4d.neurons._poisson import PoissonNeuron as PoissonNeuron
from neuro4d.neurons._qif import QIF as QIF
from neuro4d.neurons._relay import Relay as Relay
from neuro4d.neurons._spinnaker import SpiNNakerLIF as SpiNNakerLIF
from neuro4d.neurons._traub_miles import TraubMiles as TraubMiles
