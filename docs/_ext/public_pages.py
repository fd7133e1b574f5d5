"""Writes one page per public package before Sphinx looks for sources, and copies the notebooks next to the tutorial.

What is public is what a package exports without a leading underscore; a name that neuro4d itself exports is shown under that name.
"""

import importlib
import inspect
import pkgutil
import shutil
from pathlib import Path

import neuro4d

DOCS = Path(__file__).resolve().parents[1]


def exports(module) -> list[str]:
    """Names of the classes and functions that a module offers and neuro4d defines."""
    found = []
    for name in getattr(module, "__all__", None) or sorted(dir(module)):
        item = getattr(module, name)
        if not name.startswith("_") and (inspect.isclass(item) or inspect.isroutine(item)):
            if (getattr(item, "__module__", None) or "").startswith("neuro4d"):
                found.append(name)
    return found


def page(title: str, text: str, names: list[str]) -> str:
    """A page that lists objects by their full names, each with a page of its own."""
    lines = [title, "=" * len(title), "", text.replace("`", "``"), ""]
    lines += [".. autosummary::", "   :toctree: objects", "   :nosignatures:", ""]
    lines += [f"   ~{name}" for name in names]
    return "\n".join(lines) + "\n"


def packages() -> list[str]:
    """Public packages by name, and those inside them, `train.losses`, that offer what the outer one does not."""
    found = []
    for _, name, _ in pkgutil.iter_modules(neuro4d.__path__):
        if name.startswith("_"):
            continue
        outer = importlib.import_module(f"neuro4d.{name}")
        inner = [sub for _, sub, is_package in pkgutil.iter_modules(getattr(outer, "__path__", [])) if is_package and not sub.startswith("_")]
        found += [name, *(f"{name}.{sub}" for sub in inner if sub in vars(outer) and not set(exports(vars(outer)[sub])) <= set(exports(outer)))]
    return found


def package_page(package: str, top: dict[int, str]) -> str | None:
    """The page of a package, or None where it offers nothing. `top` holds the names in neuro4d by object."""
    module = importlib.import_module(f"neuro4d.{package}")
    outer = package.rpartition(".")[0]
    names = [name for name in exports(module) if not outer or name not in exports(importlib.import_module(f"neuro4d.{outer}"))]
    if not names:
        return None
    full = [f"neuro4d.{top.get(id(getattr(module, name)), f'{package}.{name}')}" for name in names]
    summary = (inspect.getdoc(module) or "").split("\n\n")[0].replace("\n", " ")
    return page(package, summary, full)


def write_pages(app, config) -> None:
    folder = DOCS / "reference" / "api"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    top = {id(getattr(neuro4d, name)): name for name in exports(neuro4d)}
    pages = {name: package_page(name, top) for name in packages()}
    # What neuro4d exports from its private base has no package of its own to be listed in.
    loose = [name for name in sorted(top.values()) if getattr(neuro4d, name).__module__.startswith("neuro4d._base")]
    pages["values"] = page("values and errors", "Distributions, and what can go wrong.", [f"neuro4d.{name}" for name in loose])
    for name, text in pages.items():
        if text:
            (folder / f"{name}.rst").write_text(text, encoding="utf-8")


def copy_notebooks(app, config) -> None:
    folder = DOCS / "tutorial" / "notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in sorted((DOCS.parent / "notebooks").glob("*.ipynb")):
        shutil.copy(path, folder / path.name)


def setup(app):
    app.connect("config-inited", write_pages)
    app.connect("config-inited", copy_notebooks)
    return {"parallel_read_safe": True, "version": "1"}
