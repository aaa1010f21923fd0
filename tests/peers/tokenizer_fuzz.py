#!/usr/bin/env python3
"""Random tokenizer.json files and texts, through medvl and Hugging Face.

    pip install tokenizers==0.22.2
    make && python3 tests/peers/tokenizer_fuzz.py [SECONDS [SEED [FILE...]]]

Every round trains a small vocabulary behind a random pipeline (all models,
normalizers, pre-tokenizers, processors, decoders and flags of added tokens),
or takes one of the FILEs, and compares ids with and without begin and end
tokens, and decoded texts, on hostile texts.  The first difference of a
pipeline is printed as a JSON line that holds the seed; the last line counts.

Not compared: texts on which Hugging Face panics; characters for which a BPE
has nothing at all (dropped there, an error here); added tokens of other than
ASCII characters in a ByteLevel decoder (their characters are taken for bytes
there); expressions that regex.h refuses.
"""
import collections
import ctypes
import json
import os
import random
import sys
import time

from tokenizers import Tokenizer, models, trainers

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
BUILD = os.environ.get('BUILD', os.path.join(ROOT, 'build/release'))
GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
        r"|\s+(?!\S)|\s+")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}"
         r"\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?"
         r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
         r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+"
         r"[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
REGEXES = [GPT2, LLAMA3, O200K, r'\s+', r'\w+', r'\p{N}{1,3}+', r'[a-z]+',
           r'\b', r'\d', r'^\s|\s$', r'(?i)the|st', r'[^\w\s]', r'x*',
           r'\p{L}+|\p{N}+', r'[0-9][0-9][0-9]', r'[一-龥ぁ-ん]+', r'\h+',
           r'\s++$|\s', r' (?=\p{Lu})', r'[[:punct:]]', r'.', r'(?m).',
           r"'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"]
PARTS = ['the ', 'of', ' lung', 'Nodule', 'effusion', 'a', 'b', 'c', 'st',
         ' ', '  ', '   ', '\n', '\r\n', '\t', '\u00a0', '\u2003', '\u3000',
         '\u0085', '\u2028', '\u1680', '\u200b', '\u200d', '\ufeff', '\ufffd',
         '\u180e', '\x00', '\x01', '\x0b', '\x0c', '\x1f', '\x7f', '\x8f',
         '\xad', '1', '12', '345', '6789', '½', '²', '①', 'Ⅷ', '٣', '.',
         ',', '!', '?', "'s", "'S", "'ſ", "n't", ' do not', '-', '_', '#',
         '##', '$', '+', '~', '`', '^', '…', '¿', '«', '–', '、', '。', '％',
         'é', 'e\u0301', 'E\u0301\u0323', 'ñ', 'Å', '\u212b', 'ö', 'ß', 'ẞ',
         'İ', 'ı', 'ǅ', 'Σ', 'ς', 'ﬁ', 'ﬀ', '\u0301', '\u0323\u0301', '\u0345',
         '\u0334', '胸部', 'X線', '写真', 'か\u3099', 'ｶﾞ', 'ガ', 'ー', 'ア',
         'ひら', '각', '\u1100\u1161\u11a8', 'ㄱ', 'ﾡ', '한국', 'привет',
         'ΑΒΓ', 'שלום', 'مرحبا', 'हिन्दी', 'ไทย', 'ຳ', '\U0001f44d',
         '\U0001f44d\U0001f3fd', '👩\u200d⚕️', '🇩🇪', '\U0001d400', '𠮷',
         '\U00010400', '\ue000', '\U000e0041', '▁', '▁▁', '</w>', '<unk>',
         '<0x41>', '<s>', '</s>', '[CLS]', '[MASK]', '<image>',
         '<image><image>', 'word', 'café', 'nai\u0308ve', '|', '<pad>', 'Ġ',
         'Ċ', 'Ā', '\\', '"', '<', '>', '\u0958', '\u0344', '\u0f73', '㍿',
         '\ufdfa', 'ŀ', '℀', '\u1e9b\u0323', '\u2126', '\uf900']
ADDED = ['<s>', '</s>', '[CLS]', '[MASK]', '<image>', '<image><image>',
         'word', 'café', 'nai\u0308ve', 'WORD', ' lung', '12', '胸', '▁',
         'é', '<|x|>', '\n', '!', '...', 'Σ', '\u212b']


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


# ---- random pipelines ----------------------------------------------------

def normalizer(r, depth=0):
    kind = r.randrange(17 if depth == 0 else 16)
    if kind < 4:
        return {'type': ['NFC', 'NFD', 'NFKC', 'NFKD'][kind]}
    if kind < 8:
        return {'type': ['Lowercase', 'StripAccents', 'Nmt', 'ByteLevel'
                         if r.random() < .2 else 'Lowercase'][kind - 4]}
    if kind < 10:
        return {'type': 'BertNormalizer', 'clean_text': r.random() < .7,
                'handle_chinese_chars': r.random() < .7,
                'strip_accents': r.choice([None, True, False]),
                'lowercase': r.random() < .5}
    if kind == 10:
        return {'type': 'Strip', 'strip_left': r.random() < .5,
                'strip_right': r.random() < .5}
    if kind == 11:
        return {'type': 'Prepend', 'prepend': r.choice(['▁', ' ', 'ab'])}
    if kind < 15:
        return {'type': 'Replace', 'pattern': pattern(r),
                'content': r.choice(['▁', ' ', '', 'xy', 'é'])}
    return {'type': 'Sequence', 'normalizers': [
        normalizer(r, depth + 1) for _ in range(r.randrange(4))]} \
        if depth < 3 else {'type': 'NFC'}


