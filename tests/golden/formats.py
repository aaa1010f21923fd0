"""Write tests/golden/formats/: small TIFF, WebP and BMP files of every kind
that is read, and formats.txt with what they must decode to.

Needs Pillow 11.3.0, tifffile 2026.3.3, imagecodecs 2026.3.6 and numpy 2.4.6:
python3 tests/golden/formats.py

A line is: file, frame, frames, width, height (upright), channels, type,
whether the least value is white still, FNV-1a hash of the samples (low byte
first).  Where Pillow reads a file, the values are Pillow's convert("RGB") or
its grey; else what was put in.
"""

import io
import os
import random
import struct

import numpy as np
import PIL
import tifffile
from PIL import Image, ImageOps

assert PIL.__version__ == "11.3.0", PIL.__version__
assert tifffile.__version__ == "2026.3.3", tifffile.__version__

OUT = os.path.join(os.path.dirname(__file__), "formats")
W, H = 23, 17
lines = []
draw = random.Random(1)


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def noise(h, w, n, top=255):
    """Ramps with some noise: compresses, and every pixel tells its place."""
    out = np.zeros((h, w, n), np.int64)
    for y in range(h):
        for x in range(w):
            for c in range(n):
                v = (x * 9 + y * 5 * (c + 1)) % 256 * (top + 1) // 256
                out[y, x, c] = (v + draw.randint(0, 3)) % (top + 1)
    return out if n > 1 else out[:, :, 0]


GREY = noise(H, W, 1).astype(np.uint8)
RGB = noise(H, W, 3).astype(np.uint8)
RGBA = noise(H, W, 4).astype(np.uint8)
G16 = noise(H, W, 1, 65535).astype(np.uint16)
BITS = (GREY > 120).astype(np.uint8)


def line(name, frame, frames, want, inverse=0):
    """want: an array, rows first."""
    kind = {"f4": "float32", "f8": "float64"}.get(
        want.dtype.str[1:], want.dtype.name)
    channels = want.shape[2] if want.ndim == 3 else 1
    data = want.astype(want.dtype.newbyteorder("<")).tobytes()
    lines.append("%s %d %d %d %d %d %s %d %016x" % (
        name, frame, frames, want.shape[1], want.shape[0], channels, kind,
        inverse, fnv(data)))


def pillow(data):
    """The frames as this project means them."""
    image = Image.open(io.BytesIO(data))
    out = []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        one = ImageOps.exif_transpose(image)
        if one.mode in ("1", "L", "LA"):
            out.append(np.asarray(one.convert("L")))
        elif one.mode.startswith("I;16"):
            out.append(np.asarray(one).astype(np.uint16))
        elif one.mode == "F":
            out.append(np.asarray(one))
        else:
            out.append(np.asarray(one.convert("RGB")))
    return out


def save(name, data, want=None, inverse=0):
    """want: frames; None: as Pillow has them."""
    assert len(data) < 3072, (name, len(data))
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)
    want = pillow(data) if want is None else want
    for i, frame in enumerate(want):
        line(name, i, len(want), frame, inverse)


def by_pillow(name, image, want=None, form="TIFF", **options):
    data = io.BytesIO()
    image.save(data, form, **options)
    save(name, data.getvalue(), want)


def by_tifffile(name, array, want=None, inverse=0, **options):
    data = io.BytesIO()
    tifffile.imwrite(data, array, **options)
    save(name, data.getvalue(), [array] if want is None else want, inverse)


# ---- TIFF ------------------------------------------------------------------

grey, rgb = Image.fromarray(GREY), Image.fromarray(RGB)
bits = Image.fromarray(BITS * 255).convert("1")
for how in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg",
            "tiff_lzma"):
    by_pillow("grey_%s.tif" % how, grey, compression=how)
    by_pillow("rgb_%s.tif" % how, rgb, compression=how)
for how in ("raw", "tiff_ccitt", "group3", "group4"):
    by_pillow("bits_%s.tif" % how, bits, compression=how)
by_pillow("palette.tif", rgb.quantize(16))
by_pillow("cmyk.tif", rgb.convert("CMYK"), compression="tiff_lzw")
by_pillow("grey16.tif", Image.fromarray(G16))
by_pillow("rgba.tif", Image.fromarray(RGBA), compression="tiff_lzw")
for k in range(2, 9):
    by_pillow("turned%d.tif" % k, grey, tiffinfo={274: k})
by_pillow("turned6_rgb.tif", rgb, tiffinfo={274: 6}, compression="tiff_lzw")
data = io.BytesIO()
tifffile.imwrite(data, np.asarray(rgb.convert("YCbCr")), photometric="ycbcr",
                 subsampling=(1, 1), compression="zlib")
save("ycc.tif", data.getvalue())

by_tifffile("grey_zstd.tif", GREY, photometric="minisblack",
            compression="zstd")
by_tifffile("rgb_webp.tif", RGB, photometric="rgb", compression="webp",
            compressionargs={"lossless": True})
