"""A small network with one of almost everything, and what changes every number of a model."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from core.networks import lif

import neuro4d as n4

BRAIN = n4.Lattice((3, 3, 2, 2), spacing=50 * u.um, areas={"left": n4.Box(x=(0, 1)), "some": n4.Mask(np.arange(36).reshape(3, 3, 2, 2) % 3 > 0)})


def rich() -> n4.Network:
    """Lattices, views, lives, trained delays, shared rules, modulators, gap junctions, given values, Poisson banks; seven neurons here, twelve there."""
    ports = {"exc": n4.ExpCurrent(tau=2 * u.ms), "dopamine": n4.Neuromodulator()}
    life = n4.Lifecycle(every=10 * u.ms, age=n4.Uniform(0 * u.ms, 9 * u.ms))
    cells = n4.Population("cells", 7, lif(v_th=n4.Normal(-52 * u.mV, 1 * u.mV)), ports, v0=np.linspace(-60, -52, 7) * u.mV, lifecycle=life)
    placed = n4.Population("placed", BRAIN["left"].sample(density=0.5), lif(), {"exc": n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV)})
    masked = n4.Population("masked", BRAIN["some"].all(), lif(t_ref=1 * u.ms), {"exc": n4.ExpCurrent(tau=3 * u.ms)}, init={"exc.i": 2 * u.pA})
    shared = n4.STDP(w_max=400 * u.pA, a_plus=0.1, a_minus=0.08)
    rule = n4.Modulated(n4.Combined(n4.Oja(norm=200 * u.pA, eta=0.01), n4.Homeostasis(w_max=400 * u.pA, rate=5 * u.Hz, every=10)))
    grows = n4.StructuralPlasticity(
        growth=n4.Growth(n4.GaussianGrowth(rate=n4.Uniform(0.1 * u.Hz, 0.2 * u.Hz), eps=0.7), n4.LinearGrowth(rate=0.1 * u.Hz, eps=0.7)),
        pruning=n4.Pruning(below=1 * u.pA, idle=1 * u.second),
        weight=40 * u.pA,
    )
    forms = n4.StructuralPlasticity(formation=n4.Formation(rate=0.01, full=20 * u.Hz, radius=100 * u.um), weight=2 * u.nS)
    free = n4.TrainableDelays(n4.Uniform(1 * u.ms, 3 * u.ms), low=0.5 * u.ms, high=4 * u.ms)
    far = n4.DistanceDecay(0.5, 100 * u.um, kernel=n4.GaussianKernel(), mask=n4.BallMask(120 * u.um))
    return n4.Network(
        cells,
        placed,
        masked,
        n4.Projection("a", cells, cells, "exc", n4.FixedProb(0.5), weight=n4.Normal(90 * u.pA, 9 * u.pA, low=1 * u.pA), plasticity=shared),
        n4.Projection("b", cells[:4], cells[[4, 6]], "exc", n4.AllToAll(), weight=60 * u.pA, plasticity=shared),
        n4.Projection("c", cells, cells, "exc", n4.FixedProb(0.5), weight=60 * u.pA, delay=n4.Uniform(0.2 * u.ms, 1 * u.ms), plasticity=rule),
        n4.Projection("d", cells[::2], masked, "exc", n4.FixedProb(0.3), weight=50 * u.pA, delay=free),
        n4.Projection("e", placed, placed, "exc", far, weight=3 * u.nS, delay=0.5 * u.ms),
        n4.Projection("f", masked, masked, "exc", n4.FixedProb(0.1), weight=50 * u.pA, delay=0.5 * u.ms, structure=grows, slots=9),
        n4.Projection("g", placed, placed, "exc", n4.FixedProb(0.0), weight=3 * u.nS, delay=0.5 * u.ms, structure=forms, slots=4),
        n4.Projection("h", masked, cells, "exc", n4.EdgeList(np.arange(48) % 24, np.arange(48) % 7), weight=np.linspace(1, 2, 48) * u.pA),
        n4.GapJunctions("gap", cells, rule=n4.FixedProb(0.5, autapses=False), conductance=0.5 * u.nS),
        n4.Poisson("one", cells[:5], "exc", rate=2000 * u.Hz, weight=90 * u.pA),
        n4.Poisson("each", cells[3:], "exc", rate=np.linspace(0, 2000, 4) * u.Hz, weight=n4.Uniform(50 * u.pA, 90 * u.pA)),
        n4.Poisson("some", cells[[0, 4, 6]], "exc", rate=500 * u.Hz, weight=90 * u.pA),
        n4.OrnsteinUhlenbeck("ou", masked, mean=300 * u.pA, std=90 * u.pA, tau=3 * u.ms),
        n4.Clamp("held", placed[[0, 2]], 300 * u.pA),
        n4.Input("open", masked),
    )


def changed(model, seed=0):
    """A model in which every float leaf has another number."""
    draws = np.random.default_rng(seed)

    def one(x):
        if not (isinstance(x, jax.Array | np.ndarray) and jnp.issubdtype(x.dtype, jnp.floating)):
            return x
        y = np.asarray(np.asarray(x, np.float64) * (1 + 1e-2 * draws.random(x.shape)) + 1e-3 * draws.random()).astype(x.dtype)
        return y if isinstance(x, np.ndarray) else jnp.asarray(y)

    return jax.tree.map(one, model)


def unequal(a, b):
    """The leaves in which two models differ. Weights are compared edge by edge, since rows have room that no edge uses."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    pairs = zip(jax.tree_util.tree_flatten_with_path(a)[0], jax.tree.leaves(b), strict=True)
    found = {jax.tree_util.keystr(path) for (path, x), y in pairs if x.dtype != y.dtype or np.asarray(x).tobytes() != np.asarray(y).tobytes()}
    return {name for name in found if not (name.startswith(".pathways") and name.endswith(".weight"))} | {
        name for name in a.projections if not np.array_equal(a.weights(name).mantissa, b.weights(name).mantissa)
    }
