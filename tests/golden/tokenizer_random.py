"""Random tokenizer.json files and hostile texts, of a seeded generator.

Every part of the format comes up: models, normalizers, pre-tokenizers,
processors, decoders and flags of added tokens.  Characters are those that
Unicode 14 has.  Used by tokenizer.py and ../peers/tokenizer_fuzz.py, which
also takes what widen() adds, file(hold=True) and known().
"""
import json
import unicodedata  # of Python 3.11: Unicode 14

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

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
           r'\b', r'\d', r'^\s|\s$', r'(?i)the|s+t', r'[^\w\s]', r'x*',
           r'\p{L}+|\p{N}+', r'[0-9][0-9][0-9]', r'[一-龥ぁ-ん]+', r'\h+',
           r'\s++$|\s', r' (?=\p{Lu})', r'[[:punct:]]', r'.', r'(?m).',
           r"'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
           r'\p{Han}+|\p{Hiragana}+', r'[\p{Greek}\p{Cyrillic}]+|\P{Latin}']
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

CLIP = (r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
PLAIN = ['covid', 'COVID', 'Covid', 'CT', 'ct', "don't", "IT'S", "we'LL", "'d",
         'a', 'X', 'lung', 'Lungs', '12', '3.5mm', 'T2*', '--', '(r/o)', '</w>',
         '##s', 'un##s', '[SEP]', '<|endoftext|>', '\x7f', 'a\x01b', '\t', '\n',
         '_', 'x' * 120, 'Ab' * 140, '!' * 300, 'word', 'WORD', 'The', 'of']


def widen():
    """What came up later; the committed files are made without it."""
    REGEXES.extend([
        CLIP, r'\x{e9}+|\x{41}', r'[\x{3b1}-\x{3c9}\x41]+', r'\u00e9|\x61',
        r'a{2}?', r' {1,2}?', r'(?:st){1}+', r'[0-9]{2}?[a-z]', r'a{,2}',
        r'a{,}', r'\pL', r'\P{L}+\P{N}', r'\V', r'.*\R', r'(?=\p{L})x?[eé]+',
        r'\p{Lu}{2}?\p{Ll}', r'[\101-\x{5A}]+', r'a(?#b)+', r'\Qa\E'])
    ADDED.extend(['COVID', 'CT', 'Ab', 'Z', '[SEP]', 'ß', 'İ', 'a', 'st',
                  ' the', '\u00a0', 'WO', '##s', '</w>', '1'])
    PARTS.extend(['COVID', 'Covid', 'CT', 'Z', '[SEP]', 'WOrd', 'pL', 'aaa'])


def plain(r):
    """A text of words mostly in ASCII, with white space between them."""
    return ''.join(r.choice(PLAIN if r.random() < .95 else PARTS) +
                   r.choice([' ', ' ', ' ', '  ', '\n', '', ', '])
                   for _ in range(r.randrange(14)))


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
            if unicodedata.category(chr(c)) != 'Cn':
                out.append(chr(c))
        else:
            out.append(r.choice(PARTS))
    return ''.join(out)


def file(r, sizes=(120, 300, 600), hold=False):
    """A tokenizer.json that Hugging Face opens, as a tree.

    hold: some added tokens are of the model's vocabulary too.
    """
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
    args = dict(vocab_size=r.choice(sizes), show_progress=False)
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
    tok.train_from_iterator(lines, getattr(
        trainers, (kind if kind != 'BPE' else 'Bpe') + 'Trainer')(
        **args))
    tree = json.loads(tok.to_str())
    model = tree['model']
    model_options(r, kind, model)
    if hold:
        hold_added(r, kind, model['vocab'])
    tree['added_tokens'] = added(r, kind, model)
    tree['post_processor'] = processor(r, tree)
    return tree


def hold_added(r, kind, vocab):
    names = [x[0] for x in vocab] if kind == 'Unigram' else vocab
    for name in r.sample(ADDED, 8):
        if name not in names and kind == 'Unigram':
            vocab.append([name, -r.randrange(1, 12)])
        elif name not in names:
            vocab[name] = max(vocab.values(), default=-1) + 1


def known(r):
    """CLIP's pipeline or BERT's, with vocabularies of their kind."""
    clip = r.random() < .5
    regex = CLIP if r.random() < .5 else \
        r'<\|startoftext\|>|<\|endoftext\|>|' + CLIP
    tree = json.loads(Tokenizer(models.BPE() if clip else
                                models.WordPiece()).to_str())
    if clip:
        args = dict(end_of_word_suffix='</w>', special_tokens=[
            '<|startoftext|>', '<|endoftext|>'])
        tree['normalizer'] = {'type': 'Sequence', 'normalizers': [
            {'type': 'NFC'}, {'type': 'Replace', 'content': ' ',
                              'pattern': {'Regex': r'\s+'}},
            {'type': 'Lowercase'}]}
        tree['pre_tokenizer'] = {'type': 'Sequence', 'pretokenizers': [
            {'type': 'Split', 'pattern': {'Regex': regex},
             'behavior': 'Removed', 'invert': True},
            {'type': 'ByteLevel', 'add_prefix_space': False,
             'trim_offsets': True, 'use_regex': r.random() < .5}]}
        tree['decoder'] = {'type': 'ByteLevel', 'add_prefix_space': True,
                           'trim_offsets': True, 'use_regex': True}
    else:
        args = dict(special_tokens=['<unk>'])
        tree['normalizer'] = {
            'type': 'BertNormalizer', 'clean_text': r.random() < .8,
            'handle_chinese_chars': r.random() < .8,
            'strip_accents': r.choice([None, True, False]),
            'lowercase': r.random() < .5}
        tree['pre_tokenizer'] = {'type': 'BertPreTokenizer'}
        tree['decoder'] = {'type': 'WordPiece', 'prefix': '##',
                           'cleanup': r.random() < .5}
    tok = Tokenizer.from_str(json.dumps(tree))
    trainer = trainers.BpeTrainer if clip else trainers.WordPieceTrainer
    tok.train_from_iterator(
        [plain(r).replace('\0', '') for _ in range(80)],
        trainer(vocab_size=r.choice([700, 900]) if clip else 300,
                show_progress=False, **args))
    tree = json.loads(tok.to_str())
    model = tree['model']
    if clip:  # all bytes, within a word and at its end
        for c in sorted(pre_tokenizers.ByteLevel.alphabet()):
            for name in (c, c + '</w>'):
                model['vocab'].setdefault(
                    name, max(model['vocab'].values()) + 1)
        model['unk_token'] = '<|endoftext|>'
    else:
        model['unk_token'] = '<unk>'
    if r.random() < .5:
        hold_added(r, 'BPE', model['vocab'])
    tree['added_tokens'] = added(r, model['type'], model) \
        if r.random() < .7 else []
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


def drops(tree):
    """A BPE that drops characters for which it has nothing."""
    model = tree['model']
    return model['type'] == 'BPE' and not (
        model.get('unk_token') and model['unk_token'] in model['vocab'])


def odd_bytes(tree):
    return 'ByteLevel' in json.dumps(tree['decoder']) and any(
        not t['content'].isascii() for t in tree['added_tokens'])


def odd_space(tree, tok):
    """An added token that takes the space that another one begins with."""
    def looked_for(t):
        if t['normalized'] and tok.normalizer:
            return tok.normalizer.normalize_str(t['content'])
        return t['content']
    return any(t['rstrip'] for t in tree['added_tokens']) and any(
        looked_for(t)[:1].isspace() for t in tree['added_tokens'])
