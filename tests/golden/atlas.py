"""Print how many voxels of each label real atlases give on other grids.

Needs numpy 2.1.3, nibabel 5.3.2 and Debian's mricron-data:

    python3 tests/golden/atlas.py

tests/cli/import.bats has the sums.  A place on the border of two label
voxels belongs to the higher one.
"""

import collections

import nibabel
import numpy

assert numpy.__version__ == "2.1.3", numpy.__version__
assert nibabel.__version__ == "5.3.2", nibabel.__version__

FOLDER = "/usr/share/mricron/templates/"


def cubes(volume, mm):
    size = numpy.array(volume.shape)
    linear = volume.affine[:3, :3]
    middle = linear @ ((size - 1) / 2) + volume.affine[:3, 3]
    count = numpy.floor(numpy.abs(linear) @ size / mm + 0.5).astype(int)
    affine = numpy.diag([mm, mm, mm, 1.0])
    affine[:3, 3] = middle - (count - 1) / 2 * mm
    return affine, tuple(count)


def show(volume_name, labels_name, mm=None):
    volume = nibabel.load(FOLDER + volume_name + ".nii.gz")
    labels = nibabel.load(FOLDER + labels_name + ".nii.gz")
    data = numpy.asanyarray(labels.dataobj)
    affine, size = cubes(volume, mm) if mm else (volume.affine, volume.shape)
    to_labels = numpy.linalg.inv(labels.affine) @ affine
    at = to_labels[:3, :3] @ numpy.indices(size).reshape(3, -1)
    at = numpy.floor(at + to_labels[:3, 3:] + 0.5 + 1e-6).astype(int)
    limit = numpy.array(data.shape)[:, None]
    at = at[:, numpy.all((at >= 0) & (at < limit), 0)]
    counts = collections.Counter(data[tuple(at)].tolist())
    del counts[0]
    print(volume_name, labels_name, mm, len(counts), sum(counts.values()),
          sorted(counts.items()))


show("ch2bet", "JHU-WhiteMatter-labels-2mm")
show("ch2bet", "HarvardOxford-cort-maxprob-thr0-1mm")
show("ch2bet", "aal", 2)
show("ch2better", "aal")
