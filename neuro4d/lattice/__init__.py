"""L1: places. Lattices of any number of axes, areas, seeded placement, distances, Morton order."""

from neuro4d.lattice._checks import check_fraction as check_fraction
from neuro4d.lattice._lattice import Area as Area
from neuro4d.lattice._lattice import Lattice as Lattice
from neuro4d.lattice._lattice import Placement as Placement
from neuro4d.lattice._metric import displacement as displacement
from neuro4d.lattice._metric import distance as distance
from neuro4d.lattice._metric import square_distance as square_distance
from neuro4d.lattice._morton import AccessPattern as AccessPattern
from neuro4d.lattice._morton import access_pattern as access_pattern
from neuro4d.lattice._morton import locality as locality
from neuro4d.lattice._morton import morton_code as morton_code
from neuro4d.lattice._morton import morton_order as morton_order
from neuro4d.lattice._regions import AbstractRegion as AbstractRegion
from neuro4d.lattice._regions import Box as Box
from neuro4d.lattice._regions import Mask as Mask
