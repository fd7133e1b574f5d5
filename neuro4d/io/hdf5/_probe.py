"""A program of its own: walks through an HDF5 file, so that a library that never comes back or dies does it elsewhere.

Run as `python -I _probe.py FILE SECONDS`, with a limit on the time of the processor, which says the same on a busy machine; nothing of neuro4d is imported. Ends
with 0 for a file whose groups and datasets can be looked at.
"""

import sys


def limit(seconds: int) -> None:
    """Ends this process by a signal when it has taken so much time of a processor; does nothing where a system knows no such limit."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def walk(path: str, most: int = 1_000_000) -> None:
    """Opens every group and dataset, and counts chunks. Raises what the library finds damaged."""
    import h5py

    seen = set()
    with h5py.File(path, "r") as file:
        waiting = [file]
        while waiting:
            group = waiting.pop()
            for name in group:
                if group.id.links.get_info(name.encode("utf-8", "surrogateescape")).type != h5py.h5l.TYPE_HARD:
                    continue  # refused by whoever asks
                found = group[name]
                info = h5py.h5o.get_info(found.id)
                if info.addr in seen or len(seen) > most:
                    continue
                seen.add(info.addr)
                if isinstance(found, h5py.Group):
                    waiting.append(found)
                elif isinstance(found, h5py.Dataset) and found.shape is not None and found.chunks is not None:
                    found.id.get_num_chunks()


if __name__ == "__main__":
    limit(int(sys.argv[2]))
    walk(sys.argv[1])
