"""Write the corpora of fuzz_dicom, fuzz_nifti and fuzz_decode: small files of
each kind, made here byte by byte.  Those of fuzz_tiff, fuzz_webp and fuzz_bmp
are links to tests/golden/formats.

python3 tests/fuzz/corpus.py
"""

import gzip
import os
import struct

HERE = os.path.join(os.path.dirname(__file__), "corpus")


def save(name, data):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)


# ---- DICOM -----------------------------------------------------------------


def element(group, number, vr, value):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    if isinstance(value, str):
        value = value.encode()
        value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    head = struct.pack("<HH", group, number) + vr.encode()
    if vr in ("OB", "OW", "SQ", "UN"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def dicom(name, syntax, body):
    meta = (element(2, 2, "UI", "1.2.840.10008.5.1.4.1.1.2") +
            element(2, 3, "UI", "1.2.3") + element(2, 0x10, "UI", syntax))
    meta = element(2, 0, "UL", struct.pack("<I", len(meta))) + meta
    save("fuzz_dicom/" + name, bytes(128) + b"DICM" + meta + body)


def picture(rows, columns, bits, frames=1, colour="MONOCHROME2", samples=1):
    return (element(8, 0x60, "CS", "CT") + element(0x10, 0x20, "LO", "p1") +
            element(0x28, 2, "US", samples) + element(0x28, 4, "CS", colour) +
            (element(0x28, 6, "US", 0) if samples > 1 else b"") +
            (element(0x28, 8, "IS", str(frames)) if frames > 1 else b"") +
            element(0x28, 0x10, "US", rows) +
            element(0x28, 0x11, "US", columns) +
            element(0x28, 0x100, "US", -(-bits // 8) * 8) +
            element(0x28, 0x101, "US", bits) +
            element(0x28, 0x102, "US", bits - 1) +
            element(0x28, 0x103, "US", 0) +
            element(0x28, 0x1050, "DS", "40\\300") +
            element(0x28, 0x1051, "DS", "80\\1500") +
            element(0x28, 0x1052, "DS", "-1024") +
            element(0x28, 0x1053, "DS", "1"))


def fragments(*items):
    out = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
    for item in (b"",) + items:
        item += b"\0" * (len(item) % 2)
        out += struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item
    return out + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


EXPLICIT = "1.2.840.10008.1.2.1"
ramp = bytes(range(128))
dicom("grey12.dcm", EXPLICIT,
      picture(8, 8, 12) + element(0x7FE0, 0x10, "OW", ramp))
dicom("frames.dcm", EXPLICIT,
      picture(4, 4, 8, 3) + element(0x7FE0, 0x10, "OB", ramp[:48]))
dicom("rgb.dcm", EXPLICIT,
      picture(4, 4, 8, 1, "RGB", 3) + element(0x7FE0, 0x10, "OB", ramp[:48]))
table = element(0x28, 0x3002, "US", struct.pack("<HHH", 4, 0, 16)) + element(
    0x28, 0x3006, "OW", struct.pack("<4H", 0, 9, 99, 999))
item = struct.pack("<HHI", 0xFFFE, 0xE000, len(table)) + table
dicom("table.dcm", EXPLICIT,
      picture(4, 4, 8) + element(0x28, 0x3010, "SQ", item) +
      element(0x7FE0, 0x10, "OB", ramp[:16]))
runs = bytes([15]) + ramp[:16]
dicom("runs.dcm", "1.2.840.10008.1.2.5",
      picture(4, 4, 8) + fragments(struct.pack("<16I", 1, 64, *[0] * 14) +
                                   runs))

# ---- NIfTI -----------------------------------------------------------------


def nifti(name, size, code, bits, data, packed=False):
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *size, 1, 1, 1, 1)
    struct.pack_into("<hh", head, 70, code, bits)
    struct.pack_into("<8f", head, 76, 1, 1, 2, 3, 1, 1, 1, 1)
    struct.pack_into("<fff", head, 108, 352, 2, -10)
    head[123] = 2
    struct.pack_into("<hh", head, 252, 1, 1)
    struct.pack_into("<12f", head, 280, 1, 0, 0, -4, 0, 2, 0, 0, 0, 0, 3, 9)
    head[344:348] = b"n+1\0"
    whole = bytes(head) + data
    save("fuzz_nifti/" + name, gzip.compress(whole, mtime=0)
         if packed else whole)


nifti("bytes.nii", (4, 4, 4), 2, 8, ramp[:64])
nifti("packed.nii.gz", (4, 4, 4), 4, 16, ramp, True)
nifti("wide.nii", (2, 2, 2), 1024, 64, struct.pack("<8q", *range(8)))
nifti("floats.nii", (2, 2, 2), 16, 32, struct.pack("<8f", *range(8)))

# ---- what a helper says ----------------------------------------------------

U8, U16, F32 = 0, 2, 6


def answer(kind, frames, size, extra=b"", status=0, turned=1, inverse=0):
    return struct.pack("<Qii4q17dii", 0x33444C564454, status, kind, frames,
                       *size, *[1.0] * 17, turned, inverse) + struct.pack(
                           "<Q", len(extra)) + extra


def said(name, how, *answers):
    save("fuzz_decode/" + name, bytes([how]) + b"".join(answers))


said("check", 0, answer(U8, 2, (3, 4, 4)),
     answer(U8, 2, (3, 4, 4), ramp[:48]), answer(U16, 2, (1, 2, 2)),
     answer(U16, 2, (1, 2, 2), ramp[:8]))
said("load", 2, answer(U16, 1, (1, 4, 4), turned=6, inverse=1),
     answer(U16, 1, (1, 4, 4), ramp[:32]))
said("percentile", 2 | 8, answer(F32, 1, (1, 4, 4)),
     answer(F32, 1, (1, 4, 4), struct.pack("<16f", *range(16))))
said("frame", 2 | 4, answer(U8, 3, (1, 9, 9)), answer(U8, 3, (3, 2, 4)),
     answer(U8, 3, (3, 2, 4), ramp[:24]))
tags = element(2, 0x10, "UI", EXPLICIT) + picture(4, 4, 12)
said("dicom", 1, answer(U16, 1, (1, 4, 4), tags),
     answer(U16, 1, (1, 4, 4), ramp[:32]))
said("no", 2, answer(U8, 0, (0, 0, 0), b"TIFF: no", -3))
said("empty", 2, answer(U8, 0, (0, 0, 0), bytes(5), -3))
