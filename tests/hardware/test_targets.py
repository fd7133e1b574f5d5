"""Target files: those that come with neuro4d are complete, those of users are read, and mistakes in them are named."""

import re
from importlib import resources

import brainunit as u
import jax.numpy as jnp
import msgspec
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.hardware._schema import BAND
from neuro4d.hardware._target import LARGEST_FILE, coefficients

CHIPS = ("loihi1", "loihi2", "spinnaker1", "spinnaker2", "truenorth")
PROCESSORS = ("cpu", "edge", "gpu", "tpu")


def text(name):
    return (resources.files("neuro4d.hardware") / "targets" / f"{name}.toml").read_text(encoding="utf-8")


def test_all_targets_are_there():
    assert n4.hardware.targets() == tuple(sorted(CHIPS + PROCESSORS))
    assert all(isinstance(n4.hardware.target(name), n4.hardware.ChipTarget) for name in CHIPS)
    assert all(isinstance(n4.hardware.target(name), n4.hardware.ProcessorTarget) for name in PROCESSORS)


@pytest.mark.parametrize("name", CHIPS + PROCESSORS)
def test_every_number_has_a_flag_a_source_and_a_band(name):
    found = n4.hardware.target(name)
    assert found.name == name and found.title and len(found.about) > 80
    numbers = coefficients(found)
    assert len(numbers) >= 5
    for place, number in numbers:
        assert number.flag in BAND and len(number.source) >= 8, place
        assert "[R]" not in number.source and "recall" not in number.source, place
        band = number.interval
        assert 0 <= band.low <= band.value <= band.high, place
        if number.flag == "inferred":  # thin knowledge shows: a factor of two from end to end at least
            assert band.high >= 2 * band.low, place


@pytest.mark.parametrize("name", CHIPS + PROCESSORS)
def test_numbers_are_counted_by_the_text_of_the_file(name):
    """Nothing of a file is lost on the way: as many values as coefficients, and each has its flag in the text."""
    numbers = coefficients(n4.hardware.target(name))
    assert len(re.findall(r"\{value = ", text(name))) == len(numbers)
    assert len(re.findall(r'flag = "', text(name))) == len(numbers) + text(name).count("[packing]")


@pytest.mark.parametrize("name", CHIPS)
def test_a_chip_is_whole(name):
    found = n4.hardware.target(name)
    chip = found.chip
    assert chip.columns * chip.rows * chip.per_tile >= chip.cores and len(chip.source) > 10
    assert (chip.tick is None) == (chip.step == "barrier")
    power = found.power
    assert any(x is not None for x in (power.core, power.chip, power.board)), "static power is never forgotten"
    assert float(found.limits.neurons.value) == int(found.limits.neurons.value)
    if found.packing.rule == "crossbar":
        assert found.limits.axons_in is not None
    else:
        assert found.packing.synapse > 0 and found.limits.memory is not None


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_is_whole(name):
    processor = n4.hardware.target(name).processor
    assert all(x.value > 0 for x in (processor.launch, processor.operations, processor.bandwidth, processor.rest, processor.busy))


def test_published_numbers_are_what_the_files_say():
    """A few figures as they stand in their sources."""
    chip = n4.hardware.target
    assert chip("loihi1").energy.event.value == 23.6e-12 and chip("loihi1").energy.update.value == 81e-12  # Davies et al. 2018, Table 2
    assert chip("loihi1").limits.memory.value == 16384 * 64 == 128 * 1024 * 8
    assert (
        chip("loihi2").energy.event.flag == "inferred"
        and chip("loihi2").power.chip.interval.low < 0.232 < 0.282 < chip("loihi2").power.chip.interval.high
    )  # lava-dl
    assert chip("spinnaker1").limits.table.value == 1023 and chip("spinnaker1").power.board.value == 26.84  # SpiNNMachine
    # Scholze et al. 2026: all cores asleep
    sleeping = chip("spinnaker2").power.chip.value + 152 * chip("spinnaker2").power.core.value
    assert sleeping == pytest.approx(235.4e-3, rel=0.01)
    # Akopyan et al. 2015, Fig. 17: a million neurons with 128 synapses, spikes over 64 / 3 tiles in each direction on average
    brain = chip("truenorth")
    for rate, power in ((11.58, 68e-3), (20.07, 71e-3), (95.93, 94e-3)):
        spike = 128 * brain.energy.event.value + 2 * 64 / 3 * brain.energy.hop.value
        assert brain.power.chip.value + 2**20 * rate * spike == pytest.approx(power, rel=0.02)


