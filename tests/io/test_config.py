"""Brain configurations: keys, defaults, mistakes, and the network they become."""

import copy
import json

import brainunit as u
import jax
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.io import BrainConfig, ConfigError, read_config, release, sense_input

CALM = {
    "lattice_shape": [8, 8, 4, 3],
    "neuron_model": {"type": "LIF", "params_default": {"tau_m": 10.0, "refractory_period": 2}},
    "cell_lifecycle": {"enable_death": False, "enable_reproduction": False},
    "plasticity": {"enabled": False},
    "senses": {"vision": {"areal": "V1_like", "w_index": 1, "input_size": [8, 6]}},
    "areas": [
        {"name": "V1_like", "sense": "vision", "coord_ranges": {"x": [0, 7], "y": [1, 7], "z": [0, 3], "w": [1, 1]}},
        {"name": "Digital_sensor", "coord_ranges": {"x": [0, 3], "y": [0, 3], "z": [0, 3], "w": [2, 2]}},
    ],
}


def changed(**changes):
    """A copy of `CALM` with values replaced at paths such as `areas__0__name`."""
    config = copy.deepcopy(CALM)
    for path, value in changes.items():
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("__"))
        block = config
        for step in steps:
            block = block[step]
        block[last] = value
    return config


@pytest.fixture
def write(tmp_path):
    def write(content, name="brain.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_defaults(write):
    config = read_config(write(changed(neuron_model={}, plasticity={}, cell_lifecycle={}, neuromodulation={})))
    p = config.neuron_model.params_default
    assert (p.tau_m, p.v_rest, p.v_reset, p.v_threshold, p.refractory_period) == (20.0, -65.0, -70.0, -50.0, 5.0)
    c = config.cell_lifecycle
    assert (c.max_age, c.health_decay_per_step, c.mutation_std_params, c.mutation_std_weights) == (100_000, 1e-4, 0.05, 0.02)
    s = config.plasticity
    assert (s.rule, s.learning_rate, s.weight_min, s.weight_max, s.weight_decay) == ("hebb_like", 1e-3, -1.0, 1.0, 1e-5)
    m = config.neuromodulation
    assert (m.dopamine.learning_rate_modulation, m.serotonin.inhibition_strength, m.norepinephrine.gain_modulation) == (2.0, 0.5, 2.0)
    assert (config.model_version, config.dimensions) == (1, 4)


def test_network(write):
    network = n4.load_config(write(CALM), density=0.5, probability=0.05)
    model = network.build(dt=1 * u.ms, seed=3)
    assert list(model.populations) == ["V1_like", "Digital_sensor"]
    n = {name: span.size for name, span in model.populations.items()}
    assert n["V1_like"] == pytest.approx(8 * 7 * 4 * 0.5, abs=6 * np.sqrt(56))
    assert model.n_synapses == pytest.approx(0.05 * model.n_neurons**2, rel=0.2)
    assert float(np.asarray(model.neurons["V1_like"].tau).max()) == 10.0
    coordinates = model.coordinates("Digital_sensor")
    assert (coordinates[:, 3] == 2).all() and coordinates[:, :2].max() <= 3


def test_toml_is_the_same(write):
    text = """
    lattice_shape = [8, 8, 4, 3]
    plasticity = {enabled = false}
    [neuron_model]
    type = "LIF"
    params_default = {tau_m = 10.0, refractory_period = 2}
    [cell_lifecycle]
    enable_death = false
    enable_reproduction = false
    [senses.vision]
    areal = "V1_like"
    w_index = 1
    input_size = [8, 6]
    [[areas]]
    name = "V1_like"
    sense = "vision"
    coord_ranges = {x = [0, 7], y = [1, 7], z = [0, 3], w = [1, 1]}
    [[areas]]
    name = "Digital_sensor"
    coord_ranges = {x = [0, 3], y = [0, 3], z = [0, 3], w = [2, 2]}
    """
    assert read_config(write(text, "brain.toml")) == read_config(write(CALM))


def test_sense_reaches_its_sites(write):
    path = write(CALM)
    config = read_config(path)
    model = n4.load_config(config, density=1.0, probability=0).build(dt=1 * u.ms, seed=0)
    image = np.zeros((8, 6))
    image[2, 5] = 1000.0  # site x=2, y=1+5, z=0+3, w=1; strong enough to fire at once
    state = model.init(jax.random.key(0))
    value = sense_input(config, "vision", image, z_layer=3)
    _, spikes = model.step(state, {"vision": value})
    span = model.populations["V1_like"]
    fired = np.asarray(spikes.fired(span.group))[span.start : span.start + span.size]
    np.testing.assert_array_equal(model.coordinates("V1_like")[fired], [[2, 6, 3, 1]])


def test_senses_are_fed(write):
    """A sense of the network makes of a rectangle what `sense_input` does; a rectangle that its kind cannot have makes it a plane."""
    config = read_config(write(changed(senses__touchy={"areal": "V1_like", "w_index": 1, "input_size": [3, 3]})))
    found = n4.senses.senses_of(n4.load_config(config))
    image = np.random.default_rng(0).random((8, 6))
    np.testing.assert_array_equal(found["vision"].feed(image, layer=2), sense_input(config, "vision", image, z_layer=2))
    assert [type(each).__name__ for each in found.values()] == ["Vision", "Plane"]
    taste = {"areal": "V1_like", "w_index": 1, "input_size": [8, 6]}
    odd = n4.load_config(write(changed(senses={"taste": taste, "vestibular": taste}, areas__0__sense=None)))
    assert {type(each) for each in n4.senses.senses_of(odd).values()} == {n4.senses.Plane}


def test_membrane_follows_the_configuration(write):
    """tau dv/dt = -(v - v_rest) + I with I in mV: a constant input of 10 mV ends 10 mV above rest."""
    config = read_config(write(CALM))
    model = n4.load_config(config, density=1.0, probability=0).build(dt=1 * u.ms, seed=0)
    value = sense_input(config, "vision", np.full((8, 6), 10.0))
    run = n4.simulate(
        model,
        model.init(jax.random.key(0)),
        20 * u.ms,
        record=(n4.Trace("V1_like", "v"), n4.Spikes()),
        inputs={"vision": np.broadcast_to(value, (20, *value.shape))},
        progress=False,
    )
    trace = np.asarray(run.trace("V1_like", "v").values.to_decimal(u.mV))
    expected = -65 + 10 * (1 - np.exp(-np.arange(1, 21) / 10))
    np.testing.assert_allclose(trace.max(axis=1), expected, rtol=1e-5)
    assert len(run.spikes("V1_like")) == 0


def test_sense_mistakes(write):
    config = read_config(write(CALM))
    with pytest.raises(KeyError, match="Did you mean 'vision'"):
        sense_input(config, "visoin", np.zeros((8, 6)))
    with pytest.raises(ValueError, match=r"shape \(8, 6\)"):
        sense_input(config, "vision", np.zeros((6, 8)))
    with pytest.raises(ValueError, match=r"at \(1, 2\) is nan"):
        bad = np.zeros((8, 6))
        bad[1, 2] = np.nan
        sense_input(config, "vision", bad)
    with pytest.raises(ValueError, match="layers 0 to 3"):
        sense_input(config, "vision", np.zeros((8, 6)), z_layer=4)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"latice_shape": [2]}, "unknown key `latice_shape`.*Did you mean 'lattice_shape'"),
        ({"neuron_model__params_default__tau_mem": 1}, r"`neuron_model\.params_default\.tau_mem`.*Did you mean 'tau_m'"),
        ({"areas__1__coord_range": {}}, r"`areas\[1\]\.coord_range`.*Did you mean 'coord_ranges'"),
        ({"senses__vision__inputsize": 1}, r"`senses\.vision\.inputsize`.*Did you mean 'input_size'"),
        ({"plasticity__short_term": {"default": 1}}, r"`plasticity\.short_term\.default`.*Did you mean 'default_type'"),
        ({"lattice_shape": [8, 8, 4, 3.5]}, r"`lattice_shape\[3\]`: expected `int`, got `float`"),
        ({"lattice_shape": "8x8"}, r"`lattice_shape`: expected `array`, got `str`"),
        ({"lattice_shape": [8, 8, 4]}, "one entry for each of the 4 `dimensions`"),
        ({"lattice_shape": [8, 8, 4, 0]}, r"`lattice_shape\[3\]` is at least 1"),
        ({"dimensions": 9}, "between 2 and 4"),
        ({"neuron_model__params_default__tau_m": "20 ms"}, r"`neuron_model\.params_default\.tau_m`: expected `float`, got `str`"),
        ({"neuron_model__type": "LIFF"}, r"`neuron_model\.type`: invalid enum value 'LIFF'"),
        ({"cell_lifecycle__enable_death": 1}, r"`cell_lifecycle\.enable_death`: expected `bool`, got `int`"),
        ({"areas__0__coord_ranges__x": [0, 8]}, r"`areas\[0\]\.coord_ranges\.x`.*0 to 7.*got \[0, 8\]"),
        ({"areas__0__coord_ranges__x": [5, 2]}, r"`areas\[0\]\.coord_ranges\.x`"),
        ({"areas__0__coord_ranges__x": [1, 2, 3]}, r"`areas\[0\]\.coord_ranges"),
        ({"areas__0__coord_ranges__v": [1, 2]}, r"unknown axis `areas\[0\]\.coord_ranges\.v`"),
        ({"areas__1__coord_ranges": {"x": [0, 1]}}, r"`areas\[1\]\.coord_ranges` lacks the axis `y`"),
        ({"areas__1__name": "V1_like"}, "defined twice"),
        ({"areas__0__sense": "visio"}, "Did you mean 'vision'"),
        ({"senses__vision__areal": "V1"}, r"`senses\.vision\.areal`: no area named 'V1'"),
        ({"senses__vision__w_index": 2}, r"`senses\.vision\.w_index`.*w from 1 to 1; got 2"),
        ({"senses__vision__input_size": [9, 6]}, r"`senses\.vision\.input_size`.*8 sites along x"),
        ({"plasticity": {"rule": "hebb"}}, r"`plasticity\.rule`: invalid enum value 'hebb'"),
        ({"plasticity": {"weight_min": 1.0}}, r"`plasticity\.weight_min` lies below `plasticity\.weight_max`; got 1 and 1"),
        ({"plasticity": {"learning_rate": -0.1}}, r"`plasticity\.learning_rate` is at least 0; got -0\.1"),
        ({"plasticity": {"weight_max": 0.0, "homeostatic": {}}}, r"`plasticity\.weight_max` is more than 0"),
        ({"plasticity": {"homeostatic": {"time_window": 0}}}, r"`plasticity\.homeostatic\.time_window` is at least 1"),
        ({"plasticity": {"metaplasticity": {"bcm_tau": 0}}}, r"`plasticity\.metaplasticity\.bcm_tau` is more than 0"),
        ({"plasticity": {"short_term": {"default_type": "balanced"}}}, r"`plasticity\.short_term\.default_type`: invalid enum value"),
        ({"plasticity": {"short_term": {"facilitation_fraction": 1.2}}}, "facilitation_fraction` lies between 0 and 1"),
        ({"neuromodulation": {"dopamine": {"baseline": 2}}}, r"`neuromodulation\.dopamine\.baseline` lies between 0 and 1"),
        ({"neuromodulation": {"serotonin": {"decay_rate": 0}}}, r"`neuromodulation\.serotonin\.decay_rate` is more than 0"),
        ({"cell_lifecycle": {"max_age": 0}}, r"`cell_lifecycle\.max_age` is at least 1"),
    ],
)
def test_mistakes(write, changes, text):
    with pytest.raises(ConfigError, match=rf"brain\.json: .*{text}"):
        read_config(write(changed(**changes)))


