"""The table of the zoo."""

import dataclasses

import pytest

import neuro4d as n4
from neuro4d.network import Network


def test_names_are_unique():
    names = n4.zoo.names()
    assert len(set(names)) == len(names)
    assert {"cuba", "coba", "brunel", "izhikevich2003", "microcircuit", "lattice4d"} <= set(names)


def test_unknown_name_has_a_suggestion():
    with pytest.raises(KeyError, match="Did you mean 'microcircuit'"):
        n4.zoo.get("microcircut")


@pytest.mark.parametrize("name", n4.zoo.names())
def test_entry(name):
    entry = n4.zoo.get(name)
    network = entry.network(None if entry.scale is None else 0.2)  # brunel_hakim has no smaller one
    assert isinstance(network, Network)
    assert entry.dt_ms > 0 and entry.duration_ms >= 500
    for reference in entry.references:
        for band in reference.bands:
            assert 0 < band.low <= band.high
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.name = "other"


def test_rates_depend_on_scale():
    entry = n4.zoo.get("microcircuit")
    full, tenth = entry.rates(1.0), entry.rates()
    assert full[0].low == 0.903 and tenth[0].low == 0.4831
    assert entry.rates(0.37) == ()


def test_one_size_only():
    with pytest.raises(ValueError, match="one size only"):
        n4.zoo.get("izhikevich2003").network(0.5)
