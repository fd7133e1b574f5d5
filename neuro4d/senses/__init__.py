"""L4: senses, which turn what there is to sense into currents for the sites of an area."""

from neuro4d.senses._audition import Audition as Audition
from neuro4d.senses._base import AbstractSense as AbstractSense
from neuro4d.senses._base import senses_of as senses_of
from neuro4d.senses._chemical import Smell as Smell
from neuro4d.senses._chemical import Taste as Taste
from neuro4d.senses._digital import Digital as Digital
from neuro4d.senses._planes import Plane as Plane
from neuro4d.senses._planes import Touch as Touch
from neuro4d.senses._planes import Vision as Vision
from neuro4d.senses._vestibular import Vestibular as Vestibular