@pytest.mark.parametrize("key", ["lattice_shape", "neuron_model", "cell_lifecycle", "plasticity", "senses", "areas"])
def test_required(write, key):
    config = changed()
    del config[key]
    with pytest.raises(ConfigError, match=f"missing required field `{key}`"):
        read_config(write(config))


def test_parameters_out_of_range_are_refused(write):
    with pytest.raises(ValueError, match=r"LIF\.tau"):
        n4.load_config(write(changed(neuron_model__params_default__tau_m=0.0)))
    with pytest.raises(ValueError, match="v_th must lie above v_reset"):
        n4.load_config(write(changed(neuron_model__params_default__v_threshold=-80.0)))


@pytest.mark.parametrize(
    ("content", "name", "text"),
    [
        ('{"areas": [], "areas": []}', "a.json", "'areas' is written twice"),
        ('{"areas": [NaN]}', "a.json", "finite numbers; got NaN"),
        ('{"areas": [}', "a.json", "line 1, column 12: not JSON"),
        ("[" * 100_000, "a.json", "nested too deeply"),
        ("[1]", "a.json", "expected an object"),
        ("a = 1\na = 2", "a.toml", "not TOML"),
        ("a: 1", "a.yaml", r"ends in \.json or \.toml"),
    ],
)
def test_not_a_configuration(write, content, name, text):
    with pytest.raises(ConfigError, match=text):
        read_config(write(content, name))