def pattern(r):
    if r.random() < .5:
        return {'String': r.choice([' ', '  ', 'a', 'st', '.', "'", '\n'])}
    return {'Regex': r.choice(REGEXES)}


BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext',
             'Contiguous']


def pre_tokenizer(r, depth=0):
    kind = r.randrange(20)
    if kind < 4:
        return {'type': ['Whitespace', 'WhitespaceSplit', 'BertPreTokenizer',
                         'UnicodeScripts'][kind]}
    if kind < 8:
        return {'type': 'Split', 'pattern': pattern(r),
                'behavior': r.choice(BEHAVIORS),
                'invert': r.random() < .3}
    if kind < 11:
        return {'type': 'ByteLevel', 'add_prefix_space': r.random() < .5,
                'trim_offsets': True, 'use_regex': r.random() < .6}
    if kind < 14:
        return {'type': 'Metaspace', 'replacement': r.choice('▁▁_'),
                'prepend_scheme': r.choice(['always', 'first', 'never']),
                'split': r.random() < .6}
    if kind == 14:
        return {'type': 'Punctuation', 'behavior': r.choice(BEHAVIORS)}
    if kind == 15:
        return {'type': 'Digits', 'individual_digits': r.random() < .5}
    if kind == 16:
        return {'type': 'CharDelimiterSplit', 'delimiter': r.choice(' -a')}
    if kind == 17:
        return {'type': 'FixedLength', 'length': r.randrange(1, 6)}
    return {'type': 'Sequence', 'pretokenizers': [
        pre_tokenizer(r, depth + 1) for _ in range(r.randrange(4))]} \
        if depth < 3 else {'type': 'WhitespaceSplit'}


def decoder(r, depth=0):
    kind = r.randrange(12)
    if kind < 3:
        return {'type': 'ByteLevel', 'add_prefix_space': True,
                'trim_offsets': True, 'use_regex': True}
    if kind < 5:
        return {'type': ['ByteFallback', 'Fuse'][kind - 3]}
    if kind == 5:
        return {'type': 'Strip', 'content': r.choice(' ▁a'),
                'start': r.randrange(3), 'stop': r.randrange(2)}
    if kind == 6:
        return {'type': 'Replace', 'pattern': pattern(r),
                'content': r.choice([' ', '', 'x'])}
    if kind == 7:
        return {'type': 'Metaspace', 'replacement': '▁', 'split': True,
                'prepend_scheme': r.choice(['always', 'first', 'never'])}
    if kind == 8:
        return {'type': 'WordPiece', 'prefix': r.choice(['##', '']),
                'cleanup': r.random() < .7}
    if kind == 9:
        return {'type': 'BPEDecoder', 'suffix': '</w>'}
    if kind == 10:
        return {'type': 'CTC', 'pad_token': '<pad>',
                'word_delimiter_token': '|', 'cleanup': r.random() < .7}
    return {'type': 'Sequence', 'decoders': [
        decoder(r, depth + 1) for _ in range(r.randrange(1, 5))]} \
        if depth < 3 else {'type': 'Fuse'}


LLAMA2 = {'type': 'Sequence', 'decoders': [
    {'type': 'Replace', 'pattern': {'String': '▁'}, 'content': ' '},
    {'type': 'ByteFallback'}, {'type': 'Fuse'},
    {'type': 'Strip', 'content': ' ', 'start': 1, 'stop': 0}]}


def text(r, most=14):
    out = []
    for _ in range(r.randrange(most)):
        if r.random() < .08:  # up to what Unicode 14 had
            c = r.choice([r.randrange(0x3000), r.randrange(0xA000, 0xD7FF),
                          r.randrange(0xF900, 0x10000),
                          r.randrange(0x1F300, 0x1FA00)])
            out.append(chr(c))
        else:
            out.append(r.choice(PARTS))
    return ''.join(out)


