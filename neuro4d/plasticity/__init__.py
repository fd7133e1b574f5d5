"""L3: plasticity rules."""

from neuro4d.plasticity._base import AbstractPlasticity as AbstractPlasticity
from neuro4d.plasticity._base import Seen as Seen
from neuro4d.plasticity._base import Trace as Trace
from neuro4d.plasticity._free import Free as Free
from neuro4d.plasticity._hebbian import Hebbian as Hebbian
from neuro4d.plasticity._stdp import STDP as STDP
from neuro4d.plasticity._triplet import TripletSTDP as TripletSTDP
