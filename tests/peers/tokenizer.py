#!/usr/bin/env python3
"""Speed of the tokenizer beside others.

    pip install tokenizers==0.22.2 tiktoken==0.14.0 quicktok-v1==0.4.0 \\
        gigatoken==0.10.0 sentencepiece==0.2.1 protobuf==7.36.2
    make && MEDVL_DATA=... python3 tests/peers/tokenizer.py [NAME...]

Llama 3, Qwen 3, Mistral's SentencePiece model and CLIP (NAME: llama3 qwen3
spm clip) over PubMedQA abstracts and ROCO captions in documents of some
20 KB, one thread, the same texts in the same run, A B A B; the ids of all
must be equal.  Figures are MB (1e6 bytes) of text a second of processor time
(so that others on the machine do not count), the median of the rounds, one
JSON line each.  `first` is a pass with nothing cached, the others have seen
the text.  Those of Python give lists of ids, but for gigatoken, tokenizers
(batch) and quicktok (count), which like medvl leave them in memory.

Then the texts as JSON Lines through medvl-tokenize, its start taken off; and
a megabyte without a space, which should take four times a quarter's.
"""
import ctypes
import gzip
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import gigatoken
import quicktok
import sentencepiece
import tiktoken
from sentencepiece import sentencepiece_model_pb2
from tiktoken.load import load_tiktoken_bpe
from tokenizers import (Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers)

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


# ---- the peers of each family: name -> (ids of a text, run over all) ------

class Peers:
    def __init__(self, documents):
        self.documents = documents
        self.encoded = [d.encode() for d in documents]
        self.size = sum(map(len, self.encoded))
        self.runs = {}

    def add(self, name, ids, run=None):
        """Check its ids, and have it timed."""
        for document, want in zip(self.documents, self.want):
            assert list(ids(document)) == want, name
        self.runs[name] = run or (
            lambda: [ids(d) for d in self.documents])

    def hugging(self, tok):
        self.add('tokenizers',
                 lambda d: tok.encode(d, add_special_tokens=False).ids,
                 lambda: [tok.encode(d, add_special_tokens=False)
                          for d in self.documents])
        self.runs['tokenizers, batch'] = lambda: tok.encode_batch_fast(
            self.documents, add_special_tokens=False)

    def giga(self, tok):
        try:
            self.add('gigatoken',
                     lambda d: tok.encode_batch([d], parallel=False)[0],
                     lambda: tok.encode_batch(self.encoded, parallel=False))
        except (AssertionError, NotImplementedError, ValueError) as e:
            print(json.dumps({'gigatoken': 'left out: %r' % e}))

    def quick(self, name):
        tok = quicktok.get_encoding(name)
        self.add('quicktok', tok.encode_ordinary)
        self.runs['quicktok, count'] = lambda: [
            tok.count(d) for d in self.documents]

    def medvl(self, path):
        self.ours = Medvl(path)
        self.want = [self.ours.ids(d) for d in self.encoded]
        run = (lambda: [self.ours.encode(d) for d in self.encoded])
        self.runs['medvl, first'] = self.runs['medvl'] = run


def unzip(path, out):
    with gzip.open(path) as f, open(out, 'wb') as g:
        g.write(f.read())
    return out


def byte_level(peers, folder, data, name):
    data = os.path.join(data, 'tokenizers', name)
    path = unzip(os.path.join(data, 'tokenizer.json.gz'),
                 os.path.join(folder, 'tokenizer.json'))
    tok = Tokenizer.from_file(path)
    peers.medvl(path)
    peers.hugging(tok)
    if name == 'llama3':
        split = json.loads(tok.pre_tokenizer.__getstate__())
        tik = tiktoken.Encoding(
            name, special_tokens={},
            pat_str=split['pretokenizers'][0]['pattern']['Regex'],
            mergeable_ranks=load_tiktoken_bpe(
                os.path.join(data, 'tokenizer.model')))
        peers.add('tiktoken', tik.encode_ordinary)
    peers.quick(name)
    peers.giga(gigatoken.Tokenizer(path))


def llama3(peers, folder, data):
    byte_level(peers, folder, data, 'llama3')


def qwen3(peers, folder, data):
    byte_level(peers, folder, data, 'qwen3')


