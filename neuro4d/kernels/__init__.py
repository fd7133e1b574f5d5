"""L1: arrays in, arrays out. The CPU handlers that are built when the package is installed, and whether they serve."""

from neuro4d.kernels._manifest import NativeFields as NativeFields
from neuro4d.kernels._manifest import NativeLimits as NativeLimits
from neuro4d.kernels._manifest import NativeManifest as NativeManifest
from neuro4d.kernels._native_collect import collect_native as collect_native
from neuro4d.kernels._native_deliver import WeightKind as WeightKind
from neuro4d.kernels._native_deliver import deliver_native as deliver_native
from neuro4d.kernels._native_load import native_available as native_available
from neuro4d.kernels._native_load import native_limits as native_limits
from neuro4d.kernels._native_load import native_manifest as native_manifest
from neuro4d.kernels._native_load import native_status as native_status
from neuro4d.kernels._native_memory import huge_empty as huge_empty
from neuro4d.kernels._native_push import push_native as push_native
from neuro4d.kernels._native_run import FOREIGN as FOREIGN
from neuro4d.kernels._native_run import ExtraKind as ExtraKind
from neuro4d.kernels._native_run import NativeClock as NativeClock
from neuro4d.kernels._native_run import NativeExtra as NativeExtra
from neuro4d.kernels._native_run import NativeGroup as NativeGroup
from neuro4d.kernels._native_run import NativeMemory as NativeMemory
from neuro4d.kernels._native_run import NativePart as NativePart
from neuro4d.kernels._native_run import NativePath as NativePath
from neuro4d.kernels._native_run import NativePoisson as NativePoisson
from neuro4d.kernels._native_run import NativeRing as NativeRing
from neuro4d.kernels._native_run import NativeStepped as NativeStepped
from neuro4d.kernels._native_run import run_native as run_native
