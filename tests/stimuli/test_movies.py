"""Gratings and bars, and what neurons on a lattice see of a movie."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif
from hypothesis import given
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.stimuli import Now

FRAME = {"duration": 100 * u.ms, "every": 5 * u.ms}


@given(st.floats(0, 6.28), st.floats(2, 20), st.floats(-30, 30), st.floats(0, 1))
def test_a_grating_is_the_sine_of_its_formula(angle, wavelength, hertz, contrast):
    e = np.array([np.cos(angle), np.sin(angle)])
    movie = n4.drifting_grating(
        (7, 5), **FRAME, wavelength=wavelength, frequency=hertz * u.Hz, direction=3 * e, contrast=contrast, phase=0.3
    )
    assert movie.shape == (20, 7, 5) and movie.min() >= 0 and movie.max() <= 1
    for frame, x, y in ((0, 0, 0), (3, 6, 1), (19, 2, 4)):
        phase = 2 * np.pi * ((x * e[0] + y * e[1]) / wavelength - hertz * 1e-3 * (frame + 0.5) * 5) + 0.3
        assert abs(movie[frame, x, y] - 0.5 * (1 + contrast * np.sin(phase))) < 1e-9


def test_a_grating_moves_by_wavelength_times_frequency():
    """8 sites at 25 Hz: one site in 5 ms, so that each frame is the one before, a site further."""
    movie = n4.drifting_grating((16, 3, 2), **FRAME, wavelength=8, frequency=25 * u.Hz)
    np.testing.assert_allclose(movie[1:, 1:], movie[:-1, :-1], atol=1e-12)
    still = n4.drifting_grating((16, 3), **FRAME, wavelength=8, frequency=0 * u.Hz)
    assert (still == still[0]).all()


@given(st.floats(0.3, 5), st.floats(0.02, 0.5))
def test_a_bar_covers_its_width_and_moves_at_its_speed(width, speed):
    movie = n4.moving_bar((40, 2), **FRAME, width=width, speed=speed / u.ms, start=5.0)
    covered = movie[:, :, 0]
    inside = 5.0 + speed * (np.arange(20) + 0.5) * 5 < 39 - width / 2
    np.testing.assert_allclose(covered[inside].sum(1), width, rtol=1e-12)
    centre = (covered * np.arange(40)).sum(1)[inside] / width
    # The middle of what is covered is that of the bar, to within the part of a site that its ends cover.
    assert np.abs(centre - (5.0 + speed * (np.arange(20) + 0.5) * 5)[inside]).max() < 0.5 / width + 1e-9
    assert (movie[..., 0] == movie[..., 1]).all() and movie.max() <= 1 and movie.min() >= 0


def test_a_bar_begins_beside_the_lattice_and_crosses_it_either_way():
    forth = n4.moving_bar((10,), duration=20 * u.ms, every=1 * u.ms, width=2, speed=1 / u.ms)
    back = n4.moving_bar((10,), duration=20 * u.ms, every=1 * u.ms, width=2, speed=-1 / u.ms)
    np.testing.assert_allclose(back, forth[:, ::-1], atol=1e-12)
    assert forth[0].sum() == 0.5 and not forth[-1].any()
    np.testing.assert_allclose(forth.sum(0), 2)  # every site is covered for width/speed


BRAIN = n4.Lattice((4, 5, 2), spacing=50 * u.um)
FRAMES = np.arange(3 * 4 * 2, dtype=float).reshape(3, 4, 2) + 1


def seen(make, target=None, dt=1.0, **options):
    cells = n4.Population("cells", BRAIN.sample(density=0.6), lif(), {"in": n4.PulseCurrent()})
    chosen = cells if target is None else cells[target]
    model = n4.Network(cells, make(chosen)).build(dt=dt * u.ms, seed=0, **options)
    return model, np.asarray(model.sites["cells"])


def test_every_neuron_sees_the_pixel_of_its_site():
    model, sites = seen(lambda cells: n4.Clamp("movie", cells, n4.Movie(FRAMES * u.pA, every=2 * u.ms, origin=(0, 2))))
    none = jnp.uint32(0)
    for step in range(8):
        given = np.asarray(model.sources["movie"].emit(Now(jnp.uint32(step), none, none, None)).i)
        y = sites[:, 1] - 2
        inside = (y >= 0) & (y < 2)
        expected = np.where(inside, FRAMES[min(step // 2, 2), sites[:, 0], np.clip(y, 0, 1)], 0) if step < 6 else np.zeros(len(sites))
        assert (given == expected).all() and inside.any() and not inside.all()


def test_a_movie_of_rates_drives_poisson_input():
    """Zero where the frame is dark; 2000 frames' worth of spikes where it is bright: five standard errors, a false alarm of 6e-7."""
    frames = np.zeros((2, 4))
    frames[0, 1], frames[1, 3] = 2.0, 5.0  # kHz
    movie = n4.Movie(frames * u.kHz, every=500 * u.ms)
    model, sites = seen(lambda cells: n4.Poisson("movie", cells, "in", rate=movie, weight=1 * u.pA))
    _, found = jax.jit(lambda s: n4.scan(model, s, 1000, lambda s, _: s.receptors["cells"]["in"].i))(model.init(jr.key(0)))
    first, second = np.asarray(found[:500]).sum(0), np.asarray(found[500:]).sum(0)
    for x in range(4):
        for counts, rate in ((first, frames[0, x]), (second, frames[1, x])):
            mine = counts[sites[:, 0] == x]
            assert abs(mine.mean() - 500 * rate) <= 5 * np.sqrt(500 * rate / len(mine))


