"""Whether trained delays find the true ones: a sparse recurrent network teaches another one of the same edges and weights.

    python benchmarks/delays.py --json benchmarks/results/delays.json                            # 100 neurons, 800 edges, five seeds
    python benchmarks/delays.py --method spikes --json benchmarks/results/delays-spikes.json     # 20 neurons, 80 edges
    python benchmarks/delays.py --quick                                                          # does it work? small and short
    python benchmarks/delays.py --seeds 1 --dt 0.1                                               # a finer step
    python benchmarks/delays.py --method spikes --seeds 1 --trials 8                             # less to learn from

The first way, `potentials`: the teacher has delays from 2 ms to 15 ms on the grid, drawn by edge, and is driven by currents and by Poisson spikes that the student knows.
The student begins with 8 ms everywhere and sees one run of the teacher: its spikes and its potentials. It is trained with teacher forcing: its
synapses hear the spikes of the teacher, and its neurons are reset when those of the teacher fire, so that an error stays where it is made. The loss
is the mean square of the difference of potentials; the gradient that of `n4.TrainableDelays`; no surrogate is involved, since no spike depends on a
delay. Afterwards the delays are frozen, the network is closed again, and runs freely beside the teacher with input that neither was trained on.

An edge has influence if removing it changes the potential of its target by at least 0.02 mV (root mean square over the run); the reset potential lies 10 mV
below the threshold. An edge whose source hardly fires leaves no trace to learn from.

The second way, `spikes`: nothing but the spike times of the teacher is known, of many short trials with their input, and the student is the recurrent
network itself, running freely. The gradient is that of the spike times (`train.spike_times`), the loss their distance after van Rossum, whose time constant
shrinks from 15 to 8 ms. Steps are 1 ms, and the true delays lie anywhere between: no step rounds a spike. Here an edge has influence if its source fires
ten times or more in all trials together.
"""

import argparse
import sys
import time
from typing import Any, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome

INFLUENCE_MV = 0.02
LOW, HIGH, BEGIN = 1.0, 20.0, 8.0
HOLD_MS = 2.0
COLUMNS = {
    "potentials": (
        Column("seed", "seed"),
        Column("edges", "edges", "d"),
        Column("with_influence", "with influence", "d"),
        Column("within_a_step_at_first", "within a step before", ".1%"),
        Column("within_a_step", "after", ".1%"),
        Column("exact_when_frozen", "exact when frozen", ".1%"),
        Column("median_error_ms", "median error ms", ".4f"),
        Column("largest_error_ms", "largest ms", ".3f"),
        Column("free_spikes_shared_at_first", "spikes shared before", ".1%"),
        Column("free_spikes_shared", "after", ".1%"),
        Column("seconds", "s", ".0f"),
    ),
    "spikes": (
        Column("seed", "seed"),
        Column("edges", "edges", "d"),
        Column("with_influence", "with influence", "d"),
        Column("within_1_ms_at_first", "within 1 ms before", ".1%"),
        Column("within_1_ms", "after", ".1%"),
        Column("within_0.1_ms", "within 0.1 ms", ".1%"),
        Column("median_error_ms", "median error ms", ".4f"),
        Column("largest_error_ms", "largest ms", ".3f"),
        Column("seconds", "s", ".0f"),
    ),
}
SIZES = {
    "potentials": {"seeds": (5, 1), "neurons": (100, 20), "fan-in": (8, 4), "updates": (400, 50)},
    "spikes": {"seeds": (5, 1), "neurons": (20, 10), "fan-in": (4, 3), "updates": (250, 20), "trials": (24, 8)},
}
"""What is measured without options, and with `--quick`."""


class Wiring(NamedTuple):
    """Who hears whom: sources, targets, weights in pA, true delays in ms."""

    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    delay: np.ndarray


def wiring(n: int, fan_in: int, dt: float | None, seed: int) -> Wiring:
    """Every neuron hears `fan_in` others; the last fifth of the neurons inhibits. Delays are on the grid, if there is one."""
    rng = np.random.default_rng(seed)
    pre = np.concatenate([rng.choice(np.delete(np.arange(n), k), fan_in, replace=False) for k in range(n)])
    post = np.repeat(np.arange(n), fan_in)
    order = np.lexsort((post, pre))
    pre, post = pre[order], post[order]
    weight = rng.uniform(20, 40, len(pre)) * np.where(pre < 0.8 * n, 1.0, -1.5)
    delay = rng.uniform(2, 15, len(pre))
    return Wiring(pre, post, weight, delay if dt is None else np.round(delay / dt) * dt)


