"""Processes that write to one database at once; run as a script, so that Python and JAX are loaded once and forked from before JAX starts.

`crowd.py FOLDER PROCESSES ROWS TIMES` lets so many processes write to `written.db` at once, and kills a writer of `killed.db` so many times, at random.
It prints the exit codes, and how many rows had been told, how many are there, and which were lost.
"""

import json
import os
import random
import signal
import sys
import time

import numpy as np

from neuro4d.runs import KnowledgeBase, RunDB


def write(path, who, rows):
    """Rows from one process: half through `add`, half begun and ended, some entries of knowledge in between."""
    with RunDB(path, check=False, timeout=120) as db, KnowledgeBase(path, check=False, timeout=120) as base:
        for k in range(rows):
            if k % 2:
                db.add("run", f"writer {who}", parameters={"who": who, "k": k}, seed=k)
            else:
                db.finish(db.start(f"writer {who}", parameters={"who": who, "k": k}), metrics={"k": k})
            if k % 20 == 0:
                db._rows.keep_text(f"network {k // 20 % 5}")
                base.store(f"of {who}", np.full(10, k))


def together(path, processes, rows):
    """All processes at once. Returns their exit codes."""
    children = []
    for who in range(processes):
        child = os.fork()
        if not child:
            write(path, who, rows)
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def kill(path, times):
    """A writer that tells each row when it is there, killed at a random time, again and again on one file."""
    chance, told = random.Random(0), []
    for _ in range(times):
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            with RunDB(path) as db:
                for k in range(1_000_000):
                    number = db.add(name="cells", parameters={"k": k, "text": "x" * 3_000})
                    os.write(theirs, f"{number}\n".encode())
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            told.append(int(pipe.readline()))  # it has begun
            time.sleep(chance.uniform(0.0, 0.06))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            told += [int(line) for line in pipe if line.endswith("\n")]
        with RunDB(path) as db:
            there = [row.id for row in db.runs()]
        if set(told) - set(there):
            return {"lost": sorted(set(told) - set(there))}
    return {"lost": [], "told": len(told), "there": len(there)}


if __name__ == "__main__":
    where, processes, rows, times = sys.argv[1], *map(int, sys.argv[2:])
    print(json.dumps({"codes": together(f"{where}/written.db", processes, rows), "kill": kill(f"{where}/killed.db", times)}))
