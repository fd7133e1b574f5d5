#!/usr/bin/env bash
# One virtual environment per peer simulator, because their requirements exclude each other (Brian2 needs numpy < 2.4).
#
#   benchmarks/peers/setup.sh [nest|brian2|brainpy|torch|spyx|all] [DIR]
#
# DIR is .peers in the repository unless given. PYTHON chooses the interpreter (3.11 or later). A peer that is already
# there is checked and left alone. Afterwards DIR/<peer>/bin/python runs that peer. `torch` holds snnTorch and SpikingJelly.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
which=${1:-all}
dir=${2:-$repository/.peers}
python=${PYTHON:-python3}

declare -A needs=(
  [nest]="nest-simulator==3.10.0"
  [brian2]="brian2>=2.9,<3 numpy<2.4 setuptools<81"          # setuptools: compiling at run time, not part of Python 3.12's venv
  [brainpy]="brainpy>=2.8.2,<3 brainevent==0.2.1 numba>=0.60" # numba: the event-driven CPU kernels of brainevent
  [torch]="torch==2.13.0 snntorch==1.0.0 loguru>=0.7,<1 numpy scipy tqdm matplotlib h5py requests packaging"
  [spyx]="spyx==1.0.0"
)
# SpikingJelly asks for torchvision, torchaudio and tensorboard too. Only its data sets, models and logs need them, and torchvision has to be
# built for the very same torch; what it really needs here is in the list above.
declare -A without_requirements=([torch]="spikingjelly==2.0.0")
declare -A tries=(
  [nest]="import nest; nest.verbosity = nest.VerbosityLevel.ERROR; n = nest.Create('iaf_psc_exp', params={'I_e': 500.0}); nest.Simulate(50.0); print('nest', nest.__version__)"
  [brian2]="import brian2 as b; print('brian2', b.__version__)"
  [brainpy]="import brainpy, brainpy.state, brainevent, jax.numpy as jnp
m = brainevent.CSR((jnp.ones(2), jnp.array([1, 0]), jnp.array([0, 1, 2])), shape=(2, 2))
(brainevent.BinaryArray(jnp.array([1.0, 0.0])) @ m).block_until_ready(); print('brainpy', brainpy.__version__, 'brainevent', brainevent.__version__)"
  [torch]="import torch, snntorch, importlib.metadata as m
from spikingjelly.activation_based import functional, neuron
snntorch.Leaky(beta=0.9)(torch.ones(1, 1)); neuron.LIFNode(step_mode='m')(torch.ones(2, 1, 1))
print('torch', torch.__version__, 'snntorch', snntorch.__version__, 'spikingjelly', m.version('spikingjelly'))"
  [spyx]="import spyx, jax, jax.numpy as jnp; from flax import nnx; from spyx import nn
nn.run(nn.Sequential(nn.LIF((1,), beta=0.9, rngs=nnx.Rngs(0))), jnp.ones((2, 1, 1))); print('spyx', spyx.__version__, 'jax', jax.__version__)"
)

usage() { echo "usage: $0 [nest|brian2|brainpy|torch|spyx|all] [DIR]; got '$which'" >&2; exit 2; }
case $which in
  nest | brian2 | brainpy | torch | spyx) peers=("$which") ;;
  all) peers=(nest brian2 brainpy torch spyx) ;;
  *) usage ;;
esac

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "the peers need Python 3.11 or later; set PYTHON, got $("$python" --version)" >&2; exit 2; }
mkdir -p "$dir"
echo '*' > "$dir/.gitignore"
echo 'torch==2.13.0' > "$dir/constraints.txt" # should a peer ask for torch, it gets this version only

for peer in "${peers[@]}"; do
  env=$dir/$peer
  [ -x "$env/bin/python" ] || "$python" -m venv "$env"
  # shellcheck disable=SC2086  # the requirements are a list of words
  "$env/bin/python" -m pip install --quiet --constraint "$dir/constraints.txt" ${needs[$peer]}
  if [ -n "${without_requirements[$peer]:-}" ]; then
    # shellcheck disable=SC2086
    "$env/bin/python" -m pip install --quiet --no-deps ${without_requirements[$peer]}
  fi
  JAX_PLATFORMS=cpu "$env/bin/python" -W ignore -c "${tries[$peer]}" | tail -n 1
done
