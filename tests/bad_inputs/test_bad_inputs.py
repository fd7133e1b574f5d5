"""Bad input is refused with an error that names the field, the value and a way out, before anything is compiled or changed.

The table is also run under `python -O` (`run_table.py`), where the checks of neuro4d have to hold all the same, and its messages are a page of the
documentation (`python tests/bad_inputs/write_page.py`).
"""

import os
import subprocess
import sys

import brainunit as u
import jax
import jax.random as jr
import numpy as np
import pytest
from bad_inputs.model_rows import MODEL, NAN, STATE, build, build_population, edge, poisson
from bad_inputs.run_table import ROWS
from bad_inputs.table import say
from bad_inputs.write_page import PAGE, page
from core.networks import lif, same
from layer_rules import ROOT

import neuro4d as n4

SAID = {}


@pytest.mark.parametrize("name", ROWS)
def test_refused(name):
    before = jax.tree.map(np.array, (MODEL, STATE))
    SAID[name] = said = say(ROWS[name])
    assert not said.fault
    assert same(before, jax.tree.map(np.asarray, (MODEL, STATE)))


def test_the_page_shows_what_is_said():
    """`python tests/bad_inputs/write_page.py` writes it anew."""
    said = {name: SAID[name] if name in SAID else say(row) for name, row in ROWS.items()}
    assert PAGE.read_text(encoding="utf-8") == page(said)


@pytest.mark.parametrize("bad", [-3e38, NAN])
def test_a_potential_that_is_not_finite_is_named(bad):
    # B44, B45: what can only be seen while running.
    held = n4.set(MODEL, lambda m: m.neurons["cells"].c, 1e-3 * u.pF)
    values = np.zeros((30, 10), np.float32)
    values[7:, 3] = bad
    if np.isnan(bad):
        state = STATE
        for k in range(8):
            state, _ = MODEL.step(state, {"port": values[k]})
        if np.isfinite(np.asarray(state.neurons["cells"].v)[3]) or not np.isfinite(np.asarray(state.neurons["cells"].v)[4]):
            pytest.fail("one neuron and no other has to be hit")
        return
    with pytest.raises(n4.SimulationError, match=r"NaN or infinite.*population 'cells', neuron 3, variable 'v'.*step 8 \(0\.8 ms\).*input 'port'"):
        n4.simulate(held, STATE, 3 * u.ms, inputs={"port": values}, chunk=10)
    result = n4.simulate(held, STATE, 3 * u.ms, inputs={"port": values}, chunk=10, throw=False)
    if result.completed or result.n_steps != 10 or n4.Fault(int(result.state.fault)) is not n4.Fault.NOT_FINITE:
        pytest.fail("the run has to end with the chunk of the fault, and say so")


def test_allowed():
    """B03, B08, B13, B19, B28, B34, B35, B39: what looks odd and is right."""
    build_population(lif(tau=0.01 * u.ms))
    build_population(lif(t_ref=0 * u.ms))
    n4.Population("type_check é.1", 1, lif())
    model = build(edge(n4.EdgeList([], []), weight=1 * u.pA), poisson(100_000 * u.Hz))
    state = model.init(jr.key(0))
    result = n4.simulate(model, state, 0 * u.ms, [n4.Spikes(), n4.Trace("cells", "v"), n4.Counts(), n4.Window(length=0.3 * u.ms)])
    if result.n_steps != 0 or not same(result.state, state) or len(result.spikes("cells")) or model.n_synapses:
        pytest.fail("a run of no steps changes nothing")
    weight = build(edge(weight=np.linspace(0, 1, 10) * u.pA)).pathways["cells->cells (early)"].weight
    whole = build(edge(weight=np.arange(10) * u.pA)).pathways["cells->cells (early)"].weight
    rounded = (np.sort(weight)[:10] == np.linspace(0, 1, 10).astype(np.float32)).all()
    if weight.dtype != np.float32 or whole.dtype != np.float32 or not rounded:
        pytest.fail("weights are rounded once, to the precision of the model")


@pytest.mark.full
def test_without_assertions():
    """`pytest -m full tests/bad_inputs`; tests/test_layers.py refuses any `assert` in the package, which takes less."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-O", "-m", "bad_inputs.run_table"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert done.stdout.splitlines()[-1] == f"{len(ROWS)} of {len(ROWS)} as they have to be, without assertions"