by_tifffile("big_endian.tif", G16, byteorder=">")
by_tifffile("bigtiff.tif", RGB, bigtiff=True, photometric="rgb",
            compression="zlib")
by_tifffile("bigtiff_big_endian.tif", G16, bigtiff=True, byteorder=">",
            compression="zlib", predictor=True)
by_tifffile("tiled.tif", RGB, tile=(16, 16), photometric="rgb",
            compression="zlib")
by_tifffile("tiled_grey16.tif", G16, tile=(16, 16), compression="lzw")
by_tifffile("strips.tif", RGB, rowsperstrip=5, photometric="rgb")
by_tifffile("planes.tif", RGB.transpose(2, 0, 1), [RGB], photometric="rgb",
            planarconfig="separate", rowsperstrip=4)
by_tifffile("planes_tiled.tif", RGB.transpose(2, 0, 1), [RGB],
            photometric="rgb", planarconfig="separate", tile=(16, 16),
            compression="zlib")
RGB16 = noise(H, W, 3, 65535).astype(np.uint16)
by_tifffile("rgb16.tif", RGB16, [(RGB16 >> 8).astype(np.uint8)],
            photometric="rgb", byteorder=">")
by_tifffile("white.tif", GREY, [255 - GREY], photometric="miniswhite")
by_tifffile("white16.tif", G16, inverse=1, photometric="miniswhite")
by_tifffile("bits_white.tif", BITS.astype(bool), [255 - 255 * BITS],
            photometric="miniswhite")
for depth in (2, 4):
    top = 2**depth - 1
    px = noise(H, W, 1, top).astype(np.uint8)
    by_tifffile("grey%d.tif" % depth, px, [px * (255 // top)],
                bitspersample=depth)
for depth in (10, 12, 14):
    px = noise(H, W, 1, 2**depth - 1).astype(np.uint16)
    by_tifffile("grey%d.tif" % depth, px, bitspersample=depth)
half = (noise(H, W, 1) - 100).astype(np.float16) / np.float16(8)
half[0, :4] = [np.float16(6e-8), np.float16(-3e-5), 0, 65504]
by_tifffile("float16.tif", half, [half.astype(np.float32)])
single = (noise(H, W, 1) - 100).astype(np.float32) / 7
by_tifffile("float32.tif", single)
by_tifffile("float32_predicted.tif", single, compression="zlib",
            predictor=3)
by_tifffile("float64.tif", single[:9].astype(np.float64))
by_tifffile("int8.tif", (GREY.astype(np.int64) - 128).astype(np.int8))
by_tifffile("int16.tif", (G16.astype(np.int64) - 32768).astype(np.int16),
            byteorder=">")
by_tifffile("int32.tif", (G16.astype(np.int64) * 9 - 99999).astype(np.int32))
by_tifffile("uint32.tif", G16.astype(np.uint32) * 65536)
GA = np.dstack([GREY, RGB[:, :, 0]])
by_tifffile("grey_alpha.tif", GA, [GREY], photometric="minisblack",
            extrasamples=["unassalpha"], planarconfig="contig")
data = io.BytesIO()
tifffile.imwrite(data, RGBA, photometric="rgb", extrasamples=["assocalpha"],
                 compression="zlib")
save("rgba_premultiplied.tif", data.getvalue())

pages = io.BytesIO()
with tifffile.TiffWriter(pages) as writer:
    writer.write(GREY[:9, :11], photometric="minisblack")
    writer.write(RGB[:7, :5], photometric="rgb")
    writer.write(single[:5, :6])
save("pages.tif", pages.getvalue(),
     [GREY[:9, :11], RGB[:7, :5], single[:5, :6]])

# ---- WebP ------------------------------------------------------------------

by_pillow("lossy.webp", rgb, form="WEBP", quality=80)
by_pillow("lossless.webp", rgb, form="WEBP", lossless=True)
by_pillow("lossless_alpha.webp", Image.fromarray(RGBA), form="WEBP",
          lossless=True, exact=True)
by_pillow("lossy_alpha.webp", Image.fromarray(RGBA), form="WEBP", quality=70)
for k in (3, 6):
    exif = Image.Exif()
    exif[0x0112] = k
    by_pillow("turned%d.webp" % k, rgb, form="WEBP", lossless=True,
              exif=exif)
frames = [Image.fromarray(np.roll(RGBA[:9, :11], i, 0)) for i in range(3)]
by_pillow("moving.webp", frames[0], form="WEBP", save_all=True,
          append_images=frames[1:], lossless=True)

# ---- BMP -------------------------------------------------------------------


def bmp(name, w, h, bits, rows, want, compression=0, colours=b"", head=40,
        masks=b"", extra=b"", down=False):
    """rows: the bytes of the pixels as they stand in the file."""
    if head == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        count = len(colours) // 4
        info = struct.pack("<IiiHHIIiiII", 40, w, -h if down else h, 1, bits,
                           compression, len(rows), 2835, 2835, count, 0)
        info = struct.pack("<I", head) + info[4:] + masks
        info += extra
    at = 14 + len(info) + len(colours)
    save(name, b"BM" + struct.pack("<IHHI", at + len(rows), 0, 0, at) + info +
         colours + rows, want)


def rows_of(indices, bits):
    out = b""
    for row in indices[::-1]:
        text = "".join(format(int(v), "0%db" % bits) for v in row)
        text += "0" * (-len(text) % 32)
        out += bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))
    return out


