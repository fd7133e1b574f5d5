"""Times as people type them."""

import pytest

from neuro4d.cli._quantity import UserError, parse_time


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1 s", 1000.0),
        ("1s", 1000.0),
        (" 0.1 ms ", 0.1),
        ("100us", 0.1),
        ("100 µs", 0.1),
        (".5 s", 500.0),
        ("1e-1 ms", 0.1),
        ("2 min", 120_000.0),
        ("1.5e3 ms", 1500.0),
        ("+3 ms", 3.0),
    ],
)
def test_good(text, ms):
    assert parse_time(text, "--duration") == ms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "needs a unit"),
        ("1000", "needs a unit"),
        ("1 sec", "Did you mean 's'|takes a time in one of"),
        ("1 mV", "takes a time in one of"),
        ("1 S", "takes a time in one of"),
        ("0 s", "more than 0"),
        ("-1 s", "more than 0"),
        ("1e300 s", "at most 30 years"),
        ("nan s", "is a number with a unit"),
        ("inf s", "is a number with a unit"),
        ("", "is a number with a unit"),
        ("1,5 s", "is a number with a unit|takes a time"),
        ("1 s 2", "is a number with a unit"),
        ("٣ s", "is a number with a unit"),
        ("1e9999999999 s", "is a number with a unit"),
    ],
)
def test_bad(text, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_time(text, "--duration")
    assert "--duration" in str(caught.value)
