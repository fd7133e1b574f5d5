"""Peer simulators: each in an environment of its own, asked by a job, answering with one line of JSON."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from neuro4d._base import did_you_mean
from neuro4d.bench._processes import last_line

ENVIRONMENT = "NEURO4D_PEERS"
"""Names the folder of the peers' environments; by default `.peers` in the repository."""


class Peer(NamedTuple):
    """A simulator: its name as it is written, the folder of its environment, its script, and the networks the script knows."""

    name: str
    key: str
    script: str
    networks: frozenset[str]


PEERS = MappingProxyType(
    {
        "brian2": Peer("Brian2", "brian2", "brian2_networks.py", frozenset({"cuba", "coba", "cobahh", "brunel", "song"})),
        "nest": Peer("NEST", "nest", "nest_networks.py", frozenset({"cuba", "coba", "brunel", "microcircuit", "hpc"})),
        "brainpy": Peer("BrainPy", "brainpy", "brainpy_networks.py", frozenset({"cuba", "coba"})),
    }
)


def repository() -> Path:
    """The checkout that this package lies in, where the peers' scripts are; they are not part of an installed package.

    **Raises:** `FileNotFoundError` outside a checkout.
    """
    for root in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (root / "benchmarks" / "peers" / "setup.sh").exists():
            return root
    raise FileNotFoundError("the peers' scripts are in the repository, below benchmarks/peers; run the command from a checkout of it.")


def environments() -> Path:
    """The folder with one virtual environment per peer."""
    given = os.environ.get(ENVIRONMENT)
    return Path(given) if given else repository() / ".peers"


def parse_peers(text: str) -> tuple[str, ...]:
    """`brian2,nest` as names; an empty text is no peer.

    **Raises:** `KeyError` for a name that is none.

    !!! Example

        >>> from neuro4d.bench import parse_peers
        >>> parse_peers("brian2,nest")
        ('brian2', 'nest')
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in PEERS:
            raise KeyError(f"no peer named '{name}'; there are {', '.join(PEERS)}.{did_you_mean(name, PEERS)}")
    return names


def find_python(key: str) -> Path:
    """The interpreter of a peer's environment.

    **Raises:** `FileNotFoundError` if it has not been made.
    """
    python = environments() / key / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(
            f"no environment for {key} in {environments()}; make it with `benchmarks/peers/setup.sh {key}`, or name another folder in {ENVIRONMENT}."
        )
    return python


def ask(key: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """Runs a peer's script on `job["threads"]` cores; the fields of job and answer are described in `benchmarks/peers/_job.py`."""
    script = repository() / "benchmarks" / "peers" / PEERS[key].script
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return last_line([str(find_python(key)), str(script), json.dumps(job)], job["threads"], environment)
