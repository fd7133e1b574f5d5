"""Draws the layers as `tests/layer_rules.py` has them, from top to bottom: `python docs/_static/make_layers.py`.

Every text stands on a colour of its own, so that the picture is readable on a light page and on a dark one.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from layer_rules import APART, LATE, LAYERS, PACKAGE  # noqa: E402

WIDTH, ROW, GAP = 980, 38, 5
LABEL, BOX, TEXT = 12, 58, 610  # where the number, the first box and the sentence begin

# One sentence for each layer, from the lowest to the highest.
SAYS = (
    "units, values, drives, random addresses",
    "places; arrays in, arrays out",
    "layout of synapses, delivery, the past; steps of equations",
    "the parts: one protocol each, one final class per file",
    "what runs: Model, State, the six stages; statistics",
    "what was written, and how it is built",
    "what comes out of a run",
    "chunks, batches, sweeps; cost on a chip",
    "files, training, many devices",
    "published networks, pictures, measuring, serving",
    "networks of the zoo, timed",
    "the command",
    "python -m neuro4d",
)


def exists(name: str) -> bool:
    """Whether a package has code yet."""
    return (ROOT / PACKAGE / name).is_dir() or (ROOT / PACKAGE / f"{name}.py").is_file()


def box(x: float, y: float, name: str) -> tuple[str, float]:
    """A package, and where the next one begins. A package without code is an outline."""
    width = 16 + 7.6 * len(name)
    fill, edge, ink = ("#2f6690", "#2f6690", "#ffffff") if exists(name) else ("none", "#7d8fa0", "#5a6b7b")
    dash = "" if exists(name) else ' stroke-dasharray="4 3"'
    text = (
        f'<rect x="{x:g}" y="{y + 7}" width="{width:g}" height="{ROW - 14}" rx="4" fill="{fill}" stroke="{edge}"{dash}/>'
        f'<text x="{x + width / 2:g}" y="{y + ROW / 2 + 4.5:g}" fill="{ink}" text-anchor="middle" font-family="monospace" font-size="12.5">{name}</text>'
    )
    return text, x + width + 8


def row(level: int, y: float) -> str:
    """One layer: its number, its packages, what it is for."""
    parts = [
        f'<rect x="0" y="{y}" width="{WIDTH}" height="{ROW}" rx="5" fill="#e8eef3"/>',
        f'<text x="{LABEL}" y="{y + ROW / 2 + 4.5:g}" fill="#5a6b7b" font-size="13">L{level}</text>',
    ]
    x: float = BOX
    for name in LAYERS[level]:
        text, x = box(x, y, name)
        parts.append(text)
    parts.append(f'<text x="{TEXT}" y="{y + ROW / 2 + 4.5:g}" fill="#22313f" font-size="13">{SAYS[level]}</text>')
    return "\n".join(parts)


def picture() -> str:
    """The picture as SVG."""
    rows = [row(level, (len(LAYERS) - 1 - level) * (ROW + GAP)) for level in range(len(LAYERS))]
    foot = len(LAYERS) * (ROW + GAP)
    never = ", ".join(f"{a} / {b}" for a, b in sorted(APART))
    late = ", ".join(f"{a} opens {b}" for a, b in sorted(LATE))
    notes = (
        "Imports point down, never sideways. A dashed package has its place and no code yet.",
        f"Apart, though one may lie below the other: {never}.",
        f"Upwards, only when a picture is asked for: {late}.",
    )
    lines = [
        f'<text x="{LABEL}" y="{foot + 20 + 19 * number}" fill="#22313f" font-size="13">{text}</text>' for number, text in enumerate(notes)
    ]
    height = foot + 10 + 19 * len(notes)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'font-family="Helvetica, Arial, DejaVu Sans, sans-serif" role="img">',
            "<title>The layers of neuro4d: a module imports its own package and strictly lower layers</title>",
            *rows,
            f'<rect x="0" y="{foot}" width="{WIDTH}" height="{height - foot}" rx="5" fill="#f6efd9"/>',
            *lines,
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    (HERE / "layers.svg").write_text(picture(), encoding="utf-8")
    print("written: layers.svg")