def file(r):
    """A tokenizer.json that Hugging Face opens, as a tree."""
    kind = r.choice(['BPE', 'BPE', 'BPE', 'Unigram', 'WordPiece',
                     'WordLevel'])
    tree = {'version': '1.0', 'truncation': None, 'padding': None,
            'added_tokens': [],
            'normalizer': normalizer(r) if r.random() < .6 else None,
            'pre_tokenizer': pre_tokenizer(r) if r.random() < .8 else None,
            'post_processor': None,
            'decoder': r.choice([None, LLAMA2, decoder(r), decoder(r)]),
            'model': json.loads(Tokenizer(getattr(models, kind)())
                                .to_str())['model']}
    if kind == 'Unigram':
        tree['model']['vocab'], tree['model']['unk_id'] = [['<unk>', 0]], 0
    tok = Tokenizer.from_str(json.dumps(tree))
    args = dict(vocab_size=r.choice([120, 300, 600]), show_progress=False)
    if kind == 'Unigram':
        args['unk_token'] = '<unk>'
        args['special_tokens'] = ['<unk>']
    elif r.random() < .7:
        args['special_tokens'] = ['<unk>']
    if kind == 'BPE':
        if r.random() < .25:
            args['end_of_word_suffix'] = '</w>'
        if r.random() < .15:
            args['continuing_subword_prefix'] = '##'
    lines = [text(r, 30).replace('\0', '') for _ in range(60)]
    if r.random() < .6:  # so that there are characters without a token
        lines = [''.join(c for c in x if ord(c) < 0x100 or ord(c) % 3)
                 for x in lines]
    tok.train_from_iterator(lines, getattr(trainers, kind + 'Trainer')(
        **args))
    tree = json.loads(tok.to_str())
    model = tree['model']
    model_options(r, kind, model)
    tree['added_tokens'] = added(r, kind, model)
    tree['post_processor'] = processor(r, tree)
    return tree


def model_options(r, kind, model):
    vocab = model['vocab']
    if kind in ('BPE', 'Unigram') and r.random() < .5:
        model['byte_fallback'] = True
        for i in range(256):
            name = '<0x%02X>' % i
            if kind == 'Unigram':
                vocab.append([name, -30.0])
            elif r.random() < .999:
                vocab.setdefault(name, len(vocab))
    if kind == 'BPE':
        model['unk_token'] = '<unk>' if '<unk>' in vocab else None
        model['fuse_unk'] = r.random() < .5
        model['ignore_merges'] = r.random() < .3
        if r.random() < .3:
            model['merges'] = [' '.join(m) for m in model['merges']
                               if not any(' ' in x for x in m)]
        if r.random() < .4:  # Hugging Face needs all characters
            for b in range(256):
                c = chr(b) if 33 <= b <= 126 or 161 <= b != 173 else None
                if c:
                    vocab.setdefault(c, len(vocab))
    if kind in ('WordPiece', 'WordLevel') and '<unk>' in vocab:
        model['unk_token'] = '<unk>'
    if kind == 'WordPiece':
        model['max_input_chars_per_word'] = r.choice([100, 5])


def added(r, kind, model):
    names = [x[0] for x in model['vocab']] if kind == 'Unigram' \
        else model['vocab']
    ids = {x: i for i, x in enumerate(names)} if kind == 'Unigram' else names
    out, size = {}, len(names)
    for name in r.sample(ADDED, r.randrange(8)):
        if name not in ids:
            out[name] = size
            size += 1
        else:
            out[name] = ids[name]
    return [{'id': i, 'content': name, 'single_word': r.random() < .2,
             'lstrip': r.random() < .2, 'rstrip': r.random() < .2,
             'normalized': r.random() < .4, 'special': r.random() < .5}
            for name, i in sorted(out.items(), key=lambda x: x[1])]


def processor(r, tree):
    tokens = [[t['content'], t['id']] for t in tree['added_tokens']]
    if not tokens or r.random() < .4:
        return None
    a, b = r.choice(tokens), r.choice(tokens)
    kind = r.randrange(4)
    if kind == 0:
        return {'type': 'BertProcessing', 'sep': a, 'cls': b}
    if kind == 1:
        return {'type': 'RobertaProcessing', 'sep': a, 'cls': b,
                'trim_offsets': True, 'add_prefix_space': False}
    special = {x[0]: {'id': x[0], 'ids': [x[1]], 'tokens': [x[0]]}
               for x in (a, b)}
    single = [{'SpecialToken': {'id': a[0], 'type_id': 0}},
              {'Sequence': {'id': 'A', 'type_id': 0}}]
    if r.random() < .5:
        single.append({'SpecialToken': {'id': b[0], 'type_id': 0}})
    template = {'type': 'TemplateProcessing', 'single': single,
                'pair': single + [{'Sequence': {'id': 'B', 'type_id': 1}}],
                'special_tokens': special}
    if kind == 2:
        return template
    return {'type': 'Sequence', 'processors': [
        {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': True,
         'use_regex': True}, template]}


# ---- comparing -----------------------------------------------------------

def drops(tree):
    """A BPE that drops characters for which it has nothing."""
    model = tree['model']
    return model['type'] == 'BPE' and not (
        model.get('unk_token') and model['unk_token'] in model['vocab'])


def odd_bytes(tree):
    return 'ByteLevel' in json.dumps(tree['decoder']) and any(
        not t['content'].isascii() for t in tree['added_tokens'])


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


def made(seed, count):
    """A random file, opened by both; None where one refuses."""
    try:
        tree = file(random.Random(seed))
        hugging = Tokenizer.from_str(json.dumps(tree))
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
            found = compare(*both, text(r), count)
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
