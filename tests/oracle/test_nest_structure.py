"""Networks that grow until their neurons have the calcium that they want, next to NEST: the course of calcium and of the number of synapses."""

import json
import subprocess
import sys
from pathlib import Path

import brainunit as u
import jax
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4

pytestmark = [pytest.mark.oracle, pytest.mark.full]

CASE = {
    "dt": 0.1, "every": 100.0, "weight": 60.0, "delay": 1.0, "curve": "gaussian", "rate": 0.005, "eps": 0.15, "shape": {"eta": 0.0}, "n": 100,
    "neuron": {
        "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_m": -65.0, "V_th": -50.0, "V_reset": -65.0, "t_ref": 2.0, "tau_syn_ex": 2.0, "tau_syn_in": 2.0
    },
    "tau": 1000.0, "beta": 0.01, "drive": 3000.0, "drive_weight": 55.0, "records": 20, "record": 1000.0, "seeds": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """Calcium and synapses from NEST, `(seeds, seconds)`."""
    folder = tmp_path_factory.mktemp("nest")
    (folder / "case.json").write_text(json.dumps(CASE))
    side = Path(__file__).with_name("nest_structure.py")
    subprocess.run([sys.executable, str(side), str(folder / "case.json"), str(folder / "out.json")], check=True, cwd=folder)
    runs = json.loads((folder / "out.json").read_text())
    return tuple(np.array([run[name] for run in runs], float) for name in ("calcium", "synapses"))


@pytest.fixture(scope="module")
def mine():
    """The same from here. NEST changes connections at the beginning of the next step, so it shows what was there an event before."""
    lif = n4.LIF(tau=10 * u.ms, c=250 * u.pF, v_rest=-65 * u.mV, v_th=-50 * u.mV, v_reset=-65 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", CASE["n"], lif, {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    drive = n4.Poisson("drive", cells, "exc", rate=CASE["drive"] * u.Hz, weight=CASE["drive_weight"] * u.pA)
    curve = n4.GaussianGrowth(rate=CASE["rate"] * 1000 * u.Hz, eps=CASE["eps"])
    growth = n4.Growth(curve, curve, tau=CASE["tau"] * u.ms, beta=CASE["beta"])
    rule = n4.StructuralPlasticity(every=CASE["every"] * u.ms, growth=growth, weight=CASE["weight"] * u.pA)
    weight = CASE["weight"] * u.pA
    e = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.0), weight=weight, delay=1 * u.ms, structure=rule, slots=CASE["n"] - 1)
    model = n4.Network(cells, drive, e).build(dt=0.1 * u.ms, seed=0)

    def look(state, _):
        slots = model.slots("e", state)
        return {"calcium": slots.elements.calcium_pre.mean(), "synapses": slots.fan_in.sum()}

    record = n4.Record(look, every=CASE["every"] * u.ms, name="course")
    runs = n4.batch(model, jax.vmap(jr.key)(np.arange(CASE["seeds"])), CASE["records"] * u.second, [record])
    return tuple(np.array([run.records["course"].values[name][8::10] for run in runs], float) for name in ("calcium", "synapses"))


def test_the_course_is_that_of_nest(mine, theirs):
    """Both overshoot and come to rest at the same place; the tolerance is four standard errors of the mean over seeds, and at least 4 % of the largest value."""
    for here, there in zip(mine, theirs, strict=True):
        error = np.sqrt((here.var(axis=0, ddof=1) + there.var(axis=0, ddof=1)) / CASE["seeds"])
        tolerance = np.maximum(4 * error, 0.04 * there.max())
        assert (np.abs(here.mean(axis=0) - there.mean(axis=0)) < tolerance).all()
    rest = np.stack([mine[0][:, 8:].mean(axis=1), theirs[0][:, 8:].mean(axis=1)])
    assert (np.abs(rest - CASE["eps"]) < 0.003).all()
    late = [each[:, 8:].mean() for each in (mine[1], theirs[1])]
    assert abs(late[0] - late[1]) < 0.04 * late[1]
