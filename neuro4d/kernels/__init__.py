"""L1: arrays in, arrays out. The CPU handlers that are built when the package is installed, and whether they serve."""

from neuro4d.kernels._native_deliver import WeightKind as WeightKind
from neuro4d.kernels._native_deliver import deliver_native as deliver_native
from neuro4d.kernels._native_lif import LifClock as LifClock
from neuro4d.kernels._native_lif import LifExtra as LifExtra
from neuro4d.kernels._native_lif import LifParams as LifParams
from neuro4d.kernels._native_lif import LifPath as LifPath
from neuro4d.kernels._native_lif import LifPoisson as LifPoisson
from neuro4d.kernels._native_lif import LifPort as LifPort
from neuro4d.kernels._native_lif import LifRing as LifRing
from neuro4d.kernels._native_lif import LifStepped as LifStepped
from neuro4d.kernels._native_lif import PortKind as PortKind
from neuro4d.kernels._native_lif import lif_run_native as lif_run_native
from neuro4d.kernels._native_load import NativeLimits as NativeLimits
from neuro4d.kernels._native_load import native_available as native_available
from neuro4d.kernels._native_load import native_limits as native_limits
from neuro4d.kernels._native_load import native_status as native_status
from neuro4d.kernels._native_memory import huge_empty as huge_empty