def hugging_spm(path):
    """The model as Hugging Face writes Llama 2's."""
    model = sentencepiece_model_pb2.ModelProto()
    with open(path, 'rb') as f:
        model.ParseFromString(f.read())
    vocab = {p.piece: i for i, p in enumerate(model.pieces)}
    merges = []
    for p in sorted(model.pieces, key=lambda p: -p.score):
        merges += [(p.piece[:i], p.piece[i:]) for i in range(1, len(p.piece))
                   if p.type == 1 and p.piece[:i] in vocab and
                   p.piece[i:] in vocab]
    tok = Tokenizer(models.BPE(vocab, merges, unk_token='<unk>',
                               fuse_unk=True, byte_fallback=True))
    tok.normalizer = normalizers.Sequence([
        normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')])
    return tok


def spm(peers, _, data):
    path = os.path.join(data, 'tokenizers/mistral-spm/tokenizer.model')
    peers.medvl(path)
    tok = sentencepiece.SentencePieceProcessor(model_file=path)
    peers.add('sentencepiece', tok.encode)
    peers.hugging(hugging_spm(path))
    peers.giga(gigatoken.Tokenizer.from_sentencepiece(path))


def hugging_clip(path):
    """The vocabulary as Hugging Face writes CLIP's."""
    with gzip.open(path, 'rt') as f:
        merges = [tuple(line.split()) for line in
                  f.read().split('\n')[1:49152 - 256 - 2 + 1]]
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in visible] + [
        chr(256 + i) for i in range(256 - len(visible))]
    vocab = letters + [c + '</w>' for c in letters] + [
        a + b for a, b in merges] + ['<|startoftext|>', '<|endoftext|>']
    tok = Tokenizer(models.BPE({t: i for i, t in enumerate(vocab)}, merges,
                               end_of_word_suffix='</w>',
                               unk_token='<|endoftext|>'))
    tok.normalizer = normalizers.Sequence([
        normalizers.NFC(), normalizers.Replace(Regex(r'\s+'), ' '),
        normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(
            r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),
            behavior='removed', invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tok.decoder = decoders.ByteLevel()
    return tok


def clip(peers, folder, data):
    tok = hugging_clip(os.path.join(
        data, 'tokenizers/clip/bpe_simple_vocab_16e6.txt.gz'))
    path = os.path.join(folder, 'tokenizer.json')
    tok.save(path)
    peers.medvl(path)
    peers.hugging(tok)


# ---- timing ---------------------------------------------------------------

def clock():
    """Processor seconds of this process and of those it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def seconds(run):
    start = clock()
    run()
    return clock() - start


def command(folder, path, peers):
    """Seconds for all copies, less those for one short record."""
    files = [os.path.join(folder, name) for name in ('all.jsonl', 'one.jsonl')]
    with open(files[0], 'w') as f:
        for _ in range(COPIES):
            for i, text in enumerate(peers.documents):
                f.write(json.dumps({'id': str(i), 'text': text}) + '\n')
    with open(files[1], 'w') as f:
        f.write('{"id":"0","text":"x"}\n')

    def run(file):
        subprocess.run([os.path.join(BUILD, 'bin/medvl-tokenize'), '-q', '-j',
                        '1', '-m', path, file], check=True,
                       stdout=subprocess.DEVNULL)

    return (seconds(lambda: run(files[0])) - seconds(lambda: run(files[1])))


def without_space(ours):
    """Seconds for a quarter of a megabyte and a whole one."""
    rng = random.Random(1)
    letters = {'one letter': b'a' * (1 << 20),
               'random letters': bytes(rng.choices(
                   b'acgt', k=1 << 20))}
    for name, text in letters.items():
        times = [min(seconds(lambda: ours.encode(part)) for _ in range(3))
                 for part in (text[:1 << 18], text)]
        yield name, [round(t, 4) for t in times]


def family(name, documents, data):
    peers = Peers(documents)
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        {'llama3': llama3, 'qwen3': qwen3, 'spm': spm, 'clip': clip}[name](
            peers, folder, data)
        for _ in range(ROUNDS):
            peers.ours.fresh()
            for who, run in peers.runs.items():
                times.setdefault(who, []).append(seconds(run))
        rates = {who: peers.size / statistics.median(t) / 1e6
                 for who, t in times.items()}
        if name == 'llama3':
            path = os.path.join(folder, 'tokenizer.json')
            spent = [command(folder, path, peers) for _ in range(3)]
            rates['medvl-tokenize -j 1, JSON Lines'] = (
                peers.size * COPIES / statistics.median(spent) / 1e6)
    for who, rate in rates.items():
        print(json.dumps({'vocabulary': name, 'encoder': who,
                          'MB/s': round(rate, 1)}))
    print(json.dumps({'vocabulary': name, **{
        'of ' + who: round(rates['medvl'] / rate, 1)
        for who, rate in rates.items() if 'medvl' not in who}}))
    for text, (quarter, whole) in without_space(peers.ours):
        print(json.dumps({'vocabulary': name, 'without a space': text,
                          'quarter MB, s': quarter, 'MB, s': whole}),
              flush=True)


def main():
    data = os.environ['MEDVL_DATA']
    documents = texts(data)
    for name in sys.argv[1:] or ['llama3', 'qwen3', 'spm', 'clip']:
        family(name, documents, data)


main()
