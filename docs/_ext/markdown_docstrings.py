"""Lets docstrings be Markdown: turns the parts that differ into reStructuredText before autodoc reads them.

Formulas (`$...$`, `$$...$$`), code in single backticks, fenced code, links, boxes (`!!! Example`), and lists that follow a line of
text without a gap.
Doctest blocks, Google sections and bold text read the same in both.
"""

import re

FENCE = re.compile(r"^(\s*)```\s*(\w*)\s*$")
BOX = re.compile(r"^(\s*)!!! (.+)$")
ITEM = re.compile(r"^(\s*)(-|\*|\d+\.) ")
# In this order: what is found first is taken out of the line, so that nothing inside of it is read again.
INLINE = re.compile(
    r"(?P<literal>``.+?``)"
    r"|(?P<role>:[\w:]+:`[^`]+`)"
    r"|`(?P<code>[^`]+)`(?!_)"
    r"|(?<![\\$])\$(?P<math>[^$]+)\$(?!\$)"
    r"|\[(?P<text>[^\]]+)\]\((?P<url>https?://[^)\s]+)\)"
    r"|(?P<bold>\*\*.+?\*\*)"
    r"|(?P<risky>[*|]|(?<=\w)_(?=\W|$))"
)


def convert(lines: list[str]) -> list[str]:
    """The lines of a Markdown docstring as reStructuredText."""
    out: list[str] = []
    rest = iter(_close_math(lines))
    for line in rest:
        fence, box = FENCE.match(line), BOX.match(line)
        if box:
            out += ["", f"{box[1]}.. admonition:: {box[2].strip().capitalize()}", ""]
        elif fence:
            indent = fence[1]
            out += ["", f"{indent}.. code-block:: {fence[2] or 'text'}", ""]
            for inner in rest:
                if FENCE.match(inner):
                    break
                out.append(f"   {inner}" if inner.strip() else "")
            out.append("")
        elif line.strip().startswith("$$"):
            indent = line[: len(line) - len(line.lstrip())]
            out += ["", f"{indent}.. math::", "", f"{indent}   {line.strip().strip('$').strip()}", ""]
        elif line.lstrip().startswith((">>> ", "... ")):
            out.append(line)
        else:
            if ITEM.match(line) and out and out[-1].strip() and not _continues(out[-1], line):
                out.append("")
            out.append(_inline(line))
    return out


def _close_math(lines: list[str]) -> list[str]:
    """Joins a displayed formula of several lines into one."""
    out: list[str] = []
    formula: list[str] = []
    for line in lines:
        if formula or (line.strip().startswith("$$") and not line.strip().removeprefix("$$").endswith("$$")):
            formula.append(line if not formula else line.strip())
            if len(formula) > 1 and line.strip().endswith("$$"):
                out.append(" ".join(formula))
                formula = []
        else:
            out.append(line)
    return out + formula


def _continues(before: str, line: str) -> bool:
    """Whether a list goes on: the line before is an item, or the indented rest of one."""
    indent = len(line) - len(line.lstrip())
    return bool(ITEM.match(before)) or len(before) - len(before.lstrip()) > indent


def _inline(line: str) -> str:
    return INLINE.sub(_replacement, line)


def _replacement(match: re.Match[str]) -> str:
    if match["code"]:
        return f"``{match['code']}``"
    if match["math"]:
        return f":math:`{match['math']}`"
    if match["text"]:
        return f"`{match['text']} <{match['url']}>`__"
    if match["risky"]:
        item = match["risky"] == "*" and not match.string[: match.start()].strip() and match.string[match.end() :].startswith(" ")
        return match[0] if item else f"\\{match[0]}"
    return match[0]


def _process(app, what, name, obj, options, lines) -> None:
    lines[:] = convert(lines)


def setup(app):
    # Before napoleon (priority 500), which then finds reStructuredText inside its sections.
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True, "version": "1"}
