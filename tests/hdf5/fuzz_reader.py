"""Reads mutated files, one after the other: `python fuzz_reader.py good.h5 1000`. Says what became of them; a crash ends the process."""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

import neuro4d as n4


def mutated(good, rng):
    """A copy with a few bytes changed, moved, repeated, cut out or put in."""
    data = bytearray(good)
    for _ in range(rng.integers(1, 5)):
        at, n = int(rng.integers(len(data))), int(rng.integers(1, 17))
        match rng.integers(6):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at : at + n] = rng.bytes(n)
            case 2:
                data[at : at + n] = b"\xff" * n
            case 3:
                data[at : at + n] = bytes(n)
            case 4:
                other = int(rng.integers(len(data)))
                data[at : at + n] = data[other : other + n]
            case 5:
                del data[at : at + n]
    return bytes(data)


def main(path, n):
    good = Path(path).read_bytes()
    with n4.io.ModelFile(path) as file:
        known = {row: file.array(*row) for row, leaf in file.rows.items() if leaf.dtype != "{}"}
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), used + (1 << 30)))
    seen = {"refused": 0, "same": 0}
    slowest = 0.0
    for number in range(n):
        rng = np.random.default_rng(number)
        Path(path).write_bytes(mutated(good, rng))
        print(number, flush=True)  # so that a crash can be repeated
        begin = time.perf_counter()
        try:
            with n4.io.ModelFile(path) as file:
                if not all(np.array_equal(file.array(*row), values) for row, values in known.items()):
                    sys.exit(f"mutation {number} gave other numbers")
            seen["same"] += 1
        except (n4.CorruptFileError, n4.UnsafeFileError):
            seen["refused"] += 1
        slowest = max(slowest, time.perf_counter() - begin)
    if slowest > 10:
        sys.exit(f"a file took {slowest:.1f} s")
    print(json.dumps(seen | {"slowest_s": round(slowest, 3)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
