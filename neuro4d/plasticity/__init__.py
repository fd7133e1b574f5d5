"""L3: plasticity rules."""

from neuro4d.plasticity._accumulated import AccumulatedSTDP as AccumulatedSTDP
from neuro4d.plasticity._base import AbstractPlasticity as AbstractPlasticity
from neuro4d.plasticity._base import Seen as Seen
from neuro4d.plasticity._base import SourceVariable as SourceVariable
from neuro4d.plasticity._base import Target as Target
from neuro4d.plasticity._base import Trace as Trace
from neuro4d.plasticity._bcm import BCM as BCM
from neuro4d.plasticity._clopath import ClopathSTDP as ClopathSTDP
from neuro4d.plasticity._combined import Combined as Combined
from neuro4d.plasticity._dendritic import Dendritic as Dendritic
from neuro4d.plasticity._free import Free as Free
from neuro4d.plasticity._hebbian import Hebbian as Hebbian
from neuro4d.plasticity._homeostasis import Homeostasis as Homeostasis
from neuro4d.plasticity._mixed import Mixed as Mixed
from neuro4d.plasticity._modulated import Modulated as Modulated
from neuro4d.plasticity._oja import Oja as Oja
from neuro4d.plasticity._power import PowerLawSTDP as PowerLawSTDP
from neuro4d.plasticity._quantal import QuantalRelease as QuantalRelease
from neuro4d.plasticity._reward import RewardSTDP as RewardSTDP
from neuro4d.plasticity._short_term import TsodyksMarkram as TsodyksMarkram
from neuro4d.plasticity._stdp import STDP as STDP
from neuro4d.plasticity._triplet import TripletSTDP as TripletSTDP
from neuro4d.plasticity._vogels import VogelsInhibitory as VogelsInhibitory