def test_infinity_in_toml(write):
    toml = "lattice_shape = [2, 2, 2, 2]\nareas = []\nsenses = {}\nplasticity = {}\ncell_lifecycle = {}\n"
    toml += "[neuron_model.params_default]\ntau_m = inf\n"
    with pytest.raises(ConfigError, match=r"`neuron_model\.params_default\.tau_m` is a finite number"):
        read_config(write(toml, "brain.toml"))


def test_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "absent.json")):
        read_config(tmp_path / "x" / ".." / "absent.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ConfigError, match="not a regular file"):
        read_config(tmp_path / "folder.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_config(tmp_path / "bytes.json")


def parts(rule):
    """The rules that a rule is made of, by class."""
    inner = rule.rules if isinstance(rule, n4.Combined | n4.Mixed) else ((rule.rule,) if isinstance(rule, n4.Modulated) else ())
    return {type(rule).__name__: rule} | {name: each for part in inner for name, each in parts(part).items()}


def rule_of(write, **blocks):
    """The one rule that all synapses of a configuration share."""
    network = n4.load_config(write(changed(**blocks)))
    (rule,) = {id(projection.plasticity): projection.plasticity for projection in network.projections}.values()
    return rule


def test_hebbian(write):
    rule = rule_of(write, plasticity={"learning_rate": 0.02, "weight_min": -0.5, "weight_max": 0.7, "weight_decay": 3e-4})
    assert isinstance(rule, n4.Hebbian)
    assert (rule.rate, rule.low, rule.high, rule.decay) == pytest.approx((0.02, -0.5, 0.7, 3e-4))


def test_all_rules(write):
    plasticity = {"learning_rate": 0.02, "weight_max": 2.0, "homeostatic": {"target_rate": 4, "time_window": 500, "scaling_rate": 0.1}}
    plasticity |= {"metaplasticity": {"bcm_tau": 300, "bcm_target_rate": 7}, "short_term": {"facilitation_fraction": 0.25}}
    neuromodulation = {"dopamine": {"baseline": 0.4, "learning_rate_modulation": 2.5}}
    rule = rule_of(write, plasticity=plasticity, neuromodulation=neuromodulation)
    found = parts(rule)
    assert [type(each).__name__ for each in rule.rules] == ["Modulated", "Homeostasis", "Mixed"]
    assert [type(each).__name__ for each in found["Modulated"].rule.rules] == ["Hebbian", "BCM"]
    assert (found["Modulated"].strength, found["Modulated"].baseline, found["Modulated"].by) == (2.5, 0.4, "dopamine")
    bcm, scaling, kinds = found["BCM"], found["Homeostasis"], found["Mixed"]
    assert (bcm.limits(), bcm.eta, bcm.rate, bcm.tau_theta) == ((-1, 2), 0.01, 7, 300)
    assert (scaling.limits(), scaling.rate, scaling.tau, scaling.tau_rate, scaling.every) == ((-1, 2), 4, 5000, 500, 50)
    assert kinds.shares == (0.25, 0.75) and kinds.rules[0].tau_fac > kinds.rules[0].tau_rec and kinds.rules[1].tau_fac < kinds.rules[1].tau_rec


@pytest.mark.parametrize(("kind", "use"), [("facilitation", 0.15), ("depression", 0.6)])
def test_one_kind_of_release(write, kind, use):
    rule = rule_of(write, plasticity={"learning_rate": 0.0, "weight_decay": 0.0, "short_term": {"default_type": kind}})
    assert isinstance(rule, n4.TsodyksMarkram) and rule.use == use


def test_what_is_disabled_is_not_built(write):
    off = {"enabled": False}
    network = n4.load_config(write(changed(plasticity=off | {"short_term": {}, "homeostatic": {}}, neuromodulation=off, cell_lifecycle=off)))
    assert all(projection.plasticity is None for projection in network.projections)
    assert all(list(population.receptors) == ["in"] and population.alive is None for population in network.populations)
    assert [stimulus.name for stimulus in network.stimuli] == ["vision"]
    inner = {"enabled": True, "homeostatic": off, "metaplasticity": off, "short_term": off}
    assert isinstance(rule_of(write, plasticity=inner), n4.Hebbian)


def lived(write, milliseconds, probability=0.0, density=0.3, plasticity=None, growth=None, **cells):
    """A brain of one area without senses, its state at the beginning, and after a time."""
    config = changed(senses={}, areas=CALM["areas"][1:], cell_lifecycle=cells, plasticity=plasticity or {"enabled": False})
    network = n4.load_config(write(config), density=density, probability=probability, **(growth or {}))
    model = network.build(dt=1 * u.ms, seed=0)
    start = model.init(jax.random.key(0))
    return model, start, n4.simulate(model, start, milliseconds * u.ms, progress=False).state


@pytest.mark.slow
def test_neurons_live_and_die(write):
    """Older than 150 steps, neurons die at the step 200, and their children at 400: the second generation lives, with parameters of its own. Where short-term
    plasticity says what a spike releases, it is the strength of a synapse that changes from parent to child, within its bounds."""
    plasticity = {"learning_rate": 0.0, "weight_decay": 1e-9, "weight_min": 0.0, "short_term": {"default_type": "depression"}}
    cells = {"max_age": 150, "health_decay_per_step": 1e-4, "mutation_std_params": 0.02, "mutation_std_weights": 0.01}
    model, start, state = lived(write, 420, plasticity=plasticity, probability=0.3, density=0.8, **cells)
    life, size = state.life["Digital_sensor"], model.n_neurons
    assert (np.asarray(life.generation) == 2).all() and (np.asarray(life.age) == 0).all() and int(life.deaths) == 2 * size
    tau = np.asarray(life.parameters["tau"])
    assert len(np.unique(tau)) == size and tau.std() / 10 == pytest.approx(0.02 * np.sqrt(2), rel=0.5)
    for name, held in state.edges.items():
        before, after = (np.asarray(each.edges[name].variables["1.strength"]) for each in (start, state))
        moved = (after - before)[(before > 0.1) & (after > 0)]
        assert len(moved) > 100 and moved.std() == pytest.approx(0.01 * np.sqrt(2), rel=0.3) and (after >= 0).all()
        np.testing.assert_allclose(held.weight, 0.6 * after, rtol=1e-4)  # U of what is there: no spike has used any


@pytest.mark.slow
def test_a_brain_grows(write):
    """Without reproduction and with division, a third of the neurons become more, and none lives where there is no place."""
    growth = {"alive": 0.3, "age": n4.Uniform(0 * u.ms, 99 * u.ms), "division_rate": 5 * u.Hz, "radius": 150 * u.um}
    model, start, state = lived(write, 300, density=0.8, growth=growth, enable_reproduction=False)
    first, last = (int(np.asarray(each.alive["Digital_sensor"]).sum()) for each in (start, state))
    assert first == round(0.3 * model.n_neurons) < last <= model.n_neurons
    assert last - first == int(state.life["Digital_sensor"].births) and int(state.life["Digital_sensor"].deaths) == 0


def test_growth_needs_a_life_cycle(write):
    with pytest.raises(ValueError, match="enable_death"):
        n4.load_config(write(CALM), alive=0.5)
    for share in (0, 1.5, True):
        with pytest.raises(ValueError, match=r"alive=0\.5"):
            n4.load_config(write(changed(cell_lifecycle={})), alive=share)


def test_neuromodulators(write):
    levels = {"serotonin": {"inhibition_strength": 0.7, "decay_rate": 0.05}, "norepinephrine": {"baseline": 0.3, "gain_modulation": 1.5}}
    path = write(changed(neuromodulation=levels))
    ports = n4.load_config(path).populations[0].receptors
    assert list(ports) == ["in", "dopamine", "serotonin", "norepinephrine"]
    assert (ports["serotonin"].inhibition, float(ports["serotonin"].tau)) == ((("in", 0.7),), pytest.approx(20))
    assert (ports["norepinephrine"].gain, float(ports["norepinephrine"].baseline)) == ((("in", 1.5),), 0.3)
    config = read_config(path)
    assert release(config, "dopamine", 0.2) == {"dopamine-V1_like": 0.2, "dopamine-Digital_sensor": 0.2}
    with pytest.raises(KeyError, match="Did you mean 'dopamine'"):
        release(config, "dopamin", 0.2)
    with pytest.raises(ValueError, match="no neuromodulation"):
        release(read_config(write(CALM)), "dopamine", 0.2)


def test_config_is_immutable(write):
    config = read_config(write(CALM))
    assert isinstance(config, BrainConfig)
    with pytest.raises(AttributeError):
        config.dimensions = 3