EVENT = 'event = {value = 23.6e-12, low = 20e-12, high = 35.5e-12, flag = "simulated"'

MISTAKES = {
    "unknown key": (EVENT, EVENT.replace("event", "evnt"), "energy: .*evnt"),
    "unknown key of a number": ("low = 20e-12", "lower = 20e-12", "energy.event: .*lower"),
    "wrong flag": (
        'flag = "simulated", source = "Davies et al. 2018, Table 2; upper',
        'flag = "guessed", source = "Davies; upper',
        "energy.event.flag: .*guessed",
    ),
    "no flag": (EVENT, EVENT.replace(', flag = "simulated"', ""), "energy.event: .*flag"),
    "no source": (', source = "Davies et al. 2018, Table 2; upper end fitted by SANA-FE"', "", "energy.event: .*source"),
    "wrong type": ("value = 23.6e-12", 'value = "23.6 pJ"', "energy.event.value: .*str"),
    "negative": ("value = 23.6e-12", "value = -23.6e-12", "energy.event.value: .*>= 0"),
    "band without its value": (
        "low = 20e-12, high = 35.5e-12",
        "low = 25e-12, high = 35.5e-12",
        r"energy.event has the band 2.5e-11 to 3.55e-11 around 2.36e-11",
    ),
    "band of a barrier": (
        "value = 0.6e-6, low = 0.113e-6, high = 0.78e-6",
        "value = 0.6e-6, low = 0.7e-6, high = 0.78e-6",
        r"time.barrier\[0\]",
    ),
    "missing table": ("[packing]", "[packings]", "packing"),
    "no clock": ('step = "barrier"', 'step = "clock"', "chip.tick"),
    "tiles too few": ("rows = 4", "rows = 3", "8 x 3 tiles of 4 cores hold 96; chip.cores is 128"),
    "fraction of a core": ("cores = 128", "cores = 128.5", "chip.cores: .*int"),
    "not TOML": ("[energy]", "[energy", "not TOML"),
    "chip and processor": ("[chip]", "[processor]\n[chip]", "exactly one"),
    "neither": ("[chip]", "[chips]", "exactly one"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_place(mistake, tmp_path):
    before, after, said = MISTAKES[mistake]
    assert text("loihi1").count(before) >= 1, "the mistake is made where it is meant"
    file = tmp_path / "mine.toml"
    file.write_text(text("loihi1").replace(before, after, 1))
    with pytest.raises(n4.hardware.TargetError, match=said) as error:
        n4.hardware.target(file)
    assert "mine.toml" in str(error.value)


@pytest.mark.parametrize("table", ["limits", "packing", "energy", "time", "power"])
def test_a_table_that_is_missing_is_named(table, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("\n[".join(part for part in text("loihi2").split("\n[") if not part.startswith(f"{table}]")))
    with pytest.raises(n4.hardware.TargetError, match=table):
        n4.hardware.target(file)


def test_a_wrong_key_of_a_processor_is_named(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(text("cpu").replace("launch =", "lunch =", 1))
    with pytest.raises(n4.hardware.TargetError, match=r"processor: .*l(a?)unch"):
        n4.hardware.target(file)


MINE = """
name = "mine"
title = "A machine of mine"
about = "Measured on my desk."

[processor]
launch = {value = 2e-6, flag = "measured", source = "my stopwatch"}
operations = {value = 1e12, flag = "vendor", source = "its data sheet"}
bandwidth = {value = 1e11, flag = "vendor", source = "its data sheet"}
rest = {value = 10, low = 9, high = 12, flag = "measured", source = "my meter"}
busy = {value = 20, flag = "inferred", source = "my neighbour's machine"}
"""


def test_a_file_of_a_user_is_read_by_path_and_text(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(MINE)
    for where in (file, str(file)):
        found = n4.hardware.target(where)
        assert found.name == "mine" and found.processor.rest.interval.high == 12
    assert n4.hardware.target(found) is found
    launch, busy = found.processor.launch.interval, found.processor.busy.interval
    assert (launch.low, launch.high) == (2e-6 / BAND["measured"], 2e-6 * BAND["measured"]), "without a band of its own, the flag decides"
    assert (busy.low, busy.high) == (20 / BAND["inferred"], 20 * BAND["inferred"])


def test_bands_grow_as_knowledge_gets_thinner():
    assert BAND["measured"] < BAND["fitted"] < BAND["derived"] <= BAND["simulated"] < BAND["vendor"] < BAND["inferred"]


def test_a_file_that_cannot_be_one_is_refused(tmp_path):
    huge, binary = tmp_path / "huge.toml", tmp_path / "binary.toml"
    huge.write_text("# " + "x" * LARGEST_FILE)
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(n4.hardware.TargetError, match=f"{LARGEST_FILE + 2} bytes"):
        n4.hardware.target(huge)
    with pytest.raises(n4.hardware.TargetError, match="UTF-8"):
        n4.hardware.target(binary)
    with pytest.raises(n4.hardware.TargetError, match="no target file at"):
        n4.hardware.target(tmp_path / "none.toml")
    nested = tmp_path / "nested.toml"
    nested.write_text("chip = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(n4.hardware.TargetError):
        n4.hardware.target(nested)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(n4.hardware.TargetError, match=r"loihi_2.*loihi2.*spinnaker1"):
        n4.hardware.target("loihi_2")


@pytest.mark.slow
@pytest.mark.parametrize("name", CHIPS + PROCESSORS)
def test_more_spikes_never_cost_less_and_less_knowledge_never_narrows(name):
    draw = np.random.default_rng(0)
    pre, post = np.divmod(np.arange(300 * 10), 10)
    work = n4.hardware.layered(["a", "b"], [200, 100], pre, (pre + 7 * post + 1) % 300, np.zeros(300), dt=1 * u.ms, steps=10)
    found = n4.hardware.target(name)
    energy = n4.hardware.meter(work, found).energy
    unsure = n4.hardware.meter(work, widened(found)).energy
    spikes = np.zeros(300)
    before = energy(jnp.asarray(spikes))
    assert float(before.low) > 0, "static power is there without spikes"
    for _ in range(3):
        spikes = spikes + draw.exponential(0.2, 300)
        after, wide = energy(jnp.asarray(spikes)), unsure(jnp.asarray(spikes))
        assert all(float(getattr(after, end)) >= float(getattr(before, end)) * (1 - 1e-6) for end in ("low", "value", "high"))
        assert float(wide.low) <= float(after.low) * (1 + 1e-6) and float(wide.high) >= float(after.high) * (1 - 1e-6)
        before = after


def widened(found):
    """The same target with every band half as wide again at both ends."""
    for table in ("energy", "time", "power", "processor"):
        block = getattr(found, table, None)
        numbers = {k: getattr(block, k) for k in (block.__struct_fields__ if block else ())}
        bands = {k: (x, x.interval) for k, x in numbers.items() if isinstance(x, n4.hardware.Coefficient)}
        more = {k: msgspec.structs.replace(x, low=band.low / 1.5, high=band.high * 1.5) for k, (x, band) in bands.items()}
        found = msgspec.structs.replace(found, **{table: msgspec.structs.replace(block, **more)}) if block else found
    return found
