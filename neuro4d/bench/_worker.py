"""One measurement, in the process that was started for it: `python -m neuro4d.bench._worker JOB` prints one line of JSON.

A job is a JSON object; `kind` chooses the measurement, the other fields are described where it is made.
"""

import importlib
import json
import sys
import time
from types import MappingProxyType
from typing import Any

from neuro4d._base import peak_resident_gb

KINDS = MappingProxyType(
    {
        "network": ("neuro4d.bench._measure", "measure_network"),
        "trials": ("neuro4d.bench._measure", "measure_trials"),
        "loop": ("neuro4d.bench._measure", "measure_loop"),
        "steps": ("neuro4d.bench._measure", "measure_steps"),
        "devices": ("neuro4d.bench._measure", "measure_devices"),
        "delivery": ("neuro4d.bench._delivery", "measure_delivery"),
        "rung": ("neuro4d.bench._rungs", "measure_rung"),
    }
)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Makes the measurement.

    **Returns:** its fields, with `peak_gb` and `process_s`: the most memory and all the wall time of this process.

    **Raises:** `KeyError` for an unknown kind.
    """
    began = time.perf_counter()
    module, function = KINDS[job["kind"]]
    fields = getattr(importlib.import_module(module), function)(job)
    return {**fields, "peak_gb": peak_resident_gb(), "process_s": time.perf_counter() - began}


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))), flush=True)
