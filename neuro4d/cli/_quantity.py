"""Times as people type them: a number and a unit."""

import re
from decimal import Decimal
from types import MappingProxyType

from neuro4d._base import did_you_mean

PER_MS = MappingProxyType(
    {"min": Decimal(60_000), "s": Decimal(1000), "ms": Decimal(1), "us": Decimal("0.001"), "µs": Decimal("0.001"), "μs": Decimal("0.001")}
)
SHOWN = ("min", "s", "ms", "us")
LONGEST = Decimal(10) ** 12
"""ms; thirty years."""

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([^\s\d.+-]*)", re.ASCII)


class UserError(Exception):
    """Something the person at the keyboard can put right: shown as one sentence, without a traceback."""


def parse_time(text: str, option: str) -> float:
    """Milliseconds from a text such as `"1 s"`, `"0.1 ms"` or `"100us"`.

    Computed in decimal, so that "100 us" and "0.1 ms" are the same float.

    **Raises:** `UserError` naming the option, for a missing or unknown unit and for what is not a positive number.
    """
    example = f'for example `{option} "{"0.1 ms" if option == "--dt" else "1 s"}"`'
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise UserError(f"{option} is a number with a unit of time, {example}; got {text!r}.")
    number, unit = match.groups()
    if not unit:
        raise UserError(f"{option} needs a unit ({', '.join(SHOWN)}), {example}; got {text!r}.")
    if unit not in PER_MS:
        raise UserError(f"{option} takes a time in one of {', '.join(SHOWN)}, {example}; got {text!r}.{did_you_mean(unit, SHOWN)}")
    value = Decimal(number) * PER_MS[unit]
    if not 0 < value <= LONGEST:
        raise UserError(f"{option} is more than 0 and at most 30 years, {example}; got {text!r}.")
    return float(value)
