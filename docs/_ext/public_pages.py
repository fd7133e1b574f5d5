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


def page(package: str) -> str | None:
    """The page of a package, or None where it offers nothing."""
    module = importlib.import_module(f"neuro4d.{package}")
    names = exports(module)
    if not names:
        return None
    top = set(exports(neuro4d))
    full = [f"neuro4d.{name}" if name in top else f"neuro4d.{package}.{name}" for name in names]
    summary = (inspect.getdoc(module) or "").split("\n\n")[0].replace("\n", " ")
    lines = [package, "=" * len(package), "", summary.replace("`", "``"), "", ".. currentmodule:: neuro4d", ""]
    lines += [".. autosummary::", "   :toctree: objects", "   :nosignatures:", ""]
    lines += [f"   ~{name}" for name in full]
    return "\n".join(lines) + "\n"


def write_pages(app, config) -> None:
    folder = DOCS / "reference" / "api"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packages = sorted(found.name for found in pkgutil.iter_modules(neuro4d.__path__) if found.name != "__main__")
    for package in packages:
        text = None if package.startswith("_") else page(package)
        if text:
            (folder / f"{package}.rst").write_text(text, encoding="utf-8")


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