def parts(n: int) -> tuple:
    """The neurons, and what drives them: a current below the threshold and Poisson spikes."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=0 * u.mV, v_th=10 * u.mV, v_reset=0 * u.mV, t_ref=HOLD_MS * u.ms)
    cells = n4.Population("cells", n, lif, {"in": n4.ExpCurrent(tau=5 * u.ms)})
    drive = n4.Clamp("drive", cells, np.linspace(50, 80, n) * u.pA)
    noise = n4.Poisson("noise", cells, "in", rate=0.3 * u.kHz, weight=25 * u.pA)
    return cells, drive, noise


def recurrent(w: Wiring, n: int, dt: float, delay: np.ndarray) -> n4.Model:
    """The network as it runs freely."""
    cells, drive, noise = parts(n)
    e = n4.Projection("e", cells, cells, "in", n4.EdgeList(w.pre, w.post), weight=w.weight * u.pA, delay=delay * u.ms)
    return n4.Network(cells, e, drive, noise).build(dt=dt * u.ms, seed=0)


def run_freely(model: n4.Model, key: jax.Array, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Spikes and potentials of every step."""
    keep = lambda state, spikes: (spikes["cells"], state["cells", "v"])  # noqa: E731
    fired, v = jax.jit(lambda m: n4.scan(m, m.init(key), steps, keep)[1])(model)
    return np.asarray(fired), np.asarray(v)


def student(w: Wiring, n: int, dt: float, fired: np.ndarray) -> n4.Model:
    """The same neurons, which hear a replay of the teacher's spikes through delays that are trained."""
    cells, drive, noise = parts(n)
    heard = n4.Population("heard", n, n4.Relay(), {"in": n4.Delta()})
    step, ids = np.nonzero(fired)
    replay = n4.SpikeTimes("replay", heard, "in", times=(step + 1) * dt * u.ms, ids=ids, weight=1 * u.mV)
    delays = n4.TrainableDelays(BEGIN * u.ms, low=LOW * u.ms, high=HIGH * u.ms)
    e = n4.Projection("e", heard, cells, "in", n4.EdgeList(w.pre, w.post), weight=w.weight * u.pA, delay=delays)
    model = n4.Network(cells, heard, e, drive, noise, replay).build(dt=dt * u.ms, seed=0)
    return n4.set(model, lambda m: m.neurons["cells"].v_th, 1e6 * u.mV)


def forced(model: n4.Model, key: jax.Array, fired: jax.Array) -> jax.Array:
    """The potentials of a student whose neurons are reset when those of the teacher fire, `(steps, n)`."""
    group, hold = model.populations["cells"].group, round(HOLD_MS / model.dt_ms)

    def one(state: n4.State, row: jax.Array) -> tuple[n4.State, jax.Array]:
        state, _ = model.step(state)
        held = state.groups[group].neurons
        held = held._replace(v=jnp.where(row, 0, held.v), left=jnp.where(row, hold, held.left))
        state = eqx.tree_at(lambda s: s.groups[group].neurons, state, held)
        return state, state["cells", "v"]

    return jax.lax.scan(one, model.init(key), fired)[1]


def influence(model: n4.Model, key: jax.Array, fired: jax.Array, w: Wiring) -> np.ndarray:
    """By how much the removal of each edge changes the potential of its target, root mean square in mV: edges of different targets at once."""
    rank = np.array([np.sum(w.post[:k] == target) for k, target in enumerate(w.post)])
    true = n4.set(model, n4.train.Delays("e"), w.delay * u.ms)
    run = jax.jit(lambda weight: forced(n4.set(true, n4.Weights("e"), weight), key, fired))
    whole, found = run(jnp.asarray(w.weight, jnp.float32)), np.zeros(len(w.pre))
    for number in range(rank.max() + 1):
        without = run(jnp.asarray(np.where(rank == number, 0, w.weight), jnp.float32))
        change = np.sqrt(np.mean(np.square(np.asarray(without - whole)), axis=0))
        found[rank == number] = change[w.post[rank == number]]
    return found


