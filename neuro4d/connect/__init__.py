"""L3: who connects to whom. Rules, and the rows of targets that they give."""

from neuro4d.connect._degree import FixedInDegree as FixedInDegree
from neuro4d.connect._degree import FixedOutDegree as FixedOutDegree
from neuro4d.connect._distance import AbstractKernel as AbstractKernel
from neuro4d.connect._distance import DistanceDecay as DistanceDecay
from neuro4d.connect._distance import ExponentialKernel as ExponentialKernel
from neuro4d.connect._distance import GaussianKernel as GaussianKernel
from neuro4d.connect._edges import EdgeList as EdgeList
from neuro4d.connect._prob import FixedProb as FixedProb
from neuro4d.connect._regular import AllToAll as AllToAll
from neuro4d.connect._regular import OneToOne as OneToOne
from neuro4d.connect._rows import Rows as Rows
from neuro4d.connect._rule import AbstractRule as AbstractRule
from neuro4d.connect._rule import Ends as Ends
from neuro4d.connect._total import FixedTotalNumber as FixedTotalNumber
