"""The architecture of neuro4d as a program: layers, budgets and refused constructs, read from the syntax tree.

Every function takes sources and returns a list of sentences, one per violation; nothing is imported or run.
Also a command: `python tests/layer_rules.py` checks the tree it lies in.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "neuro4d"

LAYERS = (
    ("_base",),
    ("lattice", "kernels"),
    ("ops", "integrators"),
    ("neurons", "receptors", "connect", "plasticity", "structure", "stimuli", "recorders"),
    ("model", "analysis", "senses"),
    ("network",),
    ("results", "describe"),
    ("simulate", "hardware"),
    ("train", "io", "runs", "distributed"),
    ("zoo", "plot", "profile", "serve"),
    ("bench",),
    ("cli",),
    ("__main__",),
)
LEVEL = MappingProxyType({name: level for level, names in enumerate(LAYERS) for name in names})

# Results open their pictures lazily (`run.plot`, `tuned.plot()`), through importlib, inside the method.
LATE = frozenset({("results", "plot"), ("train", "plot"), ("hardware", "plot")})

# What a network is built from never reaches what runs it: `simulate` works on models.
APART = frozenset({("simulate", "network"), ("results", "network"), ("analysis", "model")})

# Who may import what; a name that maps to nobody is refused everywhere.
OWNERS = MappingProxyType(
    {
        "h5py": ("io",),
        "orbax": ("io",),
        "matplotlib": ("plot",),
        "optax": ("train",),
        "sqlite3": ("runs",),
        "pickle": (),
        "cloudpickle": (),
        "dill": (),
        "marshal": (),
        "shelve": (),
        "torch": (),
        "tensorflow": (),
    }
)
REFUSED_CALLS = MappingProxyType(
    {
        "eval": "runs text as a program",
        "exec": "runs text as a program",
        "hasattr": "probes for a type; give the protocol a method, or test the type",
    }
)
FILE_LINES = 400
FUNCTION_LINES = 60


class Source(NamedTuple):
    """One file: where it is, the dotted name under which it is imported, and its text."""

    path: str
    module: str
    text: str

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")

    @property
    def unit(self) -> str:
        """The package below neuro4d that the module belongs to; empty for neuro4d itself."""
        return self.module.split(".")[1] if "." in self.module else ""


class Import(NamedTuple):
    """One imported module. `late` names a call of `importlib.import_module`."""

    line: int
    module: str
    name: str | None
    late: bool = False


def read_sources(root: Path, package: str = PACKAGE) -> list[Source]:
    """All Python files of a package, in alphabetical order."""
    found = []
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Source(path.relative_to(root).as_posix(), module, path.read_text(encoding="utf-8")))
    return found


def imports(source: Source) -> Iterator[Import]:
    """Every import of a file, wherever it stands: at the top, in a function, or for type checking only."""
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, None)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(source, node)
            for alias in node.names:
                yield Import(node.lineno, base, alias.name)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Import(node.lineno, first.value, None, late=True)


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    """`from ..x import y` as the absolute name of `x`."""
    if not node.level:
        return node.module or ""
    parts = source.module.split(".")
    keep = len(parts) - node.level + (1 if source.is_package else 0)
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def _called(node: ast.Call) -> str:
    """The last name of what is called: `f` in `f(...)` and in `a.b.f(...)`."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def check_layers(sources: Iterable[Source]) -> list[str]:
    """A module imports its own package and strictly lower layers."""
    return [text for source in sources for text in _layer_violations(source)]


def _layer_violations(source: Source) -> Iterator[str]:
    if source.unit and source.unit not in LEVEL:
        yield f"{source.path}:1: '{source.unit}' has no layer; add it to LAYERS"
        return
    for found in imports(source):
        parts = found.module.split(".")
        if parts[0] != PACKAGE or not source.unit:
            continue
        target = parts[1] if len(parts) > 1 else (found.name or "")
        here = f"{source.path}:{found.line}:"
        if target not in LEVEL:
            yield f"{here} imports '{target or PACKAGE}' from the top; import it from the package that defines it"
        elif target == source.unit or (found.late and (source.unit, target) in LATE):
            continue
        elif (source.unit, target) in APART:
            yield f"{here} '{source.unit}' imports '{target}', which it must not know"
        elif LEVEL[target] == LEVEL[source.unit]:
            yield f"{here} '{source.unit}' imports its sibling '{target}'"
        elif LEVEL[target] > LEVEL[source.unit]:
            yield f"{here} '{source.unit}' (L{LEVEL[source.unit]}) imports '{target}' (L{LEVEL[target]})"


def check_owners(sources: Iterable[Source]) -> list[str]:
    """Heavy libraries belong to one package each; dangerous and private modules to none."""
    return [text for source in sources for text in _owner_violations(source)]


def _owner_violations(source: Source) -> Iterator[str]:
    for found in imports(source):
        parts = found.module.split(".")
        if parts[0] == PACKAGE:
            continue
        here = f"{source.path}:{found.line}:"
        if parts[0] in OWNERS and source.unit not in OWNERS[parts[0]]:
            owners = OWNERS[parts[0]]
            yield f"{here} imports {parts[0]}, which " + (f"only {owners[0]} may" if owners else "nobody may")
        names = [*parts, *([found.name] if found.name else [])]
        if parts[0] != "__future__" and any(n.startswith("_") and n != "__version__" for n in names):
            yield f"{here} imports the private name {'.'.join(names)}"


