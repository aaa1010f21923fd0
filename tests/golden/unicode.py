#!/usr/bin/env python3
"""Print tests/golden/unicode.txt with the tables of Unicode 15.

Each line is a name and the FNV-1a hash of what test_unicode.c computes the
same way: classes of all characters; normal form C of each, and of each
between two marks, of all in one text.

    pip install unicodedata2==15.0.0
    python3 tests/golden/unicode.py >tests/golden/unicode.txt
"""
import unicodedata2 as unicodedata

assert unicodedata.unidata_version == '15.0.0'
BITS = {'L': 1, 'N': 2, 'Z': 4, 'M': 8, 'Nd': 16, 'Pc': 32, 'Lu': 64,
        'Lt': 64, 'Ll': 128}


def fnv(data, h=0xCBF29CE484222325):
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def bits(c):
    if 9 <= c <= 13 or c == 0x85:
        return 4
    if c in (0x200C, 0x200D):
        return 32
    category = unicodedata.category(chr(c))
    return BITS.get(category[0], 0) | BITS.get(category, 0)


def nfc(text):
    return unicodedata.normalize('NFC', text).encode()


runes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
print('classes %016x' % fnv(bytes(bits(c) for c in runes)))
h = fnv(b'')
for c in runes:
    h = fnv(nfc(chr(c)), h)
print('alone %016x' % h)
h = fnv(b'')
for c in runes[:0x3100] + runes[0xA800:0xB000]:
    h = fnv(nfc('e\u0323' + chr(c) + '\u0301\u0316'), h)
print('marked %016x' % h)
print('together %016x' % fnv(nfc(''.join(map(chr, runes)))))
