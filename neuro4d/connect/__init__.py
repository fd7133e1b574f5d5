"""L3: who connects to whom. Rules, and the rows of targets that they give."""

from neuro4d.connect._degree import FixedInDegree as FixedInDegree
from neuro4d.connect._degree import FixedOutDegree as FixedOutDegree
from neuro4d.connect._distance import AbstractKernel as AbstractKernel
from neuro4d.connect._distance import DistanceDecay as DistanceDecay
from neuro4d.connect._distance import ExponentialKernel as ExponentialKernel
from neuro4d.connect._distance import GaussianKernel as GaussianKernel
from neuro4d.connect._edges import EdgeList as EdgeList
from neuro4d.connect._masks import AbstractMask as AbstractMask
from neuro4d.connect._masks import BallMask as BallMask
from neuro4d.connect._masks import BoxMask as BoxMask
from neuro4d.connect._masks import EllipsoidMask as EllipsoidMask
from neuro4d.connect._masks import RingMask as RingMask
from neuro4d.connect._modular import Modular as Modular
from neuro4d.connect._neighbours import Neighbours as Neighbours
from neuro4d.connect._prob import FixedProb as FixedProb
from neuro4d.connect._regular import AllToAll as AllToAll
from neuro4d.connect._regular import OneToOne as OneToOne
from neuro4d.connect._rows import Rows as Rows
from neuro4d.connect._rule import AbstractRule as AbstractRule
from neuro4d.connect._rule import Ends as Ends
from neuro4d.connect._scale_free import ScaleFree as ScaleFree
from neuro4d.connect._small_world import SmallWorld as SmallWorld
from neuro4d.connect._table import EdgeTable as EdgeTable
from neuro4d.connect._topographic import Topographic as Topographic
from neuro4d.connect._total import FixedTotalNumber as FixedTotalNumber
