"""L9: pictures of runs. matplotlib is imported when the first picture is drawn, never at import of neuro4d."""

from neuro4d.plot._chip import chip_map as chip_map
from neuro4d.plot._cost import cost_bars as cost_bars
from neuro4d.plot._explore import Explorer as Explorer
from neuro4d.plot._explore import explore4d as explore4d
from neuro4d.plot._layered import layered as layered
from neuro4d.plot._lifetimes import lifetimes as lifetimes
from neuro4d.plot._links import chip_and_links as chip_and_links
from neuro4d.plot._links import link_load as link_load
from neuro4d.plot._plane import accuracy_energy as accuracy_energy
from neuro4d.plot._raster import raster as raster
from neuro4d.plot._rates import rates as rates
from neuro4d.plot._spectra import correlogram as correlogram
from neuro4d.plot._spectra import spectrum as spectrum
from neuro4d.plot._targets import cost_bands as cost_bands
from neuro4d.plot._traces import traces as traces
from neuro4d.plot._tuning import tuning as tuning
from neuro4d.plot._view4d import view4d as view4d
from neuro4d.plot._weights import weights as weights
from neuro4d.plot._window import stdp_window as stdp_window
