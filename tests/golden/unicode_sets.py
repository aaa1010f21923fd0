#!/usr/bin/env python3
"""Write lib/text/unicode_sets.h: where Hugging Face tokenizers takes a
character for something else than utf8proc does.

Its parts were compiled with Unicode tables of different age.  Each set is
asked of the library itself, character by character, and only the ranges in
which it differs from what unicode.c computes are written.

    pip install tokenizers==0.22.2      (and Debian's libutf8proc2)
    python3 tests/golden/unicode_sets.py
"""
import ctypes
import os
import string

from tokenizers import normalizers, pre_tokenizers

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                   '../../lib/text/unicode_sets.h')
lib = ctypes.CDLL('libutf8proc.so.2')
lib.utf8proc_category_string.restype = ctypes.c_char_p
ALL = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CAT = {c: lib.utf8proc_category_string(c).decode() for c in ALL}
lib.utf8proc_decompose_char.restype = ctypes.c_ssize_t


def decomposed(c, compat):
    out = (ctypes.c_int32 * 32)()
    start = ctypes.c_int(0)
    # UTF8PROC_DECOMPOSE, UTF8PROC_COMPAT
    n = lib.utf8proc_decompose_char(c, out, ctypes.c_ssize_t(32),
                                    16 | (4 if compat else 0),
                                    ctypes.byref(start))
    return ''.join(map(chr, out[:n]))


def ranges(chars):
    out = []
    for c in sorted(chars):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def pieces(pre, text):
    return [piece for piece, _ in pre.pre_tokenize_str(text)]


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False,
                 strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on})


def where(test):
    return {c for c in ALL if test(chr(c))}


def sets():
    word = pre_tokenizers.Whitespace()
    digit = pre_tokenizers.Digits(individual_digits=True)
    punct = pre_tokenizers.Punctuation()
    clean = bert(clean_text=True)
    accents = bert(strip_accents=True)
    marks = normalizers.StripAccents()
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    ascii_punct = set(map(ord, string.punctuation))

    def fixed(x):
        """Neither decomposed nor moved, though utf8proc would."""
        c = ord(x)
        if nfkd.normalize_str(x) != decomposed(c, True):
            return True
        if CAT[c][0] != 'M' or decomposed(c, False) != x:
            return False
        # Between marks of the least and of the greatest class it moves.
        moves = any(nfd.normalize_str(s) != s
                    for s in ('a\u0301' + x, 'a' + x + '\u0334',
                              'a\u0345' + x, 'a' + x + '\u0345'))
        lib.utf8proc_get_property.restype = ctypes.POINTER(
            ctypes.c_uint16)
        return not moves and lib.utf8proc_get_property(c)[1] != 0

    yield 'WORD', where(lambda x: pieces(word, 'a' + x) == ['a' + x]) ^ {
        c for c in ALL if CAT[c][0] in 'LM' or CAT[c] in ('Nd', 'Pc')
        or c in (0x200C, 0x200D)}
    yield 'NUMERIC', where(
        lambda x: len(pieces(digit, 'aa' + x + 'aa')) == 3) ^ {
        c for c in ALL if CAT[c][0] == 'N'}
    yield 'PUNCTUATION', where(
        lambda x: len(pieces(punct, 'aa' + x + 'aa')) == 3) ^ {
        c for c in ALL if CAT[c][0] == 'P'} ^ (
        ascii_punct - {c for c in ascii_punct if CAT[c][0] == 'P'})
    yield 'CONTROL', where(
        lambda x: clean.normalize_str('a' + x + 'b') == 'ab') ^ {
        c for c in ALL if CAT[c] in ('Cc', 'Cf', 'Co')} ^ {9, 10, 13}
    yield 'NONSPACING', where(
        lambda x: accents.normalize_str('a' + x + 'b') == 'ab') ^ {
        c for c in ALL if CAT[c] == 'Mn'}
    yield 'MARK', where(
        lambda x: marks.normalize_str('a' + x + 'b') == 'ab') ^ {
        c for c in ALL if CAT[c][0] == 'M'}
    yield 'FIXED', where(fixed)


def lower():
    """Runs whose lower case is elsewhere than utf8proc has it."""
    low = normalizers.Lowercase()
    runs = []
    for c in ALL:
        text = low.normalize_str(chr(c))
        if len(text) > 1 or ord(text) == lib.utf8proc_tolower(c):
            continue
        delta = ord(text) - c
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == delta:
            runs[-1][1] = c
        else:
            runs.append([c, c, delta])
    return runs


def scripts():
    """Runs of one script; 0 goes with whatever stands beside it."""
    pre = pre_tokenizers.UnicodeScripts()
    numbers, runs = {}, []

    def same(a, b):
        return len(pieces(pre, a + b)) == 1

    for c in ALL:
        x = chr(c)
        # What joins both a Latin and a Greek letter is of any script.
        if same('a', x) and same('\u03b1', x):
            number = 0
        else:
            number = next((n for s, n in numbers.items() if same(s, x)), None)
            if number is None:
                number = numbers[x] = len(numbers) + 1
        if runs and runs[-1][2] == number and runs[-1][1] in (c - 1, 0xD7FF):
            runs[-1][1] = c
        else:
            runs.append([c, c, number])
    return runs


def main():
    with open(OUT, 'w') as f:
        f.write('/*\n * Where Hugging Face tokenizers 0.22.2 and utf8proc '
                'differ, in ranges of\n * characters.  Written by '
                'tests/golden/unicode_sets.py.\n *\n * Read next: '
                'unicode.c.\n */\n#ifndef MEDVL_TEXT_UNICODE_SETS_H\n'
                '#define MEDVL_TEXT_UNICODE_SETS_H\n\n#include <stdint.h>\n\n'
                'struct rune_range {\n    uint32_t first, last;\n};\n\n/* clang-format off */\n')

        def table(head, rows, width):
            f.write('\n' + head + ' = {\n')
            for i in range(0, len(rows), width):
                f.write('    ' + ' '.join(rows[i:i + width]) + '\n')
            f.write('};\n')
        for name, chars in sets():
            table(f'static const struct rune_range {name}[]',
                  ['{0x%X, 0x%X},' % tuple(r) for r in ranges(chars)], 3)
        f.write('\n/* Lower case: `delta` is added. */\n')
        table('static const struct lower_run {\n    uint32_t first, last;\n'
              '    int32_t delta;\n} LOWER[]',
              ['{0x%X, 0x%X, %d},' % tuple(r) for r in lower()], 3)
        f.write('\n/* Where a script begins; 0: any. */\n')
        table('static const struct script_run {\n    uint32_t first;\n'
              '    int32_t script;\n} SCRIPTS[]',
              ['{0x%X, %d},' % (r[0], r[2]) for r in scripts()], 5)
        f.write('/* clang-format on */\n\n#endif\n')


main()