def learn(model: n4.Model, key: jax.Array, fired: jax.Array, v: jax.Array, updates: int, rate: float) -> tuple[np.ndarray, list[float]]:
    """The delays after some updates of Adam whose rate falls to 1 %, and the loss of each."""
    place = n4.train.Delays("e")
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, updates, 0.01))

    @eqx.filter_jit
    def update(model: n4.Model, held: optax.OptState) -> tuple[n4.Model, optax.OptState, jax.Array]:
        loss, slope = jax.value_and_grad(lambda d: jnp.mean((forced(n4.set(model, place, d), key, fired) - v) ** 2))(place(model))
        change, held = optimiser.update(slope, held)
        delay = jnp.clip(place(model) + change, LOW, HIGH)
        return eqx.tree_at(place, model, delay), held, loss

    held, losses = optimiser.init(place(model)), []
    for _ in range(updates):
        model, held, loss = update(model, held)
        losses.append(float(loss))
    return np.asarray(place(model)), losses


def recover(n: int, fan_in: int, dt: float, duration: float, updates: int, rate: float, seed: int) -> dict:
    """One teacher, one student; what was found."""
    w, steps = wiring(n, fan_in, dt, seed), round(duration / dt)
    key, fresh = jax.random.key(seed), jax.random.key(seed + 1000)
    fired, v = run_freely(recurrent(w, n, dt, w.delay), key, steps)
    model = student(w, n, dt, fired)
    acts = influence(model, key, jnp.asarray(fired), w) >= INFLUENCE_MV
    begin = time.perf_counter()
    delay, losses = learn(model, key, jnp.asarray(fired), jnp.asarray(v), updates, rate)
    seconds = time.perf_counter() - begin
    error = np.abs(delay - w.delay)
    frozen = by_ends(n4.set(model, n4.train.Delays("e"), delay * u.ms).freeze(), w)
    free, want = (run_freely(recurrent(w, n, dt, d), fresh, steps)[0] for d in (frozen, w.delay))
    before = run_freely(recurrent(w, n, dt, np.full(len(w.pre), BEGIN)), fresh, steps)[0]
    return {
        "seed": seed,
        "edges": len(w.pre),
        "rate_hz": round(float(fired.mean() * 1000 / dt), 2),
        "with_influence": int(acts.sum()),
        "within_a_step": round(float(np.mean(error[acts] < dt)), 4),
        "within_a_step_at_first": round(float(np.mean(np.abs(BEGIN - w.delay[acts]) < dt)), 4),
        "exact_when_frozen": round(float(np.mean(np.abs(frozen - w.delay)[acts] < dt / 2)), 4),
        "median_error_ms": round(float(np.median(error[acts])), 4),
        "largest_error_ms": round(float(error[acts].max()), 4),
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "free_spikes_shared": round(shared(free, want), 4),
        "free_spikes_shared_at_first": round(shared(before, want), 4),
        "seconds": round(seconds, 1),
    }


def by_ends(model: n4.Model, w: Wiring) -> np.ndarray:
    """The delays of a frozen model in the order of the wiring: edges are kept by source and delay, so freezing moves them."""
    e = model.edges("e")
    order = np.lexsort((e.post, e.pre))
    return np.asarray(e.delay.to_decimal(u.ms))[order]


def shared(a: np.ndarray, b: np.ndarray) -> float:
    """The share of spikes that are the same, neuron and step."""
    return float(2 * np.sum(a & b) / max(np.sum(a) + np.sum(b), 1))


def closed(w: Wiring, n: int, delay: np.ndarray) -> n4.Model:
    """The recurrent network with delays that are trained, in steps of 1 ms."""
    cells, drive, noise = parts(n)
    delays = n4.TrainableDelays(delay * u.ms, low=LOW * u.ms, high=HIGH * u.ms)
    e = n4.Projection("e", cells, cells, "in", n4.EdgeList(w.pre, w.post), weight=w.weight * u.pA, delay=delays)
    return n4.Network(cells, e, drive, noise).build(dt=1 * u.ms, seed=0)


