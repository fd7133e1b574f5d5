"""The messages of the table as a page of the documentation: `python -m bad_inputs.write_page`, with the folders `.` and `tests` on PYTHONPATH."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from bad_inputs.more_rows import folder
from bad_inputs.run_table import ROWS
from bad_inputs.table import Said, say
from layer_rules import ROOT

PAGE = ROOT / "docs" / "reference" / "errors.md"

HEAD = """# Errors

What is said to bad input, row by row of the table in `tests/bad_inputs`. Everything here is refused before anything is allocated, compiled or changed. A message
names the field, the value, what is allowed and, where there is one, a line that works. Written by `python -m bad_inputs.write_page`; a test compares.
"""


def shown(message: str) -> str:
    """A message without what differs from machine to machine: folders, free memory, addresses."""
    message = message.replace(str(folder().resolve()), "FOLDER").replace(str(folder()), "FOLDER")
    message = re.sub(r"[\d.]+ [KMGTP]iB are available", "... are available", message)
    message = re.sub(r"0x[0-9a-f]{6,}", "0x...", message)
    message = re.sub(r"(damaged one|is damaged|not TOML|not JSON): .*", r"\1: ...", message, flags=re.DOTALL)  # words of other libraries
    message = re.sub(r"in a file of [\d.]+ \w+; at most [\d.]+ \w+ are", "in a file of ...; at most ... are", message)
    message = re.sub(r"x{20,}", "xxx...", message)
    return " ".join(message.split())


def page(said: Mapping[str, Said]) -> str:
    """The page."""
    lines, kind = [HEAD], None
    for name in sorted(said, key=lambda name: (not re.match(r"B\d\d ", name), name)):
        own = name.split()[0] if re.match(r"B\d\d ", name) else "Others"
        if own != kind:
            kind = own
            lines.append(f"\n## {own}{KINDS.get(own, '')}\n")
        label = name.removeprefix(own).strip()
        lines.append(f"- **{label.translate(ESCAPE)}**: `{said[name].error}`\n\n  ```text\n  {shown(said[name].message) or '(no text)'}\n  ```\n")
    return "\n".join(lines)


KINDS = MappingProxyType(
    {
        "B01": ": time constants",
        "B02": ": capacitances",
        "B03": ": unstable steps",
        "B04": ": thresholds",
        "B05": ": thresholds of single neurons",
        "B06": ": peaks",
        "B07": ": refractory times",
        "B09": ": time steps",
        "B10": ": a time step changed later",
        "B11": ": negative durations",
        "B12": ": durations off the grid",
        "B14": ": more steps than can be counted",
        "B15": ": no neuron",
        "B16": ": numbers of neurons",
        "B17": ": networks that do not fit",
        "B18": ": names used twice",
        "B19": ": names",
        "B20": ": delays",
        "B21": ": delays off the grid",
        "B22": ": delays that are too long",
        "B23": ": values per edge",
        "B24": ": probabilities",
        "B25": ": in-degrees",
        "B26": ": numbers of edges",
        "B27": ": indices",
        "B29": ": edges that repeat",
        "B31": ": weights that are not finite",
        "B32": ": signs of weights",
        "B33": ": bounds of weights",
        "B35": ": weights that are no numbers",
        "B36": ": units",
        "B37": ": missing units",
        "B38": ": rates",
        "B39": ": rates and steps",
        "B40": ": values per neuron",
        "B41": ": spike times",
        "B42": ": neurons of spikes",
        "B43": ": shapes of input",
        "B44": ": input that is not finite",
        "B46": ": names of parameters",
        "B47": ": names of parts",
        "B48": ": keys of a configuration",
        "B49": ": types in a configuration",
        "B50": ": what a configuration refers to",
        "B51": ": parameters of plasticity",
        "B53": ": surrogates",
        "B54": ": seeds",
        "B55": ": random keys",
        "B56": ": recorders",
        "B57": ": records that do not fit",
        "B58": ": changes to what is fixed",
        "B59": ": states of other networks",
        "B60": ": batches",
        "B61": ": states that cannot be used",
        "B62": ": truncated files",
        "B63": ": flipped bits",
        "B64": ": what is no file",
        "B65": ": links out of a file",
        "B66": ": declared sizes",
        "B67": ": types in a file",
        "B68": ": missing contents",
        "B69": ": checkpoints of others",
        "B70": ": damaged checkpoints",
        "B71": ": files of another kind",
        "B73": ": places to write to",
        "B78": ": sizes and nesting",
    }
)

ESCAPE = str.maketrans({letter: f"\\{letter}" for letter in "*_`<>[]\\"} | {"\0": "NUL", "\n": "\\n"})


if __name__ == "__main__":
    PAGE.write_text(page({name: say(row) for name, row in ROWS.items()}), encoding="utf-8")
