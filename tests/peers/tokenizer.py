#!/usr/bin/env python3
"""Speed of the tokenizer beside Hugging Face tokenizers and tiktoken.

    pip install tokenizers==0.22.2 tiktoken==0.14.0
    make && MEDVL_DATA=... python3 tests/peers/tokenizer.py

Llama 3 over PubMedQA abstracts and ROCO captions, one thread, the same texts
in the same run, A B A B; the ids of all three must be equal.  `first` is a
pass with nothing cached, the others have seen the text.  Then the same texts
as JSON Lines through medvl-tokenize, its start taken off, beside the bare
encoder.  One JSON line a figure: MB (1e6 bytes) of text a second, the median
of the rounds.
"""
import ctypes
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import tiktoken
from tiktoken.load import load_tiktoken_bpe
from tokenizers import Tokenizer

ROUNDS = 5
COPIES = 20  # of the texts, for the command
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
BUILD = os.environ.get('BUILD', os.path.join(ROOT, 'build/release'))


class Span(ctypes.Structure):
    _fields_ = [('data', ctypes.c_char_p), ('size', ctypes.c_size_t)]


class Tokens(ctypes.Structure):
    _fields_ = [('ids', ctypes.POINTER(ctypes.c_int32)),
                ('ends', ctypes.c_void_p), ('count', ctypes.c_size_t),
                ('capacity', ctypes.c_size_t),
                ('ends_capacity', ctypes.c_size_t),
                ('keep_ends', ctypes.c_bool)]


class Medvl:
    def __init__(self, path):
        self.lib = ctypes.CDLL(os.path.join(BUILD, 'lib/libmedvl.so'))
        self.err = ctypes.create_string_buffer(2048)
        self.tok = ctypes.c_void_p()
        self.call('medvl_tokenizer_open', ctypes.byref(self.tok),
                  path.encode())
        self.tokens = Tokens()
        self.encoder = ctypes.c_void_p()
        self.fresh()

    def call(self, name, *args):
        if getattr(self.lib, name)(*args, self.err) < 0:
            sys.exit(self.err.raw[4:].split(b'\0')[0].decode())

    def fresh(self):
        self.lib.medvl_encoder_free(self.encoder)
        self.encoder = ctypes.c_void_p()
        self.call('medvl_encoder_new', ctypes.byref(self.encoder), self.tok)

    def encode(self, data):
        self.tokens.count = 0
        self.call('medvl_encoder_encode', self.encoder,
                  ctypes.byref(self.tokens), Span(data, len(data)), None,
                  ctypes.c_size_t(0), ctypes.c_uint(0))
        return self.tokens.count

    def ids(self, data):
        return self.tokens.ids[:self.encode(data)]


def texts(root):
    """Abstracts and captions in documents of some 20 KB."""
    with open(os.path.join(root, 'bench/pubmedqa/ori_pqal.json')) as f:
        parts = [' '.join(x['CONTEXTS']) for x in json.load(f).values()]
    with open(os.path.join(root,
                           'bench/captions_roco/captions.jsonl')) as f:
        parts += [json.loads(line)['caption'] for line in f]
    documents, size = [[]], 0
    for part in parts:
        documents[-1].append(part)
        size += len(part)
        if size > 20000:
            documents.append([])
            size = 0
    return ['\n'.join(d) for d in documents if d]


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def say(name, size, times):
    rate = size / statistics.median(times) / 1e6
    print(json.dumps({'encoder': name, 'MB/s': round(rate, 1)}), flush=True)
    return rate


def command(folder, documents, size):
    """Seconds for all copies, less those for one short record."""
    paths = [os.path.join(folder, name) for name in ('all.jsonl', 'one.jsonl')]
    with open(paths[0], 'w') as f:
        for _ in range(COPIES):
            for i, text in enumerate(documents):
                f.write(json.dumps({'id': str(i), 'text': text}) + '\n')
    with open(paths[1], 'w') as f:
        f.write('{"id":"0","text":"x"}\n')

    def run(path):
        subprocess.run([os.path.join(BUILD, 'bin/medvl-tokenize'), '-q', '-j',
                        '1', '-m', folder, path], check=True,
                       stdout=subprocess.DEVNULL)

    def less_start():
        return seconds(lambda: run(paths[0])) - seconds(lambda: run(paths[1]))
    return less_start


def main():
    data = os.environ['MEDVL_DATA']
    llama = os.path.join(data, 'tokenizers/llama3')
    documents = texts(data)
    encoded = [d.encode() for d in documents]
    size = sum(map(len, encoded))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'tokenizer.json')
        with gzip.open(os.path.join(llama, 'tokenizer.json.gz')) as f, \
                open(path, 'wb') as out:
            out.write(f.read())
        ours = Medvl(path)
        hugging = Tokenizer.from_file(path)
        pattern = json.loads(hugging.pre_tokenizer.__getstate__())
        pattern = pattern['pretokenizers'][0]['pattern']['Regex']
        tik = tiktoken.Encoding(
            'llama3', pat_str=pattern, special_tokens={},
            mergeable_ranks=load_tiktoken_bpe(
                os.path.join(llama, 'tokenizer.model')))
        for document, raw in zip(documents, encoded):
            ids = ours.ids(raw)
            assert ids == hugging.encode(document,
                                         add_special_tokens=False).ids
            assert ids == tik.encode_ordinary(document)
        through = command(folder, documents, size)
        runs = {
            'medvl, first': lambda: [ours.encode(d) for d in encoded],
            'medvl': lambda: [ours.encode(d) for d in encoded],
            'tokenizers': lambda: [hugging.encode(
                d, add_special_tokens=False) for d in documents],
            'tokenizers, batch': lambda: hugging.encode_batch_fast(
                documents, add_special_tokens=False),
            'tiktoken': lambda: [tik.encode_ordinary(d) for d in documents]}
        times = {name: [] for name in runs}
        lines = []
        for _ in range(ROUNDS):
            ours.fresh()
            for name, run in runs.items():
                times[name].append(seconds(run))
            lines.append(through())
        rates = {name: say(name, size, t) for name, t in times.items()}
        rate = say('medvl-tokenize -j 1, JSON Lines', size * COPIES, lines)
        print(json.dumps({
            'of tokenizers': round(rates['medvl'] / rates['tokenizers'], 1),
            'of tiktoken': round(rates['medvl'] / rates['tiktoken'], 1),
            'JSON Lines of bare': round(rate / rates['medvl'], 2)}))


main()
