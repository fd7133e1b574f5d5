"""L2: layouts, delivery with its derivative and batching rules, rings, surrogates."""

from neuro4d.ops._backend import MAX_XLA_EDGES as MAX_XLA_EDGES
from neuro4d.ops._backend import Backend as Backend
from neuro4d.ops._bits import n_words as n_words
from neuro4d.ops._bits import pack as pack
from neuro4d.ops._bits import unpack as unpack
from neuro4d.ops._delayed import deliver as deliver
from neuro4d.ops._edges import edge_table as edge_table
from neuro4d.ops._edges import host_edges as host_edges
from neuro4d.ops._free_delays import FreeDelays as FreeDelays
from neuro4d.ops._order import opaque as opaque
from neuro4d.ops._pathway import Pathway as Pathway
from neuro4d.ops._pathway import by_port as by_port
from neuro4d.ops._push import push as push
from neuro4d.ops._ring import History as History
from neuro4d.ops._ring import depth_for as depth_for
from neuro4d.ops._ring import empty as empty
from neuro4d.ops._ring import row_of as row_of
from neuro4d.ops._rows import Visit as Visit
from neuro4d.ops._rows import fold_rows as fold_rows
from neuro4d.ops._surrogate import AbstractSurrogate as AbstractSurrogate
from neuro4d.ops._surrogate import SuperSpike as SuperSpike
from neuro4d.ops._surrogate import Triangle as Triangle
