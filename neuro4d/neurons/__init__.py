"""L3: neuron models."""

from neuro4d.neurons._base import AbstractNeuron as AbstractNeuron
from neuro4d.neurons._base import Fired as Fired
from neuro4d.neurons._base import Membrane as Membrane
from neuro4d.neurons._glif import GLIF as GLIF
from neuro4d.neurons._hodgkin_huxley import HodgkinHuxley as HodgkinHuxley
from neuro4d.neurons._izhikevich import Izhikevich as Izhikevich
from neuro4d.neurons._lif import LIF as LIF
from neuro4d.neurons._lif import LIFState as LIFState
from neuro4d.neurons._relay import Relay as Relay
from neuro4d.neurons._traub_miles import TraubMiles as TraubMiles
