#!/usr/bin/env python3
"""Where the characters of normalised texts begin, by Hugging Face's count.

    pip install tokenizers==0.22.2
    python3 tests/golden/starts.py

Writes tokenizer/starts.jsonl: a normalizer, a text, what comes out, and for
each of its characters the character of the text that it begins with.
"""
import json
import os
import random

from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from tokenizer_random import normalizer, text

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tokenizer')
FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD']
MARKS = ['a', 'e', 's', 'E', 'ẛ', 'Å', '\u0301', '\u0323', '\u0334',
         '\u0344', '\u0f73', '\u0345', '\u1100', '\u1161', '\u11a8',
         '각', 'ﾡ', '㍿', '\x8f', 'か', '\u3099', 'ｶ', 'ﾞ', '\u0958', ' ', '\x01']


def tokenizer(part):
    tok = Tokenizer(models.WordLevel({'u': 0}, unk_token='u'))
    tree = json.loads(tok.to_str())
    tree['normalizer'] = part
    tok = Tokenizer.from_str(json.dumps(tree))
    tok.pre_tokenizer = pre_tokenizers.Split(Regex('(?m).'), 'isolated')
    return tok


def case(part, line):
    tok = tokenizer(part)
    return {'normalizer': part, 'text': line,
            'to': tok.normalizer.normalize_str(line),
            'starts': [a for a, _ in tok.encode(line).offsets]}


def main():
    r = random.Random(1)
    with open(os.path.join(OUT, 'starts.jsonl'), 'w') as f:
        for i in range(600):
            if i < 300:
                part = {'type': FORMS[i % 4]}
                line = ''.join(r.choice(MARKS) for _ in range(1 + i % 7))
            else:
                part, line = normalizer(r), text(r, 6).replace('\0', '')
            f.write(json.dumps(case(part, line), separators=(',', ':'))
                    + '\n')


main()
