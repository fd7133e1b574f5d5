"""A page of HTML that carries its data: numbers packed as text, the program and the style from the folder `explore`."""

import base64
import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Int

# In this order: each file uses names of those before it.
_SCRIPTS = ("data", "colour", "arrange", "points", "boxes", "scene", "strip", "panel", "main")


def packed(values: Int[np.ndarray, " k"]) -> str:
    """Whole numbers from 0 to 2^53 as text: seven bits to a byte, the lowest first, the eighth bit where more follow; then base64."""
    values = np.asarray(values).astype(np.uint64)
    size = np.ones(len(values), np.int64)
    for bits in range(7, 56, 7):
        size += values >= np.uint64(1 << bits)
    first = np.cumsum(size) - size
    out = np.empty(int(size.sum()), np.uint8)
    for place in range(int(size.max(initial=0))):
        mine = size > place
        more = np.where(size[mine] > place + 1, 128, 0)
        out[first[mine] + place] = ((values[mine] >> np.uint64(7 * place)) & np.uint64(127)) + more.astype(np.uint64)
    return base64.b64encode(out.tobytes()).decode("ascii")


def page(title: str, data: Mapping[str, Any]) -> str:
    """The whole page. Nothing in `title` or `data` can end the element that holds it."""
    # As JSON, `<` may also be written by its number; then no text of it closes a script, opens one or begins a comment.
    carried = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "title": html.escape(title),
        "style": _asset("style.css"),
        "script": "\n".join(_asset(f"{name}.js") for name in _SCRIPTS),
        "data": carried,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def framed(text: str, label: str, height: int) -> str:
    """A page inside another one, in a frame of its own that reaches neither the outer page nor a network."""
    style = f"width:100%;height:{height}px;border:1px solid #dddddd;border-radius:4px"
    return f'<iframe sandbox="allow-scripts" title="{html.escape(label)}" style="{style}" srcdoc="{html.escape(text)}"></iframe>'


def _asset(name: str) -> str:
    return (resources.files("neuro4d.plot") / "explore" / name).read_text(encoding="utf-8").strip()
