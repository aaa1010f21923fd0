"""Write tests/golden/pictures/: small PNG and JPEG files of every kind that
is read, and pictures.txt with what they must decode to.

Needs Pillow 11.3.0:  python3 tests/golden/pictures.py

A line is: file, width, height, channels, depth, FNV-1a hash of the samples
(16 bits: low byte first).  PNG files are written here by hand, so that what
they hold is known; JPEG files hold what Pillow decodes.
"""

import io
import os
import random
import struct
import zlib

import PIL
from PIL import Image, ImageOps

assert PIL.__version__ == "11.3.0", PIL.__version__

OUT = os.path.join(os.path.dirname(__file__), "pictures")
lines = []


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def chunk(name, data):
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def pack_row(samples, depth):
    if depth == 16:
        return b"".join(struct.pack(">H", s) for s in samples)
    bits = "".join(format(s, "0%db" % depth) for s in samples)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
         (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(name, w, h, depth, color, pixels, expect, extra=b"", laced=False):
    """pixels: tuples of samples; expect: (channels, depth, bytes)."""
    raw = b""
    passes = ADAM7 if laced else [(0, 0, 1, 1)]
    for x0, y0, dx, dy in passes:
        for y in range(y0, h, dy):
            row = [s for x in range(x0, w, dx) for s in pixels[y * w + x]]
            if row:
                raw += b"\0" + pack_row(row, depth)
    data = (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, color, 0, 0,
                                       1 if laced else 0)) + extra +
            chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))
    save(name, data, w, h, *expect)


def save(name, data, w, h, channels, depth, samples):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)
    lines.append("%s %d %d %d %d %016x" % (name, w, h, channels, depth,
                                           fnv(samples)))


draw = random.Random(1)
W, H = 13, 9


def values(count, top):
    return [tuple(draw.randint(0, top) for _ in range(count))
            for _ in range(W * H)]


def flat(pixels, keep):
    return bytes(s for p in pixels for s in p[:keep])


for depth in (1, 2, 4):
    px = values(1, 2**depth - 1)
    png("grey%d.png" % depth, W, H, depth, 0, px,
        (1, 8, bytes(p[0] * 255 // (2**depth - 1) for p in px)))
px = values(1, 255)
png("grey8.png", W, H, 8, 0, px, (1, 8, flat(px, 1)))
png("grey8_laced.png", W, H, 8, 0, px, (1, 8, flat(px, 1)), laced=True)
px = values(1, 65535)
png("grey16.png", W, H, 16, 0, px,
    (1, 16, b"".join(struct.pack("<H", p[0]) for p in px)))
px = values(2, 255)
png("grey_alpha.png", W, H, 8, 4, px, (1, 8, flat(px, 1)))
px = values(2, 65535)
png("grey_alpha16.png", W, H, 16, 4, px,
    (1, 16, b"".join(struct.pack("<H", p[0]) for p in px)))
px = values(3, 255)
png("rgb.png", W, H, 8, 2, px, (3, 8, flat(px, 3)))
png("rgb_laced.png", W, H, 8, 2, px, (3, 8, flat(px, 3)), laced=True)
png("rgb_trns.png", W, H, 8, 2, px, (3, 8, flat(px, 3)),
    extra=chunk(b"tRNS", struct.pack(">HHH", *px[0])))
px = values(3, 65535)
png("rgb16.png", W, H, 16, 2, px,
    (3, 8, bytes(s >> 8 for p in px for s in p)))
px = values(4, 255)
png("rgba.png", W, H, 8, 6, px, (3, 8, flat(px, 3)))
table = [tuple(draw.randint(0, 255) for _ in range(3)) for _ in range(16)]
px = values(1, 15)
plte = chunk(b"PLTE", bytes(s for c in table for s in c))
want = bytes(s for p in px for s in table[p[0]])
png("palette4.png", W, H, 4, 3, px, (3, 8, want), extra=plte)
png("palette8_trns.png", W, H, 8, 3, px, (3, 8, want),
    extra=plte + chunk(b"tRNS", bytes(range(0, 160, 10))))
# EXIF in a PNG: orientation 6, its rows become columns from the right.
tiff = struct.pack("<2sHIHHHIHH", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0)
px = values(1, 255)
turned = bytes(px[(H - 1 - x) * W + y][0] for y in range(W) for x in range(H))
data = io.BytesIO()
png("grey_exif6.png", W, H, 8, 0, px, (1, 8, flat(px, 1)),
    extra=chunk(b"eXIf", tiff))
lines[-1] = "grey_exif6.png %d %d 1 8 %016x" % (H, W, fnv(turned))

source = Image.frombytes("RGB", (W, H), flat(values(3, 255), 3))
source = source.resize((W * 3 + 1, H * 3 + 2), Image.BICUBIC)


def jpeg(name, image, **options):
    data = io.BytesIO()
    image.save(data, "JPEG", **options)
    back = ImageOps.exif_transpose(Image.open(io.BytesIO(data.getvalue())))
    save(name, data.getvalue(), back.width, back.height,
         len(back.getbands()), 8, back.tobytes())


jpeg("grey.jpg", source.convert("L"))
jpeg("rgb444.jpg", source, subsampling=0)
jpeg("rgb420.jpg", source, subsampling=2)
jpeg("progressive.jpg", source, progressive=True)
for k in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = k
    jpeg("exif%d.jpg" % k, source.convert("L"), exif=exif, quality=50)
exif = Image.Exif()
exif[0x0112] = 6
jpeg("exif6_even.jpg", source.convert("L").crop((0, 0, 32, 24)), exif=exif)
# Four inks: Adobe's marker says 0 (CMYK) or 2 (YCCK), or is not there.
data = io.BytesIO()
source.convert("CMYK").save(data, "JPEG", subsampling=0)
data = data.getvalue()
at = data.index(b"\xff\xee\x00\x0eAdobe")
for name, file in (
        ("cmyk.jpg", data),
        ("ycck.jpg", data[:at + 15] + b"\2" + data[at + 16:]),
        ("cmyk_unmarked.jpg", data[:at] + data[at + 16:])):
    back = Image.open(io.BytesIO(file))
    assert back.mode == "CMYK"
    save(name, file, back.width, back.height, 3, 8,
         back.convert("RGB").tobytes())

with open(os.path.join(OUT, "pictures.txt"), "w") as f:
    f.write("\n".join(lines) + "\n")
