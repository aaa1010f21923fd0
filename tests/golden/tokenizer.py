#!/usr/bin/env python3
"""Write tests/golden/tokenizer with Hugging Face tokenizers.

texts.txt     what is trained on, a text a line
NAME.json     400 entries learnt from it with the pattern NAME
flags.json    the llama3 one, with NFC, a template that adds begin and end,
              and added tokens with every flag
flags.jsonl   texts and their ids by flags.json, without begin and end

    pip install tokenizers==0.22.2
    python3 tests/golden/tokenizer.py
"""
import json
import os
import random

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


main()
