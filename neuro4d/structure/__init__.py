"""L3: neurons that are born and die, synapses that form and vanish."""

from neuro4d.structure._life_state import LifeState as LifeState
