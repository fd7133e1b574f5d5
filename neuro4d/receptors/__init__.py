"""L3: receptors."""

from neuro4d.receptors._alpha import AlphaConductance as AlphaConductance
from neuro4d.receptors._alpha import AlphaCurrent as AlphaCurrent
from neuro4d.receptors._base import AbstractReceptor as AbstractReceptor
from neuro4d.receptors._dual import DualExpConductance as DualExpConductance
from neuro4d.receptors._dual import DualExpCurrent as DualExpCurrent
from neuro4d.receptors._exponential import ExpConductance as ExpConductance
from neuro4d.receptors._exponential import ExpCurrent as ExpCurrent
from neuro4d.receptors._gabab import GABAB as GABAB
from neuro4d.receptors._instant import Delta as Delta
from neuro4d.receptors._instant import PromptCurrent as PromptCurrent
from neuro4d.receptors._instant import PulseCurrent as PulseCurrent
from neuro4d.receptors._modulator import Modulator as Modulator
from neuro4d.receptors._neuromodulator import Neuromodulator as Neuromodulator
from neuro4d.receptors._nmda import NMDA as NMDA
from neuro4d.receptors._propagators import psi as psi
from neuro4d.receptors._spinnaker import SpiNNakerCurrent as SpiNNakerCurrent