def test_frames_reach_an_input_port_too():
    movie = n4.drifting_grating((4, 5), duration=6 * u.ms, every=1 * u.ms, wavelength=4, frequency=50 * u.Hz)
    model, _ = seen(lambda cells: n4.Input("eye", cells, shape=(4, 5)))
    run = n4.simulate(model, model.init(jr.key(0)), 6 * u.ms, n4.Trace("cells", "v"), inputs={"eye": 100 * movie * u.pA})
    clamped, _ = seen(lambda cells: n4.Clamp("eye", cells, n4.Movie(100 * movie * u.pA, every=1 * u.ms)))
    again = n4.simulate(clamped, clamped.init(jr.key(0)), 6 * u.ms, n4.Trace("cells", "v"))
    np.testing.assert_allclose(run.records["cells.v"].values, again.records["cells.v"].values, rtol=1e-6)


GRATING = {"shape": (4, 4), **FRAME, "wavelength": 4, "frequency": 2 * u.Hz}
BAR = {"shape": (4, 4), **FRAME, "width": 2, "speed": 0.1 / u.ms}
BAD = [
    (lambda: n4.drifting_grating(**GRATING | {"wavelength": 1}), ValueError, "wavelength is 2 sites or more.*got 1"),
    (lambda: n4.drifting_grating(**GRATING | {"contrast": 2}), ValueError, "contrast lies from 0 to 1; got 2"),
    (lambda: n4.drifting_grating(**GRATING | {"direction": (0, 0)}), ValueError, "not all 0"),
    (lambda: n4.drifting_grating(**GRATING | {"direction": (1, 0, 0)}), ValueError, "each of the 2 axes"),
    (lambda: n4.drifting_grating(**GRATING | {"shape": 4}), TypeError, "tuple of whole numbers"),
    (lambda: n4.drifting_grating(**GRATING | {"shape": (4, 0)}), ValueError, "at least 1"),
    (lambda: n4.drifting_grating(**GRATING | {"frequency": 2}), n4.UnitError, "drifting_grating: frequency: expected"),
    (
        lambda: n4.drifting_grating(**GRATING | {"every": 30 * u.ms}),
        ValueError,
        r"whole number of frames of 30 ms; got 100 ms. For example `duration=90\*u.ms`",
    ),
    (lambda: n4.drifting_grating(**GRATING | {"phase": "0"}), TypeError, "phase is one finite number"),
    (lambda: n4.moving_bar(**BAR | {"width": 0}), ValueError, "width is above 0"),
    (lambda: n4.moving_bar(**BAR | {"speed": 0.1}), n4.UnitError, "moving_bar: speed"),
    (lambda: n4.Movie(FRAMES, every=1 * u.ms), n4.UnitError, r"expected rates or currents, for example `80\*frames\*u.Hz`.*bare value"),
    (lambda: n4.Movie(FRAMES * u.mV, every=1 * u.ms), n4.UnitError, "got the unit mV"),
    (lambda: n4.Movie(np.ones(3) * u.pA, every=1 * u.ms), ValueError, r"shape \(T, \*shape\).*got \(3,\)"),
    (lambda: n4.Movie(FRAMES * np.nan * u.pA, every=1 * u.ms), ValueError, "Movie.frames must be a finite number"),
    (lambda: n4.Movie(FRAMES * u.pA, every=1 * u.ms, origin=(1,)), ValueError, "one entry for each of the 2 axes"),
    (lambda: n4.Movie(FRAMES * u.pA, every=np.ones(2) * u.ms), ValueError, "Movie.every is one time"),
]


@pytest.mark.parametrize("make, error, text", BAD)
def test_refused_values(make, error, text):
    with pytest.raises(error, match=text):
        make()


MOVIE = n4.Movie(FRAMES * u.pA, every=1 * u.ms)
NOWHERE = n4.Population("nowhere", 3, lif(), {"in": n4.PulseCurrent()})
BAD_BUILDS = [
    (lambda c: n4.Poisson("m", c, "in", rate=MOVIE, weight=1 * u.pA), n4.UnitError, "Poisson 'm': rate: Movie.frames: expected a quantity convertible to kHz"),
    (lambda c: n4.Clamp("m", c, n4.Movie(FRAMES * u.Hz, every=1 * u.ms)), n4.UnitError, "Clamp 'm': Movie.frames: expected a quantity convertible to pA"),
    (lambda c: n4.Poisson("m", c, "in", rate=n4.Movie(-FRAMES * u.kHz, every=1 * u.ms), weight=1 * u.pA), ValueError, r"at least 0 kHz; got -1.0 kHz in frame 0, pixel \(0, 0\)"),
    (lambda c: n4.Poisson("m", c, "in", rate=n4.Movie(FRAMES * u.MHz, every=1 * u.ms), weight=1 * u.pA), ValueError, "at most 64 spikes per step"),
    (lambda c: n4.Clamp("m", c, n4.Movie(FRAMES * u.pA, every=0.3 * u.ms)), ValueError, "every must be a multiple of dt"),
    (lambda c: n4.Clamp("m", c, n4.Movie(np.ones((2, 2, 2, 2, 2)) * u.pA, every=1 * u.ms)), ValueError, r"4 axes of places, \(2, 2, 2, 2\); the lattice of the target has 3"),
    (lambda c: n4.Clamp("m", NOWHERE, MOVIE), ValueError, "the target has no coordinates"),
]  # fmt: skip


@pytest.mark.parametrize("make, error, text", BAD_BUILDS)
def test_refused_builds(make, error, text):
    cells = n4.Population("cells", BRAIN.all(), lif(), {"in": n4.PulseCurrent()})
    with pytest.raises(error, match=text):
        n4.Network(cells, NOWHERE, make(cells)).build(dt=1 * u.ms)
