"""A program: deliver a few large cases and print a digest of the sums. Run under different processor affinities by the tests."""

import hashlib

import jax
import numpy as np
from delivery_cases import make

from neuro4d.kernels import deliver_native, native_available


def main():
    if not native_available():
        raise SystemExit("the CPU handlers are not built")
    call = jax.jit(deliver_native)
    digest = hashlib.sha256()
    for number in range(20):
        rng = np.random.default_rng(number)
        case = make(
            rng, n_source=500, n_blocks=2 + number % 5, width=900, mean=300, rate=0.5, weights=np.float16 if number % 3 == 0 else np.float32
        )
        digest.update(np.asarray(call(*case)[0]).tobytes())
    batch = jax.jit(jax.vmap(deliver_native, in_axes=(0, *[None] * 7, 0)))
    steps = np.arange(6, dtype=np.uint32)
    digest.update(np.asarray(batch(steps, *case[1:8], np.stack([case.acc] * 6))[0]).tobytes())
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
