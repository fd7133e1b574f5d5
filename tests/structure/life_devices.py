"""A colony on two host devices, in a process of its own: prints what differs from a single run, by case."""

import jax
import jax.random as jr
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from structure.test_lifecycle import LIVES, colony

import neuro4d as n4

STEPS, LANES = 600, 4


def cases(model, keys):
    """The final states of all lanes, by how they were divided among devices."""

    def scan(keys):
        return jax.vmap(lambda key: n4.scan(model, model.init(key), STEPS)[0])(keys)

    for kind in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((2,), ("lanes",), axis_types=(kind,))
        with jax.set_mesh(mesh):
            divided = jax.device_put(keys, NamedSharding(mesh, P("lanes")))
            yield f"{kind}, shard_map", jax.jit(jax.shard_map(scan, in_specs=P("lanes"), out_specs=P("lanes")))(divided)
            runs = n4.batch(model, divided, STEPS * model.dt, LIVES, progress=False)
            yield f"{kind}, batch", jax.tree.map(lambda *leaves: np.stack(leaves), *(jax.device_get(run.state) for run in runs))


def main():
    model, keys = colony(), jr.split(jr.key(0), LANES)
    single = jax.device_get(n4.simulate(model, keys[2], STEPS * model.dt, LIVES, progress=False).state)
    for name, states in cases(model, keys):
        pairs = zip(jax.tree_util.tree_leaves_with_path(single), jax.tree.leaves(jax.device_get(states)), strict=True)
        for (path, x), y in pairs:
            if not np.array_equal(x, np.asarray(y)[2]):
                print(f"{name}: {jax.tree_util.keystr(path)} differs")
        print(f"{name}: compared")


if __name__ == "__main__":
    main()