def recover_from_spikes(n: int, fan_in: int, updates: int, rate: float, seed: int, trials: int = 24, duration: float = 150.0) -> dict:
    """One teacher, and one student that runs freely and sees spike times only."""
    w, place = wiring(n, fan_in, None, seed), n4.train.Delays("e")
    keys = jax.random.split(jax.random.key(seed), trials)

    @eqx.filter_jit
    def run(model: n4.Model) -> n4.train.SpikeRun:
        return jax.vmap(lambda key: n4.train.spike_times(model, key, duration * u.ms, max_spikes=24))(keys)

    model, taught = closed(w, n, np.full(len(w.pre), BEGIN)), run(closed(w, n, w.delay))
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, updates, 0.01))

    @eqx.filter_jit
    def update(model: n4.Model, held: optax.OptState, tau: jax.Array) -> tuple[n4.Model, optax.OptState, jax.Array]:
        def loss(delay: jax.Array) -> jax.Array:
            times = run(eqx.tree_at(place, model, delay)).times["cells"]
            return jnp.mean(jax.vmap(lambda a, b: n4.train.spike_distance(a, b, tau))(times, taught.times["cells"]))

        value, slope = jax.value_and_grad(loss)(place(model))
        change, held = optimiser.update(slope, held)
        return eqx.tree_at(place, model, jnp.clip(place(model) + change, LOW, HIGH)), held, value

    held, losses, begin = optimiser.init(place(model)), [], time.perf_counter()
    for number in range(updates):
        tau = 15 * (8 / 15) ** min(number / (0.7 * updates), 1)
        model, held, value = update(model, held, jnp.float32(tau))
        losses.append(float(value))
    # All begin with one delay, so edges of the student lie in the order of the wiring.
    error = np.abs(np.asarray(place(model)) - w.delay)
    acts = np.asarray(taught.counts["cells"]).sum(axis=0)[w.pre] >= 10
    return {
        "seed": seed,
        "edges": len(w.pre),
        "rate_hz": round(float(taught.counts["cells"].mean() * 1000 / duration), 2),
        "with_influence": int(acts.sum()),
        "within_1_ms": round(float(np.mean(error[acts] < 1)), 4),
        "within_0.1_ms": round(float(np.mean(error[acts] < 0.1)), 4),
        "within_1_ms_at_first": round(float(np.mean(np.abs(BEGIN - w.delay[acts]) < 1)), 4),
        "median_error_ms": round(float(np.median(error[acts])), 5),
        "largest_error_ms": round(float(error[acts].max()), 4),
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "seconds": round(time.perf_counter() - begin, 1),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=tuple(SIZES), default="potentials")
    for name in SIZES["spikes"]:
        usual = [f"{sizes[name][0]} for `{method}`" for method, sizes in SIZES.items() if name in sizes]
        parser.add_argument(f"--{name}", type=int, help=f"{', '.join(usual)}, if nothing is said")
    add_common(parser, {})
    parser.add_argument("--dt", type=float, default=0.5, help="time step of `potentials`, ms")
    parser.add_argument("--duration", type=float, default=2000.0, help="of the teacher's run for `potentials`, ms")
    parser.add_argument("--rate", type=float, default=0.3, help="step of Adam at first, ms")
    given = parser.parse_args()
    settle(given, SIZES[given.method])
    return given


def main() -> int:
    a = arguments()
    rows: list[dict[str, Any]] = []
    for seed in range(a.seeds):
        if a.method == "spikes":
            rows.append(recover_from_spikes(a.neurons, a.fan_in, a.updates, a.rate, seed, a.trials))
        else:
            rows.append(recover(a.neurons, a.fan_in, a.dt, a.duration, a.updates, a.rate, seed))
        print(rows[-1], file=sys.stderr, flush=True)
    near = "within_1_ms" if a.method == "spikes" else "within_a_step"
    least = min(row[near] for row in rows)
    checks = [Check("95 % of the delays of edges with influence are found to a step", least >= 0.95, f"at least {100 * least:.1f} %")]
    length = (
        f"{a.trials} trials of 150 ms, steps of 1 ms" if a.method == "spikes" else f"one run of {a.duration:g} ms, steps of {a.dt:g} ms"
    )
    notes = (f"{a.neurons} neurons with {a.fan_in} inputs each, {length}, {a.updates} updates; all delays begin with {BEGIN:g} ms.",)
    name = "delays-spikes" if a.method == "spikes" else "delays"
    return finish(name, Outcome(rows, checks, COLUMNS[a.method], notes), a.json, quick=a.quick)


if __name__ == "__main__":
    sys.exit(main())
