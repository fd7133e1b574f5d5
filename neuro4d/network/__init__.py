"""L4: networks, models, states and the step."""

from neuro4d.network._edges import Edges as Edges
from neuro4d.network._groups import Span as Span
from neuro4d.network._model import Model as Model
from neuro4d.network._network import Network as Network
from neuro4d.network._population import Population as Population
from neuro4d.network._population import PopulationView as PopulationView
from neuro4d.network._projection import Projection as Projection
from neuro4d.network._set import set_value as set_value
from neuro4d.network._set import with_neurons as with_neurons
from neuro4d.network._state import Spikes as StepSpikes
from neuro4d.network._state import State as State
from neuro4d.network._step import Prepared as Prepared
from neuro4d.network._step import advance as advance
from neuro4d.network._step import advance_many as advance_many
from neuro4d.network._step import check_inputs as check_inputs
from neuro4d.network._step import prepare as prepare
from neuro4d.network._step import runs_natively as runs_natively
