"""The groups of a layout: sizes, the depth of the past, and which ports synapses reach."""

from neuro4d.model import Group, Port
from neuro4d.network._dendritic import longest_back
from neuro4d.network._pathways import Members, PathwayKey
from neuro4d.network._spec import BuildSpec
from neuro4d.ops import Pathway, depth_for


def make_groups(spec: BuildSpec, members: dict[PathwayKey, Members], pathways: dict[str, Pathway]) -> tuple[Group, ...]:
    """All groups, in the order of their first populations."""
    served = {(key.target, member.projection.port, key.early) for key, group in members.items() for member in group.members}
    longest = dict.fromkeys(spec.totals, 0)
    rules = {group.name: group.rule for group in members.values()}
    for name, path in pathways.items():
        reach = int(path.delays[-1]) if path.free is None else path.free.longest
        longest[path.source] = max(longest[path.source], reach)
        longest[path.target] = max(longest[path.target], longest_back(reach, rules[name]))
    return tuple(
        Group(
            name=name,
            n=n,
            width=spec.widths[name],
            depth=depth_for(longest[name]),
            ports=tuple(Port(port, (name, port, False) in served, (name, port, True) in served) for port in spec.ports[name]),
            spans=tuple(span for span in spec.spans.values() if span.group == name),
        )
        for name, n in spec.totals.items()
    )
