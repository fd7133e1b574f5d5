"""L3: stimuli."""

from neuro4d.stimuli._base import AbstractSource as AbstractSource
from neuro4d.stimuli._base import AbstractStimulus as AbstractStimulus
from neuro4d.stimuli._base import Binding as Binding
from neuro4d.stimuli._base import Noise as Noise
from neuro4d.stimuli._base import Now as Now
from neuro4d.stimuli._base import RateWave as RateWave
from neuro4d.stimuli._base import Share as Share
from neuro4d.stimuli._base import per_neuron as per_neuron
from neuro4d.stimuli._correlated import CorrelatedPoisson as CorrelatedPoisson
from neuro4d.stimuli._current import Clamp as Clamp
from neuro4d.stimuli._current import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from neuro4d.stimuli._current import Steps as Steps
from neuro4d.stimuli._current import Waveform as Waveform
from neuro4d.stimuli._current import WhiteNoise as WhiteNoise
from neuro4d.stimuli._input import Input as Input
from neuro4d.stimuli._movie import Movie as Movie
from neuro4d.stimuli._movie import drifting_grating as drifting_grating
from neuro4d.stimuli._movie import moving_bar as moving_bar
from neuro4d.stimuli._packets import PulsePackets as PulsePackets
from neuro4d.stimuli._poisson import Poisson as Poisson
from neuro4d.stimuli._poisson import PoissonBank as PoissonBank
from neuro4d.stimuli._poisson import RateSteps as RateSteps
from neuro4d.stimuli._poisson import bank as bank
from neuro4d.stimuli._poisson import wave_bank as wave_bank
from neuro4d.stimuli._sine import AC as AC
from neuro4d.stimuli._spike_times import SpikeTimes as SpikeTimes
