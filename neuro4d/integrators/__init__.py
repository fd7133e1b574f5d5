"""L2: one step of a differential equation, deterministic or with noise, for neurons of one's own."""

from neuro4d.integrators._deterministic import euler as euler
from neuro4d.integrators._deterministic import exponential_euler as exponential_euler
from neuro4d.integrators._deterministic import heun as heun
from neuro4d.integrators._deterministic import linear as linear
from neuro4d.integrators._deterministic import rk4 as rk4
from neuro4d.integrators._exprel import exprel as exprel
from neuro4d.integrators._stochastic import euler_maruyama as euler_maruyama
from neuro4d.integrators._stochastic import stochastic_heun as stochastic_heun
