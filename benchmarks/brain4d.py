"""A minute in the life of `n4.zoo.brain4d`: it sees, hears, feels, learns, dies, has children and grows.

    python benchmarks/brain4d.py --seconds 60 --out brain4d

prints who lives and how fast neurons fire, second by second, and writes `brain4d.html`, the last quarter of a second in four dimensions. Dopamine is released while the tongue tastes
something sweet.
"""

import argparse
import resource
import time
from pathlib import Path

import brainunit as u
import jax.random as jr
import numpy as np

import neuro4d as n4

PIECE = 250


def world(network: n4.Network, config: n4.io.BrainConfig, step: int) -> dict[str, np.ndarray]:
    """What there is to sense from a step on, and what is released for it."""
    sweet = step // 1000 % 5 == 0
    return n4.zoo.brain4d_world(network, step, PIECE) | n4.io.release(config, "dopamine", np.full(PIECE, 0.02 if sweet else 0.0))


def live(seconds: int, density: float, seed: int = 0, *, say: bool = True) -> tuple[n4.Run, list[dict[str, int]]]:
    """The last second as a run with spikes, and how many lived in each second by area; pieces of a quarter of a second share one program."""
    network = n4.zoo.brain4d(density)
    model = network.build(dt=1 * u.ms, seed=seed)
    config = n4.zoo.brain4d_config()
    who = n4.Record(lambda state, spikes: state.alive, every=50 * u.ms, name="alive")
    state, runs, numbers, begin = model.init(jr.key(seed)), [], [], time.perf_counter()
    for step in range(0, 1000 * seconds, PIECE):
        run = n4.simulate(model, state, PIECE * u.ms, (n4.Spikes(), who), inputs=world(network, config, step), chunk=PIECE, progress=False)
        state = run.state
        runs = [*runs[-3:], run]
        if step % 1000 == 1000 - PIECE:
            numbers.append({area: int(np.asarray(each).sum()) for area, each in state.alive.items()})
            if say:
                report(step // 1000 + 1, numbers[-1], runs, time.perf_counter() - begin)
    return run, numbers


def report(second: int, numbers: dict[str, int], runs: list[n4.Run], wall: float) -> None:
    spikes = sum(len(run.spikes(area)) for run in runs for area in numbers)
    living, memory = sum(numbers.values()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{second:3d} s: {living:5d} live, {spikes / living:5.2f} Hz, {memory:.2f} GiB, {wall:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--density", type=float, default=0.05)
    parser.add_argument("--out", type=Path, default=Path("brain4d"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    run, numbers = live(options.seconds, options.density)
    life = run.state.life
    for area, each in life.items():
        print(
            f"{area}: {int(each.births)} born, {int(each.deaths)} died, {int(each.refused)} found no place, up to generation {int(each.generation.max())}"
        )
    n4.plot.explore4d(run, path=options.out / "brain4d.html", alive="alive")
    print(f"growth: {[sum(each.values()) for each in numbers]}")


if __name__ == "__main__":
    main()
