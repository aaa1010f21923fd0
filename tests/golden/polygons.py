"""Write polygons.txt: which pixels' centres matplotlib finds in polygons.

Needs matplotlib 3.10.0, numpy 2.2.6 and pycocotools 2.0.11:
    python3 tests/golden/polygons.py >tests/golden/polygons.txt

A line is: width, height, polygons as x,y,x,y,... with ; between, and the
mask's bits row by row.  No place has a coordinate that could put a centre on
a line, so the answer does not depend on whose the line is.

Standard error says how far pycocotools is from that rule: it draws the
line on a grid five times finer, so pixels that the line cuts may differ.
"""

import random
import sys

import numpy
from matplotlib.path import Path
from pycocotools import mask as coco

draw = random.Random(7)
most = 0


def inside(w, h, polygon):
    y, x = numpy.mgrid[:h, :w]
    centres = numpy.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1)
    path = Path(numpy.array(polygon + polygon[:1]), closed=True)
    return path.contains_points(centres).reshape(h, w)


def place(w, h, beyond):
    # odd hundredths are never halves, and sums of few lines rarely are
    return (draw.randint(-beyond * 50, (w + beyond) * 50) / 50 + 0.01,
            draw.randint(-beyond * 50, (h + beyond) * 50) / 50 + 0.01)


def perimeter(polygon):
    return sum(((a - c) ** 2 + (b - d) ** 2) ** 0.5 for (a, b), (c, d) in
               zip(polygon, polygon[1:] + polygon[:1]))


for case in range(60):
    w, h = draw.randint(1, 30), draw.randint(1, 30)
    beyond = 0 if case < 30 else 6
    polygons = [[place(w, h, beyond) for _ in range(draw.randint(3, 9))]
                for _ in range(1 if case % 3 else draw.randint(1, 3))]
    m = numpy.zeros((h, w), bool)
    for polygon in polygons:
        m |= inside(w, h, polygon)
    print(w, h, ";".join(",".join(f"{v:.2f}" for p in q for v in p)
                         for q in polygons),
          "".join(map(str, m.astype(int).ravel())))
    if beyond == 0 and len(polygons) == 1:
        flat = [v for p in polygons[0] for v in p]
        runs = coco.frPyObjects([flat], h, w)[0]
        differ = (coco.decode(runs).astype(bool) != m).sum()
        most = max(most, differ / perimeter(polygons[0]))
print(f"pycocotools: at most {most:.2f} pixels differ for one pixel of line",
      file=sys.stderr)
