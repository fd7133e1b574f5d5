"""Several host devices, in a process of its own: prints what differs from single runs, by case."""

import sys

import jax
import jax.random as jr
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from test_transforms import BACKENDS, DT, differing, lane, one_kind, three_kinds

import neuro4d as n4

STEPS, LANES = 20, 4


def cases(model, keys):
    """Final state and spikes of every lane, by how they were divided among devices."""

    def scan(model, state):
        return n4.scan(model, state, STEPS, lambda state, spikes: spikes.words)

    def from_keys(keys):
        return jax.vmap(lambda key: scan(model, model.init(key)))(keys)

    def stepped(state):
        return jax.vmap(lambda state: model.step(state)[0])(state)

    plain = jax.make_mesh((2,), ("lanes",), axis_types=(AxisType.Auto,))
    mapped = jax.jit(jax.shard_map(from_keys, mesh=plain, in_specs=P("lanes"), out_specs=P("lanes")))
    divided = jax.device_put(keys, NamedSharding(plain, P("lanes")))
    yield "shard_map", mapped(keys)
    yield "batch", batch(model, divided)
    # Loops of one program for all lanes end together, which two devices of a busy host may miss: one device for these.
    for size in (1, 2):
        explicit = jax.make_mesh((size,), ("lanes",), axis_types=(AxisType.Explicit,), devices=jax.devices()[:size])
        with jax.set_mesh(explicit):
            divided = jax.device_put(keys, NamedSharding(explicit, P("lanes")))
            if size == 2:
                yield "explicit axes, batch", batch(model, divided)
                yield "explicit axes, shard_map", jax.jit(jax.shard_map(from_keys, in_specs=P("lanes"), out_specs=P("lanes")))(divided)
                continue
            yield "explicit axes", jax.jit(from_keys)(divided)
            start, step = jax.vmap(model.init)(divided), jax.jit(stepped)
            for _ in range(STEPS):
                start = step(start)
            yield "explicit axes, steps", (start, None)


def batch(model, keys):
    runs = n4.batch(model, keys, STEPS * DT, [n4.Spikes(), n4.Counts()], progress=False)
    states = [jax.device_get(run.state) for run in runs]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *states), None


def main(name):
    keys = jr.split(jr.key(0), LANES)
    native, plain = BACKENDS
    model = {"one": lambda: one_kind(native), "one, plain": lambda: one_kind(plain), "three": lambda: three_kinds(native)}[name]()
    single = jax.jit(lambda model, key: n4.scan(model, model.init(key), STEPS, lambda state, spikes: spikes.words))
    expected = [jax.device_get(single(model, key)) for key in keys]
    for case, (state, words) in cases(model, keys):
        state, words = jax.device_get((state, words))
        wrong = [where for i in range(LANES) for where in differing(lane(state, i), expected[i][0])]
        if words is not None:
            wrong += [where for i in range(LANES) for where in differing(lane(words, i), expected[i][1])]
        print(case, "same" if not wrong else wrong)


if __name__ == "__main__":
    main(sys.argv[1])
