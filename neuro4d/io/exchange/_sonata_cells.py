"""The neurons that a type of SONATA names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import brainunit as u
import numpy as np

from neuro4d._base import CorruptFileError, attach, check_name
from neuro4d.io.exchange._sonata_parts import part_from
from neuro4d.neurons import LIF, AbstractNeuron, Relay
from neuro4d.receptors import AbstractReceptor, Delta, ExpCurrent


class Cells(NamedTuple):
    """Neurons of a population, with receptors, initial values and constant currents (pA). `by_sign`: whether weights choose between the ports `ex` and `in`."""

    neuron: AbstractNeuron
    ports: dict[str, AbstractReceptor]
    init: dict[str, Any]
    current: np.ndarray | None
    virtual: bool
    by_sign: bool

    def port_of(self, row: Mapping[str, str]) -> str:
        """The port that a type of edges names, or the only one, or any where the weight chooses.

        **Raises:** `ValueError` where nobody says which of several.
        """
        if "receptor" not in row and len(self.ports) > 1 and not self.by_sign:
            raise ValueError(f"a type of edges that names no receptor, of {', '.join(self.ports)}")
        return row.get("receptor", next(iter(self.ports), ""))


def ours(table: dict[str, Any], columns: dict[str, np.ndarray], known: Mapping[str, type], virtual: bool, where: str) -> Cells:
    """What `save_sonata` wrote.

    **Raises:** `CorruptFileError` for a table of another form.
    """
    if not isinstance(table.get("receptors"), dict):
        raise CorruptFileError(f"load_sonata: {where}: expected a neuron and its receptors; got {table!r:.80}.")
    neuron = part_from(table.get("neuron"), "", columns, known, AbstractNeuron, where)
    ports = {
        check_name(port, "port"): part_from(each, f"{port}.", columns, known, AbstractReceptor, f"{where}, port {port!r:.60}")
        for port, each in table["receptors"].items()
    }
    units = dict(neuron.variables)
    units |= {f"{port}.{variable}": unit for port, receptor in ports.items() for variable, unit in receptor.variables.items()}
    init = {name: attach(columns[f"init.{name}"], unit) for name, unit in units.items() if f"init.{name}" in columns}
    return Cells(neuron, ports, init, columns.get("I_e"), virtual, False)


PARAMETERS = MappingProxyType(
    {
        "C_m": (250.0, u.pF),
        "tau_m": (10.0, u.ms),
        "E_L": (-70.0, u.mV),
        "V_th": (-55.0, u.mV),
        "V_reset": (-70.0, u.mV),
        "t_ref": (2.0, u.ms),
        "tau_syn_ex": (2.0, u.ms),
        "tau_syn_in": (2.0, u.ms),
    }
)
"""Parameters of NEST's `iaf_psc_exp` and their defaults."""


def theirs(
    kind: str, template: str, kinds: np.ndarray, tables: Mapping[int, Mapping[str, Any]], rows: Mapping[int, Mapping[str, str]], columns: Mapping[str, np.ndarray]
) -> Cells:
    """Neurons of other programs.

    **Raises:** `ValueError` for models and parameters that are not known.
    """
    if kind == "virtual":
        return Cells(Relay(), {"in": Delta()}, {}, None, True, False)
    if template not in ("nest:iaf_psc_exp", "nest:iaf_psc_delta"):
        raise ValueError(f"neurons of the type {kind!r:.40} and the model {template!r:.60}; read are virtual ones, neuro4d:..., nest:iaf_psc_exp and nest:iaf_psc_delta")
    delta = template.endswith("delta")
    names = [name for name in PARAMETERS if not (delta and name.startswith("tau_syn"))]
    unknown = {name for table in tables.values() for name in table} - {*names, "V_m", "I_e"}
    if unknown:
        raise ValueError(f"parameters of {template!r} that are not read: {', '.join(sorted(unknown))[:120]}")

    def column(name: str, default: float) -> np.ndarray:
        """A column of nodes, else the table of their type, else its row, else the default."""
        if name in columns:
            return columns[name]
        values = np.empty(len(kinds))
        for number, table in tables.items():
            found = table.get(name, rows[number].get(name, default))
            try:
                values[kinds == number] = float(found)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name} = {found!r:.40}, which is no number") from error
        return values

    given = {name: column(name, PARAMETERS[name][0]) * PARAMETERS[name][1] for name in names}
    neuron = LIF(tau=given["tau_m"], c=given["C_m"], v_rest=given["E_L"], v_th=given["V_th"], v_reset=given["V_reset"], t_ref=given["t_ref"])
    ports: dict[str, AbstractReceptor] = {"in": Delta()} if delta else {"ex": ExpCurrent(tau=given["tau_syn_ex"]), "in": ExpCurrent(tau=given["tau_syn_in"])}
    init = {"v": column("V_m", -70.0) * u.mV} if "V_m" in columns or any("V_m" in table for table in tables.values()) else {}
    return Cells(neuron, ports, init, column("I_e", 0.0), False, not delta)
