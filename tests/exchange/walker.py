"""Walks through files, one for each line of its input, until it ends or is killed; a script, which loads h5py once for ten thousand files.

`walker.py PROBE`: the path of neuro4d's own walk. A line of output for each file that was walked through or refused.
"""

import contextlib
import importlib.util
import sys

if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("probe", sys.argv[1])
    probe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(probe)
    for line in sys.stdin:
        with contextlib.suppress(Exception):  # a file that cannot be walked through is said to be damaged by its reader
            probe.walk(line.rstrip("\n"))
        print("done", flush=True)
