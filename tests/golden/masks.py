"""Write masks.txt: COCO run-length strings by pycocotools.

Needs pycocotools 2.0.11:  python3 tests/golden/masks.py >tests/golden/masks.txt

A line is: width, height, the mask's bits row by row, the string.
"""

import random

import numpy
from pycocotools import mask

draw = random.Random(3)
for case in range(40):
    w, h = draw.randint(1, 24), draw.randint(1, 24)
    if case == 0:
        m = numpy.zeros((h, w), numpy.uint8)
    elif case == 1:
        m = numpy.ones((h, w), numpy.uint8)
    elif case % 3 == 0:
        m = numpy.zeros((h, w), numpy.uint8)
        m[h // 3:h // 3 + 1 + h // 2, w // 4:w // 4 + 1 + w // 2] = 1
    else:
        share = draw.random()
        m = numpy.array([[draw.random() < share for _ in range(w)]
                         for _ in range(h)], numpy.uint8)
    print(w, h, "".join(map(str, m.flatten())),
          mask.encode(numpy.asfortranarray(m))["counts"].decode())
w, h = 300, 200
m = numpy.zeros((h, w), numpy.uint8)
m[20:180, 30:250] = 1
m[50:60] = 0
print(w, h, "-", mask.encode(numpy.asfortranarray(m))["counts"].decode())
