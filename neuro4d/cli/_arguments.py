"""What can be typed, as immutable values; the help texts are the docstrings."""

import dataclasses
from typing import Annotated, Literal

import tyro

from neuro4d.cli._bench import Bench
from neuro4d.cli._keep_arguments import Doctor, Resume
from neuro4d.cli._runs_arguments import DATABASE, Database, NoDatabase, Runs


@dataclasses.dataclass(frozen=True)
class Run:
    """Simulate a network of the zoo, or one from a configuration file; print a table and write the results."""

    network: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME|FILE")]
    """A name from `neuro4d zoo`, or a configuration ending in .json or .toml."""

    scale: Annotated[float | None, tyro.conf.arg(metavar="FACTOR")] = None
    """Number of neurons relative to the published network. Default: the scale of the zoo's entry."""

    duration: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Biological time with a unit, such as "1 s". Default: what the zoo recommends, 1 s for a file."""

    seed: int = 0
    """Seed of the network and of its noise."""

    dt: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Time step with a unit, such as "0.1 ms". Default: what the zoo recommends, 1 ms for a file."""

    precision: Literal["float32", "float64"] = "float32"
    """Floating-point numbers of the simulation."""

    device: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """Where to compute; auto takes what JAX prefers."""

    threads: Annotated[str, tyro.conf.arg(metavar="N|auto")] = "auto"
    """Number of CPU cores to use; auto takes all that the system grants this process."""

    record: Annotated[str, tyro.conf.arg(metavar="WHAT[,WHAT...]")] = "spikes"
    """What to keep: spikes (every spike), trace (the potential of the first ten neurons of each population), counts (spikes
    per neuron only)."""

    out: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for summary.json, spikes.npz, trace.npz and raster.png; results of an earlier run in it are replaced. Default:
    runs/NAME."""

    progress: bool = True
    """Show a progress bar where there is a terminal."""

    checkpoint: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder to keep the run in while it goes on; `neuro4d resume DIR` goes on with it after a kill."""

    every: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Biological time between two checkpoints, such as "10 s". Default: 5 minutes of the clock on the wall."""

    db: Database = DATABASE
    """Database in which the run is noted, for `neuro4d runs`."""

    no_db: NoDatabase = False
    """Note it nowhere."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Simulate a network and estimate what it would cost on a chip: energy, latency, cores, bottleneck."""

    network: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME|FILE")]
    """A name from `neuro4d zoo`, or a configuration ending in .json or .toml."""

    target: Annotated[str | None, tyro.conf.arg(metavar="TARGET|FILE")] = None
    """A chip or processor that neuro4d knows, or a file of yours ending in .toml. Default: loihi2."""

    compare: bool = False
    """All known targets side by side."""

    scale: Annotated[float | None, tyro.conf.arg(metavar="FACTOR")] = None
    """Number of neurons relative to the published network. Default: the scale of the zoo's entry."""

    duration: Annotated[str, tyro.conf.arg(metavar="TIME")] = "1 s"
    """Biological time with a unit."""

    seed: int = 0
    """Seed of the network and of its noise."""

    json: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Also write every number to this file."""

    progress: bool = True
    """Show a progress bar where there is a terminal."""


@dataclasses.dataclass(frozen=True)
class Map:
    """Simulate a network and map it onto a chip: cores for neurons, places for cores, routes for spikes."""

    network: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME|FILE")]
    """A name from `neuro4d zoo`, or a configuration ending in .json or .toml."""

    target: Annotated[str, tyro.conf.arg(metavar="TARGET|FILE")] = "loihi2"
    """A chip that neuro4d knows, or a file of yours ending in .toml."""

    partition: Literal["sequential", "lattice", "graph"] = "graph"
    """Order in which neurons fill cores: as numbered, along a curve through the lattice, or after the synapses."""

    method: Literal["sequential", "spectral", "annealing"] = "annealing"
    """How cores get their places on the mesh."""

    scale: Annotated[float | None, tyro.conf.arg(metavar="FACTOR")] = None
    """Number of neurons relative to the published network. Default: the scale of the zoo's entry."""

    duration: Annotated[str, tyro.conf.arg(metavar="TIME")] = "1 s"
    """Biological time with a unit."""

    seed: int = 0
    """Seed of the network, of its noise and of the annealing."""

    json: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Also write the placement and its routes to this file."""

    plot: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Also draw the load of cores and links into this file, such as map.png; needs matplotlib."""

    progress: bool = True
    """Show a progress bar where there is a terminal."""


@dataclasses.dataclass(frozen=True)
class Devices:
    """Show what this machine offers and what a simulation would use."""


@dataclasses.dataclass(frozen=True)
class Zoo:
    """List the networks of the zoo with their sizes, reference rates and sources."""


Command = (
    Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
    | Annotated[Cost, tyro.conf.subcommand("cost")]
    | Annotated[Map, tyro.conf.subcommand("map")]
    | Annotated[Devices, tyro.conf.subcommand("devices")]
    | Annotated[Zoo, tyro.conf.subcommand("zoo")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
    | Annotated[Runs, tyro.conf.subcommand("runs")]
)