def check_cycles(sources: Iterable[Source]) -> list[str]:
    """No module reaches itself through imports."""
    graph = import_graph(sources)
    return [f"import cycle: {' -> '.join([*cycle, cycle[0]])}" for cycle in _cycles(graph)]


def import_graph(sources: Iterable[Source]) -> dict[str, set[str]]:
    """Which module imports which, inside the package. Late imports count too; that a child loads its parents does not."""
    sources = list(sources)
    known = {source.module for source in sources}
    graph: dict[str, set[str]] = {module: set() for module in known}
    for source in sources:
        for found in imports(source):
            deeper = f"{found.module}.{found.name}"
            target = deeper if deeper in known else found.module
            if target in known and target != source.module and not _documented(source, found):
                graph[source.module].add(target)
    return graph


def _documented(source: Source, found: Import) -> bool:
    parts = found.module.split(".")
    return found.late and len(parts) > 1 and (source.unit, parts[1]) in LATE


def _cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """One shortest cycle through every module that lies on one, each cycle once."""
    seen: set[frozenset[str]] = set()
    found = []
    for start in sorted(graph):
        cycle = _shortest_cycle(graph, start)
        if cycle and frozenset(cycle) not in seen:
            seen.add(frozenset(cycle))
            found.append(cycle)
    return found


def _shortest_cycle(graph: Mapping[str, set[str]], start: str) -> list[str]:
    paths = [[start]]
    reached = {start}
    while paths:
        path = paths.pop(0)
        for target in sorted(graph[path[-1]]):
            if target == start:
                return path
            if target not in reached:
                reached.add(target)
                paths.append([*path, target])
    return []


def check_sizes(sources: Iterable[Source]) -> list[str]:
    """Files and functions within their budgets."""
    return [text for source in sources for text in _size_violations(source)]


def _size_violations(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > FILE_LINES:
        yield f"{source.path}:1: {lines} lines, the budget is {FILE_LINES}"
    if not source.path.endswith(".py"):
        return
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{source.path}:{node.lineno}: {node.name} has {length} lines, the budget is {FUNCTION_LINES}"


def check_constructs(sources: Iterable[Source]) -> list[str]:
    """No `global`, no `assert`, no evaluation of text, no probing, no mutable module state, no forwarded `**kwargs`."""
    return [text for source in sources for text in _construct_violations(source)]


def _construct_violations(source: Source) -> Iterator[str]:
    tree = ast.parse(source.text)
    for node in ast.walk(tree):
        reason = _refused(node)
        if reason:
            yield f"{source.path}:{getattr(node, 'lineno', 1)}: {reason}"
    for node in tree.body:
        name = _mutable_constant(node)
        if name:
            yield f"{source.path}:{node.lineno}: '{name}' is mutable module state; use a tuple, frozenset or MappingProxyType"


def _refused(node: ast.AST) -> str:
    """Why a node is refused, or an empty text."""
    if isinstance(node, ast.Global):
        return f"global {', '.join(node.names)}"
    if isinstance(node, ast.Assert):
        return "assert vanishes under python -O; raise an error"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSED_CALLS:
        return f"{node.func.id}: {REFUSED_CALLS[node.func.id]}"
    if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and _is_true(node.value):
        return "allow_pickle=True runs what a file says"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.kwarg and not _is_subclass_hook(node):
        name = node.args.kwarg.arg
        passed = (k for call in ast.walk(node) if isinstance(call, ast.Call) for k in call.keywords if k.arg is None)
        if any(isinstance(k.value, ast.Name) and k.value.id == name for k in passed):
            return f"{node.name} passes **{name} on; spell the arguments out"
    return ""


def _is_subclass_hook(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Python's own protocol hands the class keywords from hook to hook."""
    return node.name == "__init_subclass__"


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _mutable_constant(node: ast.stmt) -> str:
    """The name of a list, dict or set that a module keeps, or an empty text."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name), *_], value=value):
            pass
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            pass
        case _:
            return ""
    if name == "__all__":
        return ""
    kinds = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    makers = ("list", "dict", "set", "defaultdict", "OrderedDict", "Counter", "deque")
    mutable = isinstance(value, kinds) or (isinstance(value, ast.Call) and _called(value) in makers)
    return name if mutable else ""


def read_other_files(root: Path) -> list[Source]:
    """Tests, benchmarks and native sources: the size budgets hold for them as well."""
    found = []
    for folder, suffixes in (("tests", (".py",)), ("benchmarks", (".py",)), (PACKAGE, (".cc", ".h", ".cu"))):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes:
                name = path.relative_to(root).as_posix()
                found.append(Source(name, "", path.read_text(encoding="utf-8")))
    return found


CHECKS = (check_layers, check_owners, check_cycles, check_sizes, check_constructs)


def check_tree(root: Path) -> list[str]:
    """Every violation in a source tree."""
    sources = read_sources(root)
    return [text for check in CHECKS for text in check(sources)] + check_sizes(read_other_files(root))


if __name__ == "__main__":
    violations = check_tree(ROOT)
    print("\n".join(violations) or "layers, budgets and constructs: clean")
    sys.exit(1 if violations else 0)
