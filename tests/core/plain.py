"""A simulator to check against: plain NumPy in double precision, dense, one line per rule of the documentation."""

import numpy as np


def simulate(cells: dict, synapses: list[dict], given: dict, steps: int, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Spikes and potentials, `(steps, n)`.

    `cells`: arrays `(n,)` `tau, c, rest, th, reset, t_ref, v0, clamp`. `synapses`: per port a dictionary with `kind` (`"exp"`,
    `"jump"`, `"g"`), `tau`, `e_rev` and arrays over edges `pre, post, weight, delay` (in steps). `given`: `(steps, n)` arrivals at
    the port `"exp"`.
    """
    n, h = len(cells["tau"]), dt
    v, left = cells["v0"].copy(), np.zeros(n, int)
    held = [np.zeros(n) for _ in synapses]
    spikes, potentials = np.zeros((steps, n), bool), np.zeros((steps, n))
    hold = np.rint(cells["t_ref"] / h).astype(int)
    for k in range(steps):
        current, conductance, jump = cells["clamp"].copy(), np.zeros(n), np.zeros(n)
        for port, value in zip(synapses, held, strict=True):
            tau = port["tau"]
            arriving = given[k].copy() if port["kind"] == "exp" else np.zeros(n)
            for pre, post, weight, delay in zip(port["pre"], port["post"], port["weight"], port["delay"], strict=True):
                if k >= delay and spikes[k - delay, pre]:
                    arriving[post] += weight
            if port["kind"] == "exp":
                # The exact contribution of a decaying current, as the constant current that moves v by as much.
                exact = value / cells["c"] * (np.exp(-h / tau) - np.exp(-h / cells["tau"])) / (1 / cells["tau"] - 1 / tau)
                current += exact * cells["c"] / cells["tau"] / -np.expm1(-h / cells["tau"])
            if port["kind"] == "g":
                mean = value * -np.expm1(-h / tau) * tau / h
                conductance += mean
                current += mean * port["e_rev"]
            if port["kind"] == "jump":
                jump += arriving
            else:
                value[:] = value * np.exp(-h / tau) + arriving
        leak = cells["c"] / cells["tau"]
        steady = (leak * cells["rest"] + current) / (leak + conductance)
        moved = steady + (v - steady) * np.exp(-h * (leak + conductance) / cells["c"]) + jump
        free = left == 0
        v = np.where(free, moved, v)
        fired = free & (v >= cells["th"])
        v = np.where(fired, cells["reset"], v)
        left = np.where(fired, hold, np.maximum(left - 1, 0))
        spikes[k], potentials[k] = fired, v
    return spikes, potentials
