"""Write resize.txt: what Pillow's resize gives for many odd sizes, alone and
as the processors of transformers use it.

Needs Pillow 11.3.0:  python3 tests/golden/resize.py >tests/golden/resize.txt

Each line is a case: channels, filter, fit, the sizes from and to, its seed,
and the FNV-1a hash of Pillow's bytes.  The input of seed n, and its C twin in
tests/unit/test_resize.c, is a linear congruential generator's high bytes,
every third with flat areas of 0 and 255 so that sums overshoot.  Cases whose
canvas would have a side over 65,535 are left out: medvl refuses them.
"""

import random

import PIL
from PIL import Image

assert PIL.__version__ == "11.3.0", PIL.__version__

FILTERS = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}
SIDE = 65535
COLORS = {1: 7, 3: (122, 116, 104)}


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


def stretch(image, w, h, method):
    return image.resize((w, h), method)


def crop(image, w, h, method):
    """The shorter side gets its size, the middle is kept (CLIP)."""
    if image.width * h <= image.height * w:
        size = (w, image.height * w // image.width)
    else:
        size = (image.width * h // image.height, h)
    if max(size) > SIDE:
        return None
    x, y = (size[0] - w) // 2, (size[1] - h) // 2
    return image.resize(size, method).crop((x, y, x + w, y + h))


def pad(image, w, h, method):
    """In the middle of the smallest canvas of that shape (LLaVA)."""
    if image.width * h <= image.height * w:
        size = (-(-image.height * w // h), image.height)
    else:
        size = (image.width, -(-image.width * h // w))
    if max(size) > SIDE or size[0] * size[1] > 2**26:
        return None
    canvas = Image.new(image.mode, size, COLORS[len(image.getbands())])
    canvas.paste(image, ((size[0] - image.width) // 2,
                         (size[1] - image.height) // 2))
    return canvas.resize((w, h), method)


def sizes():
    draw = random.Random(7)
    yield from [
        (1, 1, 1, 1), (1, 1, 9, 7), (2, 2, 1, 1), (3, 1, 5, 4), (1, 3, 4, 5),
        (5, 5, 5, 9), (5, 5, 9, 5), (28, 28, 48, 48), (37, 41, 224, 224),
        (500, 3, 7, 3), (3, 500, 3, 7), (640, 480, 31, 23), (99, 101, 33, 35),
        (1031, 17, 5, 40), (17, 1031, 40, 5), (257, 255, 256, 256),
        (3000, 2, 1, 1), (1, 1, 336, 1), (1, 200, 24, 24), (200, 1, 24, 24),
        (1, 4097, 3, 33), (4097, 1, 33, 3), (5000, 7, 16, 16),
        (7, 5000, 16, 16), (5000, 7, 40, 90), (65535, 1, 17, 2),
        (1, 65535, 2, 17), (2, 3, 100, 150), (6, 4, 129, 64), (15, 15, 16, 16),
        (16, 16, 15, 15), (31, 33, 32, 32), (33, 31, 32, 32), (32, 64, 64, 32),
        (5, 80, 6, 80), (80, 5, 80, 6), (336, 335, 336, 336),
    ]
    for _ in range(53):
        yield tuple(draw.randint(1, 130) for _ in range(4))
    for _ in range(15):
        yield tuple(draw.randint(100, 400) for _ in range(2)) + (56, 56)


KINDS = [(1, "bicubic"), (1, "bilinear"), (3, "bilinear"), (3, "bicubic")]
seed = 0
for k, (w, h, to_w, to_h) in enumerate(sizes()):
    for i, (channels, name) in enumerate(KINDS):
        for fit in (stretch, crop, pad):
            if fit != stretch and (k + i) % 2:
                continue
            data = fill(w * h * channels, seed, seed % 3 == 2)
            mode = "RGB" if channels == 3 else "L"
            out = fit(Image.frombytes(mode, (w, h), data), to_w, to_h,
                      FILTERS[name])
            if out:
                print(channels, name, fit.__name__, w, h, to_w, to_h, seed,
                      "%016x" % fnv(out.tobytes()))
            seed += 1
