"""Write resize.txt: what Pillow's resize gives for many odd sizes.

Needs Pillow 11.3.0:  python3 tests/golden/resize.py >tests/golden/resize.txt

Each line is a case: channels, filter, the sizes from and to, and the FNV-1a
hash of Pillow's bytes.  The input of case n, and its C twin in
tests/unit/test_resize.c, is a linear congruential generator's high bytes,
every third case with flat areas of 0 and 255 so that sums overshoot.
"""

import random

import PIL
from PIL import Image

assert PIL.__version__ == "11.3.0", PIL.__version__

FILTERS = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}


def fill(size, seed, flat):
    state, out = seed, bytearray()
    while len(out) < size:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        byte = state >> 56
        if flat:
            out += bytes([255 if byte & 1 else 0]) * (1 + byte % 7)
        else:
            out.append(byte)
    return bytes(out[:size])


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def sizes():
    draw = random.Random(7)
    yield from [
        (1, 1, 1, 1), (1, 1, 9, 7), (2, 2, 1, 1), (3, 1, 5, 4), (1, 3, 4, 5),
        (5, 5, 5, 9), (5, 5, 9, 5), (28, 28, 48, 48), (37, 41, 224, 224),
        (500, 3, 7, 3), (3, 500, 3, 7), (640, 480, 31, 23), (99, 101, 33, 35),
        (1031, 17, 5, 40), (17, 1031, 40, 5), (257, 255, 256, 256),
        (3000, 2, 1, 1),
    ]
    for _ in range(43):
        yield tuple(draw.randint(1, 130) for _ in range(4))


seed = 0
for case in sizes():
    for channels in (1, 3):
        for name in ("bicubic", "bilinear"):
            w, h, to_w, to_h = case
            data = fill(w * h * channels, seed, seed % 3 == 2)
            mode = "RGB" if channels == 3 else "L"
            out = Image.frombytes(mode, (w, h), data).resize(
                (to_w, to_h), FILTERS[name])
            print(channels, name, w, h, to_w, to_h, "%016x" % fnv(out.tobytes()))
            seed += 1
