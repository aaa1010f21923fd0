"""Write volume.txt: volumes on other grids, as SciPy samples them.

Needs numpy 2.1.3, scipy 1.14.1, nibabel 5.3.2:

    python3 tests/golden/volume.py >tests/golden/volume.txt

A case is six lines: how, and the sizes of the volume and of the grid; the
volume's affine; the grid's; the volume's values, and those on the grid, the
first index fastest.  A place is outside, and 0, where it is more than half a
voxel from every voxel.  No place lies on a border.
"""

import random

import nibabel
import numpy
import scipy
from nibabel.affines import apply_affine
from nibabel.eulerangles import euler2mat
from scipy.ndimage import map_coordinates

assert numpy.__version__ == "2.1.3", numpy.__version__
assert scipy.__version__ == "1.14.1", scipy.__version__
assert nibabel.__version__ == "5.3.2", nibabel.__version__

draw = random.Random(17)


def affine(spacing, order=(0, 1, 2), flips=(1, 1, 1), degrees=(0, 0, 0),
           shear=0.0, origin=(0, 0, 0)):
    """Voxel axis i runs along the patient's axis order[i], then is turned."""
    m = numpy.zeros((3, 3))
    for i in range(3):
        m[order[i], i] = spacing[i] * flips[i]
    m[0, 2] += shear
    z, y, x = numpy.radians(degrees)
    out = numpy.eye(4)
    out[:3, :3] = euler2mat(z, y, x) @ m
    out[:3, 3] = origin
    return out


def sample(data, to_voxels, size, linear):
    grid = numpy.stack(numpy.meshgrid(*map(numpy.arange, size),
                                      indexing="ij"), -1)
    at = apply_affine(to_voxels, grid).transpose(3, 0, 1, 2)
    shape = numpy.array(data.shape).reshape(3, 1, 1, 1)
    away = numpy.min(numpy.abs(at + 0.5 - numpy.round(at + 0.5)))
    assert away > 1e-5, away
    inside = numpy.all((at >= -0.5) & (at < shape - 0.5), 0)
    out = map_coordinates(data, at, order=1 if linear else 0, mode="nearest")
    return numpy.where(inside, out, 0)


def show(values):
    print(*("%.9g" % v for v in values))


def case(size, at, grid_size, grid_at, linear):
    data = numpy.array([draw.randint(0, 999) for _ in range(
        size[0] * size[1] * size[2])], float).reshape(size, order="F")
    out = sample(data, numpy.linalg.inv(at) @ grid_at, grid_size, linear)
    print("linear" if linear else "nearest", *size, *grid_size)
    show(at[:3].flatten())
    show(grid_at[:3].flatten())
    show(data.flatten(order="F"))
    show(out.flatten(order="F"))


PLACES = [
    affine((1, 1, 1)),
    affine((1, 1, 1), flips=(-1, 1, -1), origin=(4, 0, 5)),
    affine((0.7, 0.7, 2.5), origin=(-1.3, 0.4, -2.2)),
    affine((1.2, 0.8, 2), order=(2, 0, 1), flips=(1, -1, 1),
           origin=(6, 1, -1)),
    affine((1, 1.1, 1.3), order=(1, 2, 0), origin=(0.3, -0.2, 0.1)),
    affine((0.9, 0.9, 3), degrees=(17, 0, 0), origin=(1, -1, 0)),
    affine((1, 1, 1.5), degrees=(0, 17, 0), order=(0, 2, 1),
           flips=(1, 1, -1), origin=(0, 1, 6)),
    affine((0.8, 1.2, 2), degrees=(5, -8, 17), flips=(-1, -1, 1),
           origin=(5, 6, -1)),
    affine((0.8, 0.8, 1.6), shear=0.55, origin=(-0.5, 0, 0)),
]

for n, place in enumerate(PLACES):
    cubes = affine((1.25, 1.25, 1.25), origin=(-0.61, -0.37, -0.83))
    half = affine((2, 2, 2), degrees=(0, 0, 17 * (n % 2)),
                  origin=(0.26, 0.41, 0.17))
    for linear in (True, False):
        case((6, 5, 4), place, (6, 5, 7), cubes, linear)
        case((3, 3, 3), half, (6, 5, 4), place @ affine(
            (1, 1, 1), origin=(0.013, 0.007, 0.011)), linear)
