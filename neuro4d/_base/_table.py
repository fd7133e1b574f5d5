"""Plain text tables."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns as wide as their widest cell; the first `left` columns start at the left, the others end at the right.

    !!! Example

        >>> from neuro4d._base import table
        >>> print(table(("name", "n"), [("cells", "4000")]))
        name      n
        -----  ----
        cells  4000
    """
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [tuple(head), tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "  ".join(cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))).rstrip() for line in lines
    )
