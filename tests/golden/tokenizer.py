#!/usr/bin/env python3
"""Write tests/golden/tokenizer with Hugging Face tokenizers.

texts.txt     what is trained on, a text a line
NAME.json     400 entries learnt from it with the pattern NAME
flags.json    the llama3 one, with NFC, a template that adds begin and end,
              and added tokens with every flag
flags.jsonl   texts and their ids by flags.json, without begin and end
parts.jsonl   random tokenizers, so many that every part of the format comes
              up twice, each with texts: ids without and with begin and end,
              and what the first decode to, with and without special tokens

    pip install tokenizers==0.22.2
    python3 tests/golden/tokenizer.py
"""
import json
import os
import random

from tokenizer_random import drops, file, odd_bytes, odd_space, text
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, processors, trainers)

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tokenizer')
TAIL = r"|\s+(?!\S)|\s+"
CL = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s"
      r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+" + TAIL)
PATTERNS = {'llama3': CL % r"\p{N}{1,3}", 'qwen2': CL % r"\p{N}",
            'gpt2': None}


def texts(rng):
    what = ['Chest radiograph', 'CT of the abdomen', 'Axial T1 image', 'MRI',
            'Ultrasound', 'Röntgenaufnahme', '胸部X線写真', 'Panoramic view']
    verb = ['shows', 'demonstrates', 'suggests', 'excludes', "doesn't show"]
    find = ['a 12 mm nodule', 'pleural effusion', 'no pneumothorax',
            'cardiomegaly', 'ground-glass opacities', 'hydronephrosis',
            'an old fracture (4th rib)', 'lymphadenopathy > 1.5 cm']
    side = ['on the left', 'on the right', 'bilaterally', '', 'at T10-L2']
    for _ in range(200):
        yield ' '.join(filter(None, map(rng.choice, (what, verb, find,
                                                     side)))) + \
            rng.choice(['.', '', '!  ', '; follow-up in 6 weeks.'])


def train(name, lines):
    tok = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False,
                                     use_regex=name == 'gpt2')
    if name == 'gpt2':
        tok.pre_tokenizer = level
    else:
        tok.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(PATTERNS[name]), 'isolated'), level])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=400, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tok


def add_flags(tok):
    tok.normalizer = normalizers.NFC()
    tok.add_special_tokens([AddedToken('<s>', special=True),
                            AddedToken('</s>', special=True)])
    tok.add_tokens([
        AddedToken('<left>', lstrip=True), AddedToken('<right>', rstrip=True),
        AddedToken('<both>', lstrip=True, rstrip=True),
        AddedToken('word', single_word=True), AddedToken('<image>'),
        AddedToken('<image><image>', normalized=False),
        AddedToken('caf\u00e9', normalized=True),
        AddedToken('nai\u0308ve', normalized=False), AddedToken('\u00b5g')])
    tok.post_processor = processors.TemplateProcessing(
        single='<s> $A </s>',
        special_tokens=[('<s>', tok.token_to_id('<s>')),
                        ('</s>', tok.token_to_id('</s>'))])


def cases(rng):
    parts = ['<s>', '</s>', '<left>', '<right>', '<both>', 'word', '<image>',
             'caf\u00e9', 'cafe\u0301', 'nai\u0308ve', 'na\u00efve',
             '\u00b5g', ' ', '  ', '\n', '\u3000', 'a', 'A1', '_', '.', 'sh',
             'ows', 'left', '胸部', '\u212b', 'e\u0301', '\u0301', "'s", "'S",
             "'\u017f", '123', '4567', '\u1112\u1161\u11ab', '<', '>', '"',
             '\\', '\t\t', '\r\n', '\U0001f44d\U0001f3fd']
    for _ in range(700):
        yield ''.join(rng.choice(parts) for _ in range(rng.randrange(12)))


def types(tree):
    """All parts of a file, and what is set in its model."""
    if isinstance(tree, dict):
        if 'type' in tree:
            yield tree['type']
        for name in ('behavior', 'prepend_scheme', 'invert', 'split'):
            if name in tree:
                yield '%s %s' % (name, tree[name])
        for name in ('byte_fallback', 'fuse_unk', 'ignore_merges',
                     'end_of_word_suffix', 'continuing_subword_prefix',
                     'unk_token', 'Regex', 'single_word', 'lstrip', 'rstrip'):
            if tree.get(name):
                yield name
        tree = [v for k, v in tree.items() if k not in ('vocab', 'merges')]
    if isinstance(tree, list):
        for value in tree:
            yield from types(value)


def one(seed):
    """A random tokenizer with cases; None where Hugging Face has none."""
    rng = random.Random(seed)
    try:
        tree = file(rng, (80,))
        tok = Tokenizer.from_str(json.dumps(tree))
        vocab = tree['model']['vocab']
        if drops(tree) or odd_bytes(tree) or odd_space(tree, tok) or (
                isinstance(vocab, dict) and len(vocab) <= max(
                    vocab.values())):  # ids with holes
            return None
        out = []
        for _ in range(10):
            x = text(rng).replace('\0', '')
            ids = tok.encode(x, add_special_tokens=False).ids
            out.append({'text': x, 'ids': ids, 'special': tok.encode(x).ids,
                        'decoded': tok.decode(ids, skip_special_tokens=False),
                        'skipped': tok.decode(ids)})
    except BaseException:  # a panic is no Exception
        return None
    return {'file': tree, 'cases': out}


def write_parts():
    seen, seed = {}, 0
    with open(os.path.join(OUT, 'parts.jsonl'), 'w') as f:
        while seed < 3000:
            seed += 1
            found = one(seed)
            if not found:
                continue
            parts = set(types(found['file']))
            if all(seen.get(p, 0) >= 2 for p in parts):
                continue
            for p in parts:
                seen[p] = seen.get(p, 0) + 1
            f.write(json.dumps(found, ensure_ascii=False,
                               separators=(',', ':')) + '\n')
    print(seen)


def main():
    rng = random.Random(1)
    lines = list(texts(rng))
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, 'texts.txt'), 'w') as f:
        f.writelines(line + '\n' for line in lines)
    for name in PATTERNS:
        tok = train(name, lines)
        with open(os.path.join(OUT, name + '.json'), 'w') as f:
            f.write(tok.to_str())
    tok = train('llama3', lines)
    add_flags(tok)
    with open(os.path.join(OUT, 'flags.json'), 'w') as f:
        f.write(tok.to_str())
    with open(os.path.join(OUT, 'flags.jsonl'), 'w') as f:
        for text in cases(rng):
            f.write(json.dumps({
                'text': text,
                'ids': tok.encode(text, add_special_tokens=False).ids},
                ensure_ascii=False) + '\n')
    write_parts()


main()
