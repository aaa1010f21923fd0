#!/usr/bin/env python3
"""Print tests/golden/unicode.txt.

Each line is a name and the FNV-1a hash of what test_unicode.c computes the
same way: classes of all characters, with the tables of Unicode 15; normal
forms of each, of each between marks, and of all in one text, and lower case
and sets, as Hugging Face tokenizers has them.

    pip install unicodedata2==15.0.0 tokenizers==0.22.2
    python3 tests/golden/unicode.py >tests/golden/unicode.txt
"""
import unicodedata2 as unicodedata
from tokenizers import normalizers, pre_tokenizers

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


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False,
                 strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on}).normalize_str


def sets(c):
    """The sets that a character is in, in the order of unicode.h."""
    x, out = chr(c), 0

    def alone(pre):
        return len(pre.pre_tokenize_str('aa' + x + 'aa')) == 3
    tests = (
        len(pre_tokenizers.Whitespace().pre_tokenize_str('a' + x)) == 1
        and x not in SPACES,
        alone(pre_tokenizers.Digits(individual_digits=True)),
        alone(pre_tokenizers.Punctuation()),
        bert(clean_text=True)('a' + x + 'b') == 'ab',
        bert(strip_accents=True)('a' + x + 'b') == 'ab',
        normalizers.StripAccents().normalize_str('a' + x + 'b') == 'ab')
    for i, test in enumerate(tests):
        out |= test << i
    return out


runes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
SPACES = set(map(chr, [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, 0x2028,
                       0x2029, 0x202F, 0x205F, 0x3000,
                       *range(0x2000, 0x200B)]))
print('classes %016x' % fnv(bytes(bits(c) for c in runes)))
for name in ('C', 'D', 'KC', 'KD'):
    normal = getattr(normalizers, 'NF' + name)().normalize_str
    h = fnv(b'')
    for c in runes:
        h = fnv(normal(chr(c)).encode(), h)
    print('alone%s %016x' % (name, h))
    h = fnv(b'')
    for c in runes[:0x3100] + runes[0xA800:0xB000]:
        h = fnv(normal('e\u0323' + chr(c) + '\u0301\u0316').encode(), h)
    print('marked%s %016x' % (name, h))
    print('together%s %016x' % (name, fnv(normal(''.join(
        map(chr, runes))).encode())))
print('sets %016x' % fnv(bytes(sets(c) for c in runes)))
lower = normalizers.Lowercase().normalize_str
h = fnv(b'')
for c in runes:
    h = fnv(lower(chr(c)).encode(), h)
print('lower %016x' % h)
