"""L5: what the user wrote, and how it is built."""

from neuro4d.network._gap import GapJunctions as GapJunctions
from neuro4d.network._network import Network as Network
from neuro4d.network._population import Population as Population
from neuro4d.network._population import PopulationView as PopulationView
from neuro4d.network._projection import Projection as Projection
from neuro4d.network._trainable_delays import TrainableDelays as TrainableDelays
