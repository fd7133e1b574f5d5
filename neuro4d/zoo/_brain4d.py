"""A brain in four dimensions that senses, learns and grows: the whole configuration of 4D-Neural-Cognition."""

from collections.abc import Sequence
from importlib import resources

import brainunit as u
import msgspec
import numpy as np
from jaxtyping import Float

from neuro4d._base import Uniform, check_count, lookup
from neuro4d.io import BrainConfig, load_config, read_config
from neuro4d.network import Network
from neuro4d.senses import Audition, Digital, Smell, Taste, Touch, Vestibular, Vision, senses_of
from neuro4d.stimuli import WhiteNoise

FRAME = 50
"""Steps for which what there is to sense stays the same."""

SOUND = 16_000
TEXT = "The quick brown fox jumps over the lazy dog. "
"""What the sense for data reads, letter by letter."""


def brain4d(density: float = 0.05, probability: float = 0.02, *, senses: Sequence[str] | None = None) -> Network:
    """Seven areas with a sense each on a 20 x 20 x 20 x 20 lattice, with all that the configuration of 4D-Neural-Cognition asks for, unchanged.

    | | |
    |---|---|
    | neurons | leaky integrate-and-fire, threshold 15 mV above rest; places at random in each area, half of which live at the beginning |
    | synapses | everywhere at random, 0.1 mV with a sd of 0.05 mV, between -1 and 1 mV |
    | plasticity | Hebbian with decay, a sliding threshold, scaling to 5 Hz, short-term facilitation (30 %) and depression |
    | neuromodulation | dopamine, serotonin, norepinephrine at every neuron, released through inputs (`n4.io.release`) |
    | life | death after 9 s for lack of health, a child in the place of each, which differs a little |

    What the file does not say: a background of normally distributed current, 10 pA with a sd of 22 pA in each step, so that neurons fire at some Hz; ages between 0 and 9 s at
    the beginning; and growth, 0.1 divisions per second for neurons that fire at 2 Hz or more, with children within 150 um (three sites).

    **Arguments:**

    - `density`: places for neurons per site.
    - `probability`: that two neurons are connected.
    - `senses`: which senses are there with their areas, in this order: `"vision"`, `"audition"`, `"somatosensory"`, `"taste"`, `"smell"`, `"vestibular"`, `"digital"`; by default all.

    **Returns:** a `Network`. Run it with `dt = 1 ms`, and with `brain4d_world` for what it senses.

    **Raises:** `KeyError` for a sense that there is not, `ValueError` for a density or a probability out of range.

    **Reference:** measured with neuro4d itself, by `benchmarks/brain4d.py`: in a minute the brain grows from half of its 1,880 places to 98 % of them, up to the tenth generation, and its
    rate from 7 to 20 Hz, since neurons whose threshold lies near rest have more children.

    **Source:** the base model of 4D-Neural-Cognition (T. Heisig, 2025).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> net = n4.zoo.brain4d(senses=("taste", "smell"))
        >>> [population.name for population in net.populations]
        ['Gustatory_like', 'Olfactory_like']
    """
    config = _chosen(brain4d_config(), senses)
    last = 0.9 / config.cell_lifecycle.health_decay_per_step
    network = load_config(
        config,
        density=density,
        probability=probability,
        alive=0.5,
        age=Uniform(0 * u.ms, last * u.ms),
        division_rate=0.1 * u.Hz,
        division_above=2 * u.Hz,
        radius=150 * u.um,
    )
    return network.add(*(WhiteNoise(f"background-{area.name}", area, mean=10 * u.pA, std=22 * u.pA) for area in network.populations))


def brain4d_world(network: Network, step: int, steps: int = 250) -> dict[str, Float[np.ndarray, "steps ..."]]:
    """What the senses of `brain4d` take in during some steps: a bar that moves, a tone that rises, a touch that wanders, tastes, odours, a turning head, a text.

    **Arguments:** `network`: from `brain4d`. `step`: the first step, a multiple of 50. `steps`: how many, a multiple of 50.

    **Returns:** a series for each sense, `inputs` of `simulate`; it changes every 50 steps and depends on the step alone, so that pieces fit together.

    **Raises:** `TypeError`, `ValueError` for numbers that are no multiples of 50.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> net = n4.zoo.brain4d(senses=("vestibular",))
        >>> n4.zoo.brain4d_world(net, step=100, steps=50)["vestibular"].shape
        (50, 5, 5, 20, 1)
    """
    for name, value in (("step", check_count(step, "brain4d_world: step", low=0)), ("steps", check_count(steps, "brain4d_world: steps"))):
        if value % FRAME:
            raise ValueError(f"brain4d_world: {name} is a multiple of {FRAME}, the time of a frame in steps; got {value}.")
    frames = range(step // FRAME, (step + steps) // FRAME)
    return {name: np.concatenate([_sensed(sense, frame) for frame in frames]) for name, sense in senses_of(network).items()}


def brain4d_config() -> BrainConfig:
    """The configuration of `brain4d`, as it was read: for `n4.io.release`, and for `n4.load_config` with other numbers.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.zoo.brain4d_config().plasticity.learning_rate
        0.001
    """
    with resources.as_file(resources.files("neuro4d.zoo") / "data" / "brain4d.json") as path:
        return read_config(path)


def _chosen(config: BrainConfig, senses: Sequence[str] | None) -> BrainConfig:
    """The configuration with some of its senses and their areas."""
    if senses is None:
        return config
    if isinstance(senses, str) or not senses:
        raise ValueError(f'brain4d: senses are one name or more, for example `senses=("vision", "audition")`; got {senses!r}.')
    kept = {name: lookup(config.senses, name, "sense") for name in senses}
    areas = tuple(area for area in config.areas if area.sense in kept)
    return msgspec.structs.replace(config, senses=kept, areas=areas)


def _sensed(sense: object, frame: int) -> Float[np.ndarray, "..."]:
    """The currents of a sense during a frame, in mV strong enough for its neurons to fire."""
    columns, rows = sense.shape if isinstance(sense, Vision | Touch | Smell) else (0, 0)
    x, y = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    match sense:
        case Vision():
            return sense.feed(40.0 * (np.abs(x - frame % columns) < 2), hold=FRAME)
        case Audition():
            times = np.arange(SOUND * FRAME // 1000) / SOUND
            pitch = float(np.geomspace(250, 7000, 20)[frame % 20])
            return sense.feed(40 * np.sin(2 * np.pi * pitch * times[: SOUND // 25]), rate=SOUND * u.Hz, hold=FRAME)
        case Touch():
            turn = 2 * np.pi * frame / 40
            place = (columns / 2 + columns / 3 * np.cos(turn), rows / 2 + rows / 3 * np.sin(turn))
            return sense.feed(50 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 8), hold=FRAME)
        case Taste():
            return sense.feed({Taste.qualities[frame // 20 % 5]: 40.0}, hold=FRAME)
        case Smell():
            return sense.feed(40.0 * (np.random.default_rng(frame // 20 % 4).random(columns * rows) < 0.3), hold=FRAME)
        case Vestibular():
            turn = np.sin(2 * np.pi * frame / 40 + np.arange(5))
            return 40 * sense.feed(turn, hold=FRAME)
        case Digital():
            begin = frame % len(TEXT)
            text = (TEXT * 10)[begin : begin + 400]
            return 80 * sense.feed(text, pad=True, truncate=True, hold=FRAME)
    raise TypeError(f"brain4d_world knows the senses of `brain4d`; got {sense!r}.")
