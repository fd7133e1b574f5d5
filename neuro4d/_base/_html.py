"""Static HTML for results: a table, a card and a small raster as inline SVG. No script, so that saved notebooks keep them."""

from collections.abc import Sequence
from html import escape
from typing import Protocol

import numpy as np

# Points drawn at most: more only make the notebook file larger, not the picture clearer.
_POINTS = 3000

# Restrained hues that hold on white and on dark pages.
PALETTE = ("#3d6ea5", "#c4583f", "#4d8b5b", "#8a6bb0", "#b4872f", "#41949c", "#a8577e", "#76808a")


class Events(Protocol):
    """What a raster needs of a spike table."""

    @property
    def population(self) -> str: ...

    @property
    def dt_ms(self) -> float: ...

    @property
    def n(self) -> int: ...

    @property
    def start_step(self) -> int: ...

    @property
    def n_steps(self) -> int: ...

    @property
    def step(self) -> np.ndarray: ...

    @property
    def id(self) -> np.ndarray: ...


def card(title: str, *bodies: str) -> str:
    """A titled block; the bodies are HTML, the title is text."""
    head = f'<div style="font-family:monospace;font-size:90%;margin-bottom:4px">{escape(title)}</div>'
    return f'<div class="neuro4d" style="max-width:640px">{head}{"".join(bodies)}</div>'


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A small table; first column left, the others right."""

    def line(cells: Sequence[str], tag: str) -> str:
        align = ["left"] + ["right"] * (len(cells) - 1)
        return "".join(
            f'<{tag} style="text-align:{side};padding:1px 10px">{escape(str(cell))}</{tag}>'
            for side, cell in zip(align, cells, strict=True)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{line(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def mini_raster(tables: Sequence[Events], width: int = 560, height: int = 150) -> str:
    """An inline SVG raster of tables that share one span, the first at the bottom."""
    tables = [each for each in tables if each.n > 0]
    if not tables or tables[0].n_steps == 0:
        return "<div>nothing was observed</div>"
    left, right, top, bottom = 96, 8, 6, 22
    height = max(height, 20 * len(tables) + top + bottom)
    w, h = width - left - right, height - top - bottom
    sizes = np.array([each.n for each in tables], float)
    # A line of text is 12 high: that much for each, so that names never overlap, and the rest by size.
    bands = 12 + (h - 12 * len(tables)) * sizes / sizes.sum()
    floors = top + h - np.concatenate([[0.0], np.cumsum(bands)])
    every = max(1, -(-sum(len(each.step) for each in tables) // _POINTS))
    parts = []
    for row, each in enumerate(tables):
        step, id = each.step[::every], each.id[::every]
        x = left + w * (step - each.start_step + 0.5) / each.n_steps
        y = floors[row] - bands[row] * (id + 0.5) / each.n
        tall = max(1.0, min(6.0, bands[row] / each.n))
        path = "".join(f"M{a:.1f} {b:.1f}v{tall:.1f}" for a, b in zip(x, y - tall / 2, strict=True))
        hue = PALETTE[row % len(PALETTE)]
        middle = (floors[row] + floors[row + 1]) / 2 + 4
        parts.append(f'<path d="{path}" stroke="{hue}" stroke-width="1" fill="none"/>')
        parts.append(
            f'<text x="{left - 6}" y="{middle:.1f}" text-anchor="end" font-size="11" fill="{hue}">{escape(_short(each.population))}</text>'
        )
    parts.append(_axis(tables[0], left, w, top + h))
    note = f'<div style="font-size:80%">1 of {every} spikes drawn</div>' if every > 1 else ""
    names = ", ".join(each.population for each in tables)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{escape(f"spikes of {names}")}" '
        f'xmlns="http://www.w3.org/2000/svg" style="font-family:sans-serif">{"".join(parts)}</svg>{note}'
    )


def _axis(events: Events, left: float, w: float, floor: float) -> str:
    begin = events.start_step * events.dt_ms
    end = (events.start_step + events.n_steps) * events.dt_ms
    return (
        f'<path d="M{left} {floor:.1f}h{w}" stroke="currentColor" stroke-width="0.7"/>'
        f'<text x="{left}" y="{floor + 15:.1f}" font-size="11" fill="currentColor">{begin:g}</text>'
        f'<text x="{left + w / 2}" y="{floor + 15:.1f}" text-anchor="middle" font-size="11" fill="currentColor">'
        f"{(begin + end) / 2:g} ms</text>"
        f'<text x="{left + w}" y="{floor + 15:.1f}" text-anchor="end" font-size="11" fill="currentColor">{end:g}</text>'
    )


def _short(name: str, most: int = 14) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
