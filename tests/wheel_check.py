"""Run on an installed wheel: the native kernels serve, and a short simulation spikes. `python tests/wheel_check.py`."""

import sys
from pathlib import Path

import brainunit as u
import jax.random as jr

import neuro4d as n4
from neuro4d.kernels import native_available, native_limits, native_status


def main() -> int:
    print(native_status(), native_limits(), Path(n4.__file__).parent)
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", 500, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Normal(-55 * u.mV, 5 * u.mV))
    rec = n4.Projection("rec", cells, cells, "exc", n4.FixedProb(0.05), weight=5 * u.pA)
    net = n4.Network(cells, rec, n4.Clamp("drive", cells, 250 * u.pA))
    model = net.build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, model.init(jr.key(0)), 200 * u.ms, progress=False)
    rate = run.rate("cells").to_decimal(u.Hz)
    print(f"{rate:.1f} Hz")
    return 0 if native_available() and 5 < rate < 200 else 1


if __name__ == "__main__":
    sys.exit(main())