table = np.array([[draw.randint(0, 255) for _ in range(3)]
                  for _ in range(16)], np.uint8)
bgr0 = b"".join(bytes([c[2], c[1], c[0], 0]) for c in table)
index = noise(H, W, 1, 15)
by_pillow("grey.bmp", grey, form="BMP")
by_pillow("rgb.bmp", rgb, form="BMP")
by_pillow("bits.bmp", bits, form="BMP")
by_pillow("palette8.bmp", rgb.quantize(60), form="BMP")
by_pillow("rgba.bmp", Image.fromarray(RGBA), form="BMP")
bmp("palette1.bmp", W, H, 1, rows_of(index % 2, 1), None,
    colours=bgr0[:8])
bmp("palette4.bmp", W, H, 4, rows_of(index, 4), None, colours=bgr0)
bmp("palette2.bmp", W, H, 2, rows_of(index % 4, 2), [table[index % 4]],
    colours=bgr0[:16])
bmp("os2.bmp", W, H, 4, rows_of(index, 4), [table[index]], head=12,
    colours=b"".join(bytes([c[2], c[1], c[0]]) for c in table))
bmp("os2_64.bmp", W, H, 4, rows_of(index, 4), [table[index]], head=64,
    extra=bytes(24), colours=bgr0)
pad = bytes(-W * 3 % 4)
bmp("down.bmp", W, H, 24, b"".join(r[:, ::-1].tobytes() + pad for r in RGB),
    [RGB], down=True)
bmp("plain32.bmp", W, H, 32,
    RGBA[::-1, :, [2, 1, 0, 3]].tobytes(), [RGBA[:, :, :3]])
wide = noise(H, W, 1, 65535)
rows16 = b"".join(r.astype("<u2").tobytes() + bytes(-W * 2 % 4)
                  for r in wide[::-1])
bmp("rgb555.bmp", W, H, 16, rows16, None)
bmp("rgb565.bmp", W, H, 16, rows16, None, compression=3,
    masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
bmp("fields32.bmp", W, H, 32, RGBA[::-1].tobytes(), [RGBA[:, :, :3]],
    compression=3, head=108,
    masks=struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    extra=bytes(108 - 56))

# Pillow 11.3.0 errs after steps and where RLE4 has an odd number of pixels as
# they are, so what these hold is written down; first without either.
simple8 = bytes([5, 3, 4, 7, 0, 0, 0, 3, 1, 2, 4, 0, 12, 9, 0, 0, 9, 1, 0, 1])
bmp("runs8_simple.bmp", 9, 3, 8, simple8, None, compression=1, colours=bgr0)
simple4 = bytes([5, 0x3A, 4, 0x71, 0, 0, 0, 4, 0x12, 0x34, 12, 0x9B, 0, 0,
                 9, 1, 0, 1])
bmp("runs4_simple.bmp", 9, 3, 4, simple4, None, compression=2, colours=bgr0)
runs8 = bytes([
    5, 3, 4, 7, 0, 0,              # 5 of 3, 4 of 7, end of the line
    0, 3, 1, 2, 4, 0, 12, 9, 0, 0,   # 3 as they are, 12 of 9: over the edge
    0, 2, 2, 1,                    # two right, one up
    0, 4, 5, 6, 7, 8, 200, 2, 0, 0,
    3, 1, 0, 1])                   # the end
held = np.array([[0] * 9, [1, 1, 1, 0, 0, 0, 0, 0, 0],
                 [0, 0, 5, 6, 7, 8, 2, 2, 2], [0] * 9,
                 [1, 2, 4, 9, 9, 9, 9, 9, 9], [3, 3, 3, 3, 3, 7, 7, 7, 7]])
bmp("runs8.bmp", 9, 6, 8, runs8, [table[held]], compression=1, colours=bgr0)
runs4 = bytes([
    5, 0x3A, 4, 0x71, 0, 0,
    0, 5, 0x12, 0x34, 0x50, 0, 12, 0x9B, 0, 0,
    0, 2, 2, 1,
    0, 3, 0x67, 0x80, 200, 0x2C, 0, 0,
    3, 0x1E, 0, 1])
held = np.array([[0] * 9, [1, 14, 1, 0, 0, 0, 0, 0, 0],
                 [0, 0, 6, 7, 8, 2, 12, 2, 12], [0] * 9,
                 [1, 2, 3, 4, 5, 9, 11, 9, 11], [3, 10, 3, 10, 3, 7, 1, 7, 1]])
bmp("runs4.bmp", 9, 6, 4, runs4, [table[held]], compression=2, colours=bgr0)

with open(os.path.join(OUT, "formats.txt"), "w") as f:
    f.write("\n".join(lines) + "\n")
