#!/usr/bin/env python3
"""Random tokenizer.json files and texts, through medvl and Hugging Face.

    pip install tokenizers==0.22.2
    make && python3 tests/peers/tokenizer_fuzz.py [SECONDS [SEED [FILE...]]]

Every round trains a small vocabulary behind a random pipeline (all models,
normalizers, pre-tokenizers, processors, decoders and flags of added tokens;
a third of them CLIP's or BERT's), or takes one of the FILEs, and compares ids with and without begin and end
tokens, and decoded texts, on hostile texts.  The first difference of a
pipeline is printed as a JSON line that holds the seed; the last line counts.

Not compared: texts on which Hugging Face panics; characters for which a BPE
has nothing at all (dropped there, an error here); added tokens of other than
ASCII characters in a ByteLevel decoder (their characters are taken for bytes
there); an added token that takes the space that another one begins with
(text is given out twice there); a Strip behind an expression that matches
nothing before the first character (what was put there is not stripped, and
some texts panic, which shows that it is not meant).
"""
import collections
import ctypes
import json
import os
import random
import sys
import time

from tokenizers import Regex, Tokenizer
from tokenizers.normalizers import Replace

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
sys.path.insert(0, os.path.join(ROOT, 'tests/golden'))
from tokenizer_random import (drops, file, known, odd_bytes,  # noqa: E402
                              odd_space, plain, text, widen)
BUILD = os.environ.get('BUILD', os.path.join(ROOT, 'build/release'))


class Span(ctypes.Structure):
    _fields_ = [('data', ctypes.c_char_p), ('size', ctypes.c_size_t)]


class Tokens(ctypes.Structure):
    _fields_ = [('ids', ctypes.POINTER(ctypes.c_int32)),
                ('ends', ctypes.POINTER(ctypes.c_size_t)),
                ('count', ctypes.c_size_t), ('capacity', ctypes.c_size_t),
                ('ends_capacity', ctypes.c_size_t),
                ('keep_ends', ctypes.c_bool)]


class Text(ctypes.Structure):
    _fields_ = [('data', ctypes.POINTER(ctypes.c_char)),
                ('size', ctypes.c_size_t), ('capacity', ctypes.c_size_t)]


class Refused(Exception):
    pass


lib = ctypes.CDLL(os.path.join(BUILD, 'lib/libmedvl.so'))


class Medvl:
    def __init__(self, file):
        self.err = ctypes.create_string_buffer(2048)
        self.tok, self.encoder = ctypes.c_void_p(), ctypes.c_void_p()
        self.tokens = Tokens(keep_ends=True)
        self.call('medvl_tokenizer_new', ctypes.byref(self.tok),
                  Span(file, len(file)))
        self.call('medvl_encoder_new', ctypes.byref(self.encoder), self.tok)

    def __del__(self):
        lib.medvl_encoder_free(self.encoder)
        lib.medvl_tokenizer_free(self.tok)
        lib.medvl_tokens_release(ctypes.byref(self.tokens))

    def call(self, name, *args):
        code = getattr(lib, name)(*args, self.err)
        if code < 0:
            raise Refused('%d %s' % (code, self.err.raw[4:].split(b'\0')[0]
                                     .decode('utf8', 'replace')))

    def encode(self, text, special):
        data = text.encode()
        self.tokens.count = 0
        self.call('medvl_encoder_encode', self.encoder,
                  ctypes.byref(self.tokens), Span(data, len(data)), None,
                  ctypes.c_size_t(0), ctypes.c_uint(1 if special else 0))
        ends = self.tokens.ends[:self.tokens.count]
        if any(e > len(data) for e in ends) or ends != sorted(ends):
            raise AssertionError('ends %s' % ends)
        return self.tokens.ids[:self.tokens.count]

    def decode(self, ids, skip):
        out = Text()
        array = (ctypes.c_int32 * len(ids))(*ids)
        try:
            self.call('medvl_tokenizer_decode', self.tok, ctypes.byref(out),
                      array, ctypes.c_size_t(len(ids)),
                      ctypes.c_uint(1 if skip else 0))
            return out.data[:out.size].decode() if out.size else ''
        finally:
            lib.medvl_text_release(ctypes.byref(out))


# ---- comparing -----------------------------------------------------------

def compare(tree, hugging, ours, x, count):
    for special in (False, True):
        try:
            want = hugging.encode(x, add_special_tokens=special).ids
        except BaseException as e:  # a panic is no Exception
            if isinstance(e, KeyboardInterrupt):
                raise
            count['panics'] += 1
            return None
        try:
            got = ours.encode(x, special)
        except Refused as e:
            if 'has no token' in str(e) or 'not in the vocab' in str(e):
                if drops(tree):
                    count['dropped'] += 1
                    return None
            return {'text': x, 'want': want, 'error': str(e)}
        except AssertionError as e:
            return {'text': x, 'want': want, 'error': str(e)}
        if got != want:
            return {'text': x, 'want': want, 'got': got}
        count['texts'] += 1
    if odd_bytes(tree):
        return None
    for skip in (False, True):
        try:
            want = hugging.decode(got, skip_special_tokens=skip)
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            count['panics'] += 1
            return None
        got_text = ours.decode(got, skip)
        if got_text != want:
            return {'text': x, 'ids': got, 'want': want, 'got': got_text}
    return None


def steps(part):
    """The normalizers of a Sequence, one after another."""
    if part and part['type'] == 'Sequence':
        return [s for p in part['normalizers'] for s in steps(p)]
    return [part] if part else []


def odd_strip(tree):
    puts = False
    for step in steps(tree['normalizer']):
        if step['type'] == 'Replace' and 'Regex' in step['pattern']:
            put = Replace(Regex(step['pattern']['Regex']), 'X')
            puts = puts or len(put.normalize_str('\u2603')) > 1
        elif step['type'] == 'Strip' and puts:
            return True
    return False


def made(seed, count):
    """A random file, opened by both; None where one refuses."""
    try:
        r = random.Random(seed)
        tree = known(r) if seed % 3 == 0 else file(r, hold=seed % 3 == 1)
        hugging = Tokenizer.from_str(json.dumps(tree))
        if odd_space(tree, hugging):
            count['odd space'] += 1
            return None
        if odd_strip(tree):
            count['odd strip'] += 1
            return None
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt):
            raise
        count['no file'] += 1
        return None
    try:
        return tree, hugging, Medvl(json.dumps(tree).encode())
    except Refused as e:
        count['refused: ' + str(e)[:60]] += 1
        return None


def given(name):
    with open(name) as f:
        data = f.read()
    return json.loads(data), Tokenizer.from_str(data), Medvl(data.encode())


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 10**9
    widen()
    files = [given(name) for name in sys.argv[3:]]
    end = time.time() + seconds
    count = collections.Counter()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # Hugging Face's panics
    while time.time() < end:
        seed += 1
        r = random.Random(seed)
        if files and seed % 2:
            both = files[seed // 2 % len(files)]
        else:
            both = made(seed, count)
        if not both:
            continue
        tree = both[0]
        count['files'] += 1
        for _ in range(40):
            found = compare(*both, r.choice([text, plain])(r), count)
            if found:
                count['differences'] += 1
                small = {k: v for k, v in tree.items() if k != 'model'}
                model = {k: v for k, v in tree['model'].items()
                         if k not in ('vocab', 'merges')}
                print(json.dumps({'seed': seed, **found, **small,
                                  'model': model}), flush=True)
                break
    print(json.dumps(count), flush=True)
    sys.exit(count['differences'] > 0)


main()
