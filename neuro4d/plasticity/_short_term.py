"""Short-term plasticity: synapses that run out of transmitter and recover."""

from typing import Any, ClassVar

import brainunit as u
import equinox as eqx

from neuro4d._base import NUMBER
from neuro4d.plasticity._base import AbstractPlasticity, SourceVariable
from neuro4d.plasticity._numbers import kept, number


class TsodyksMarkram(AbstractPlasticity):
    r"""Depression and facilitation of Tsodyks and Markram: what a spike releases depends on the spikes before it, and nothing else is learned.

    Of the resources of a synapse the share $x$ is recovered, $y$ active and $z = 1 - x - y$ inactive; $u$ is the share of $x$ that a spike uses.

    $$ \begin{aligned}
    \text{between spikes:}\quad & \dot x = \frac{z}{\tau_\mathrm{rec}}, \quad \dot y = -\frac{y}{\tau_\mathrm{in}}, \quad \dot u = -\frac{u}{\tau_\mathrm{fac}} \\
    \text{a spike arrives:}\quad & u \leftarrow u + U (1 - u), \quad y \leftarrow y + u x, \quad x \leftarrow x - u x
    \end{aligned} $$

    and the receptor is moved by $A\, u x$. $A$, the absolute strength, is the weight that the projection begins with; `model.weights` tells what the next spike would release.
    Other rules learn the strength: `n4.Combined(n4.STDP(...), n4.TsodyksMarkram(...))`. Synapses of several kinds: `n4.Mixed`; that release by chance: `n4.QuantalRelease`.
    Without `tau_in` what is used is inactive at once, which leaves the two variables $x$ and $u$; without `tau_fac` each spike uses $U$. Solved exactly from spike to spike.
    All synapses of a source with the same delay hold the same, so it is kept once for them. Natively the cost follows spikes; in plain XLA each step looks at every synapse of the
    projection.

    **Arguments:**

    - `use` $U$: above 0 and at most 1.
    - `tau_rec` $\tau_\mathrm{rec}$: more than 0. [time]
    - `tau_fac` $\tau_\mathrm{fac}$: 0 or more, by default 0. [time]
    - `tau_in` $\tau_\mathrm{in}$: 0 or more and not `tau_rec`, by default 0. It does not set the time course of the receptor; where $y$ is its current, give both the same. [time]

    **Variables:** of each synapse: `strength`, the absolute strength in the unit of the weights; of each source and delay: `u`, `x`, `y`, as the last spike left them.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** M. Tsodyks, A. Uziel, H. Markram, Journal of Neuroscience 20, RC50 (2000); two variables: M. Tsodyks, K. Pawelzik, H. Markram, Neural Computation 10, 821 (1998).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> depressing = n4.TsodyksMarkram(use=0.5, tau_rec=800*u.ms)
        >>> facilitating = n4.TsodyksMarkram(use=0.03, tau_rec=130*u.ms, tau_fac=530*u.ms)
        >>> round(depressing.steady(20*u.Hz), 3)
        0.057
    """

    native: ClassVar = "TsodyksMarkram"
    edge_variables: ClassVar = {"strength": NUMBER}

    use: float = eqx.field(static=True)
    tau_rec: float = eqx.field(static=True)
    tau_fac: float = eqx.field(static=True)
    tau_in: float = eqx.field(static=True)

    def __init__(self, *, use, tau_rec, tau_fac=0 * u.ms, tau_in=0 * u.ms):
        self.use = number(use, NUMBER, "TsodyksMarkram.use", above=0.0)
        if self.use > 1:
            raise ValueError(f"TsodyksMarkram.use is a share, above 0 and at most 1, for example `use=0.5`; got {use}.")
        self.tau_rec = number(tau_rec, u.ms, "TsodyksMarkram.tau_rec", above=0.0)
        self.tau_fac = number(tau_fac, u.ms, "TsodyksMarkram.tau_fac", least=0.0)
        self.tau_in = number(tau_in, u.ms, "TsodyksMarkram.tau_in", least=0.0)
        if self.tau_in == self.tau_rec:
            raise ValueError(f"TsodyksMarkram: tau_in and tau_rec differ, for example `tau_in=3*u.ms, tau_rec=800*u.ms`; got {tau_in} for both.")
        self.every = 1

    def steady(self, rate: Any) -> float:
        r"""The share $u x$ that each spike of a regular train at a rate releases in the end; 1 would be all resources. [frequency]

        **Raises:** `UnitError`, `ValueError` for a rate that is not above 0.
        """
        interval = 1000 / number(rate, u.Hz, "TsodyksMarkram.steady(rate)", above=0.0)
        facilitated, recovered, active = (kept(interval, tau) for tau in (self.tau_fac, self.tau_rec, self.tau_in))
        used = self.use / (1 - (1 - self.use) * facilitated)
        # With y = a (y + u x) before a spike and x = 1 - y - z, z as in `_rested`, after one interval.
        y = active * used / (1 - active)
        z = (recovered * used if self.tau_in == 0 else self._inactive(active, recovered) * (y + used)) / (1 - recovered)
        return used / (1 + y + z)

    def passing(self):
        return True

    def init(self, weight):
        return {"strength": weight}

    def pre_variables(self):
        return {"u": SourceVariable(0.0, self.tau_fac), "x": SourceVariable(1.0, self.tau_rec), "y": SourceVariable(0.0, self.tau_in)}

    def on_source(self, ms, pre):
        facilitated, recovered, active = (kept(ms, tau) for tau in (self.tau_fac, self.tau_rec, self.tau_in))
        x, y = pre["x"], pre["y"]
        inactive = (1 - x - y) * recovered + y * (recovered if self.tau_in == 0 else self._inactive(active, recovered))
        y = y * active
        return {"u": pre["u"] * facilitated, "x": 1 - y - inactive, "y": y}

    def on_arrival(self, pre):
        used, released = self._release(pre)
        return {"u": used, "x": pre["x"] - released, "y": pre["y"] + released}

    def step(self, dt, weight, variables, seen):
        return (variables["strength"] * self._release(seen.pre)[1]).astype(weight.dtype), variables

    def _inactive(self, active: Any, recovered: Any) -> Any:
        """What share of the active resources is inactive after a time."""
        return self.tau_rec * (active - recovered) / (self.tau_in - self.tau_rec)

    def _release(self, held: dict[str, Any]) -> tuple[Any, Any]:
        """The share of what is recovered that a spike uses, and what it releases."""
        used = held["u"] + self.use * (1 - held["u"])
        return used, used * held["x"]
