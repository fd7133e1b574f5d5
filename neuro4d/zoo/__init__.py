"""L9: published networks, each with its source and its reference numbers."""

from neuro4d.zoo._brunel import brunel as brunel
from neuro4d.zoo._brunel_hakim import brunel_hakim as brunel_hakim
from neuro4d.zoo._coba import coba as coba
from neuro4d.zoo._cobahh import cobahh as cobahh
from neuro4d.zoo._cuba import cuba as cuba
from neuro4d.zoo._diehl_cook import diehl_cook as diehl_cook
from neuro4d.zoo._entry import Band as Band
from neuro4d.zoo._entry import Reference as Reference
from neuro4d.zoo._entry import ZooEntry as ZooEntry
from neuro4d.zoo._glif import glif_level as glif_level
from neuro4d.zoo._hpc import hpc_benchmark as hpc_benchmark
from neuro4d.zoo._izhikevich2003 import izhikevich2003 as izhikevich2003
from neuro4d.zoo._lattice4d import lattice4d as lattice4d
from neuro4d.zoo._learn_digits import DigitsRead as DigitsRead
from neuro4d.zoo._learn_digits import learn_digits as learn_digits
from neuro4d.zoo._microcircuit import microcircuit as microcircuit
from neuro4d.zoo._patterns import adex_pattern as adex_pattern
from neuro4d.zoo._patterns import izhikevich_pattern as izhikevich_pattern
from neuro4d.zoo._polychronous import polychronous as polychronous
from neuro4d.zoo._potjans import Background as Background
from neuro4d.zoo._potjans import current_for_psp as current_for_psp
from neuro4d.zoo._registry import get as get
from neuro4d.zoo._registry import names as names
from neuro4d.zoo._song import song_miller_abbott as song_miller_abbott
from neuro4d.zoo._tsodyks2000 import tsodyks2000 as tsodyks2000
from neuro4d.zoo._vogels2011 import vogels2011 as vogels2011
