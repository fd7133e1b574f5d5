"""One line runs a network of the zoo."""

import brainunit as u
import jax.random as jr

import neuro4d as n4


def test_one_line_runs_a_network():
    entry = n4.zoo.get("coba")
    run = entry.run(20 * u.ms, scale=0.1, discard=10 * u.ms)
    model = entry.network(0.1).build(dt=entry.dt, seed=0)
    same = n4.simulate(model, jr.key(0), 20 * u.ms, discard=10 * u.ms)
    assert run.start_step == 100 and (run.records["spikes"].words["cells"] == same.records["spikes"].words["cells"]).all()
    other = entry.run(20 * u.ms, jr.key(1), n4.Counts(), scale=0.1, dt=0.2 * u.ms, seed=3)
    assert other.dt == 0.2 * u.ms and other.model.build_seed == 3 and other.counts("cells").sum() != run.counts("cells").sum()
