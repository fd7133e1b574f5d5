"""How the weights of a projection are distributed, sample by sample."""

import numpy as np

from neuro4d._base import check_count
from neuro4d.model import locate, unit_of_weights
from neuro4d.plot import _canvas
from neuro4d.plot._samples import sampled
from neuro4d.recorders import stamps
from neuro4d.results import Run

_RECORDER = 'n4.Record(lambda state, spikes: {path: held.weight for path, held in state.edges.items()}, every=10*u.ms, name="weights")'


def weights(run: Run, projection: str, record: str = "weights", *, bins: int = 60) -> "np.ndarray":
    """The distribution of the weights of a plastic projection over time (left), and the first and the last one (right).

    Darker: a larger share of the synapses. The line is the mean weight, the thin lines are the 10th and the 90th percentile.

    **Arguments:**

    - `run`: a run that recorded weights with `n4.Record`, in the order of the state: of all pathways,
      `lambda state, spikes: {path: held.weight for path, held in state.edges.items()}`, or of the pathway of this projection alone.
    - `projection`: its name.
    - `record`: the name of the record.
    - `bins`: of the histograms.

    **Returns:** the axes, an array of shape `(2,)`.

    **Raises:** `ImportError` without matplotlib; `KeyError` for an unknown projection or record; `ValueError` for a projection whose weights do not
    change or that has no synapses, and for a record without samples or of another number of synapses.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> inputs = n4.Population("inputs", 50, n4.PoissonNeuron(rate=20*u.Hz))
        >>> cells = n4.Population("cells", 2, lif, {"exc": n4.ExpConductance(tau=5*u.ms, e_rev=0*u.mV)})
        >>> rule = n4.STDP(w_max=1*u.nS, a_plus=0.1, a_minus=0.12)
        >>> learns = n4.Projection("e", inputs, cells, "exc", n4.AllToAll(), weight=n4.Uniform(0*u.nS, 1*u.nS), delay=1*u.ms, plasticity=rule)
        >>> model = n4.Network(inputs, cells, learns).build(dt=0.1*u.ms, seed=0)
        >>> look = lambda state, spikes: {path: held.weight for path, held in state.edges.items()}
        >>> run = n4.simulate(model, jr.key(0), 50*u.ms, record=(n4.Record(look, every=10*u.ms, name="weights"),))
        >>> n4.plot.weights(run, "e").shape
        (2,)
    """
    bins = check_count(bins, "weights(bins)", low=2)
    steps, rows = _of_projection(run, projection, record)
    times = stamps(steps, run.dt_ms)
    scale, unit = _canvas.time_scale(float(times[0]), float(times[-1]))
    low, high = float(rows.min()), float(rows.max())
    margin = 0.02 * (high - low) or 0.5 * (abs(high) or 1.0)
    edges = np.linspace(low - margin, high + margin, bins + 1)
    share = np.stack([np.histogram(row, edges)[0] for row in rows]) / rows.shape[1]
    label = f"weight ({unit_of_weights(run.model, projection)})"
    plt = _canvas.pyplot()
    with plt.rc_context(_canvas.style()):
        _, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, layout="constrained", gridspec_kw={"width_ratios": [3.2, 1]})
        _course(axes[0], times / scale, edges, share, rows)
        axes[0].set(xlabel=f"time ({unit})", ylabel=label, ylim=(edges[0], edges[-1]))
        axes[0].set_title(projection, loc="left", pad=4)
        _ends(axes[1], edges, share, [f"{time / scale:g} {unit}" for time in (times[0], times[-1])])
        axes[0].set_title(f"{rows.shape[1]:,} synapses", loc="right", fontsize=8, color=_canvas.FAINT, pad=4)
    return axes


def _of_projection(run: Run, projection: str, record: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and weights of the synapses of a projection in the order of `model.edges`."""
    place = locate(run.model, projection).place
    pathway = run.model.layout.projections_by_name[projection].pathway
    if run.model.plasticity.get(pathway) is None:
        raise ValueError(
            f"the weights of projection {projection!r} do not change: give it `plasticity=n4.STDP(w_max=1*u.nS, a_plus=0.01, a_minus=0.0105)`."
        )
    if pathway in run.model.structures:
        raise ValueError(
            f"the synapses of projection {projection!r} come and go, so that no row of weights belongs to one of them: draw the weights of a state, "
            f"`run.model.weights({projection!r}, run.state)`."
        )
    if not len(place):
        raise ValueError(f"projection {projection!r} has no synapses whose weights could be drawn.")
    steps, rows = sampled(run, record, pathway, _RECORDER)
    expected = run.model.pathways[pathway].targets.shape[0]
    if rows.shape[1] != expected:
        raise ValueError(
            f"record {record!r} has {rows.shape[1]} numbers per sample, and the pathway of {projection!r} {expected}: record `{_RECORDER}`."
        )
    return steps, rows[:, place]


def _course(ax, x: np.ndarray, edges: np.ndarray, share: np.ndarray, rows: np.ndarray) -> None:
    middles = (x[1:] + x[:-1]) / 2
    step = x[1] - x[0] if len(x) > 1 else 1.0
    borders = np.concatenate([[x[0] - step / 2], middles, [x[-1] + (x[-1] - middles[-1] if len(x) > 1 else step / 2)]])
    top = np.percentile(share[share > 0], 98)
    ax.pcolormesh(borders, edges, share.T, cmap=_canvas.shades(_canvas.EXCITATORY), vmin=0, vmax=top, rasterized=True)
    tenth, mean, most = np.percentile(rows, 10, axis=1), rows.mean(axis=1), np.percentile(rows, 90, axis=1)
    marker = "o" if len(x) == 1 else None
    for line, width in ((tenth, 0.7), (mean, 1.6), (most, 0.7)):
        ax.plot(x, line, color=_canvas.INK, lw=width, marker=marker, ms=3)


def _ends(ax, edges: np.ndarray, share: np.ndarray, labels: list[str]) -> None:
    ax.stairs(share[-1], edges, orientation="horizontal", fill=True, color=_canvas.EXCITATORY, alpha=0.45, label=labels[1])
    ax.stairs(share[0], edges, orientation="horizontal", color=_canvas.INK, lw=1, label=labels[0])
    ax.set_xlim(left=0)
    ax.set_xlabel("share of synapses")
    ax.legend(fontsize=8, loc="best", handlelength=1.2)
