#!/usr/bin/env python3
"""Write tests/golden/vocabulary: small models and what they make of texts.

words_*.jsonl    models, each with cases, by Hugging Face tokenizers: vocab
                 (piece, score or id), unk, byte_fallback, prefix, max, whole;
                 cases of text, ids and ends, or an error
charsmap.jsonl   texts and what the normalizer Precompiled makes of them with
                 charsmap.bin, that of unigram.model
charsmap_returns.*  the same, of a map with "\\r" and "\\n"
made_*           as NAME.*, of models put together here
NAME.model       SentencePiece models of a few hundred pieces, learnt from
NAME.jsonl       texts of this script, and texts with their ids and, where
                 no byte pieces are, ends

    pip install tokenizers==0.22.2 sentencepiece==0.2.1 protobuf==7.36.2
    python3 tests/golden/vocabulary.py
    pip install sentencepiece==0.2.3
    python3 tests/golden/vocabulary.py made

(0.2.3 gives users' pieces the scores that are expected here, but takes no
rule that changes nothing.)
"""
import json
import os
import random
import sys
import tempfile

import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import Tokenizer, models, normalizers

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'vocabulary')
LETTERS = 'abcdé胸x\U0001f600 ▁'
RULES = [('\t', ' '), ('\n', ' '), ('\u00a0', ' '), ('\u3000', ' '),
         ('\ufb01', 'fi'), ('\u2460', '1'), ('\u00b5', '\u03bc'),
         ('e\u0301', 'é'), ('\u00e9', 'é'), ('\u200b', ''), ('A', 'a'),
         ('\u1112\u1161', '\ud558'), ('\u00bd', '1\u20442')]
PARTS = ['<image>', '<ima', 'ray', '\n', '  ', ' ', ' ', '▁', '▁▁', '\ufb01',
         '\u2460', '\uac01', '\u200b', '\u00a0', '\t', '\U0001f600', 'é',
         'e\u0301', '<unk>', '<s>', '<0x41>', '\x01', '\u3000', 'the', '123',
         '—', 'Chest', 'radiograph', ' nodule', 'a', 'A', 'pleural', '.',
         '\u00b5', '\u00bd', '\u1112\u1161\u11ab', 'X', '\U0001f44d']


def lines(name, items):
    with open(os.path.join(OUT, name), 'w') as f:
        for item in items:
            f.write(json.dumps(item, ensure_ascii=False) + '\n')


def word(rng, most):
    return ''.join(rng.choice(LETTERS) for _ in range(rng.randint(1, most)))


def cases(tok, texts):
    for text in texts:
        try:
            got = tok.encode(text)
        except Exception:
            yield {'text': text, 'error': True}
            continue
        yield {'text': text, 'ids': got.ids,
               'ends': [len(text[:o[1]].encode()) for o in got.offsets]}


def unigram(rng):
    for number in range(12):
        vocab = {word(rng, 6): rng.choice(
            [-1.5, -2.0, -3.25, -rng.random() * 12, -4])
            for _ in range(rng.randint(5, 40))}
        vocab = list(vocab.items()) + [('<unk>', 0.0)]
        unk = len(vocab) - 1
        fallback = number % 3 == 1
        if fallback:
            vocab += [('<0x%02X>' % i, -9.0) for i in range(
                256 if number % 2 else 200)]
        if number == 5:
            vocab.append(vocab[0])  # a token twice
        if number == 8:
            unk = None
        tok = Tokenizer(models.Unigram(vocab, unk, fallback))
        texts = [word(rng, 30) + rng.choice(['', '<unk>', '<0x41>']) +
                 rng.choice(['', 'zz', 'b']) for _ in range(40)]
        yield {'vocab': vocab, 'unk': -1 if unk is None else unk,
               'byte_fallback': fallback, 'cases': list(cases(tok, texts))}


def wordpiece(rng):
    for number in range(12):
        vocab = {}
        for _ in range(rng.randint(5, 50)):
            piece = rng.choice(['', '##']) + word(rng, 4)
            vocab.setdefault(piece, len(vocab))
        if number != 7:
            vocab.setdefault('[UNK]', len(vocab))
        prefix = ['##', '', '#', '##'][number % 4]
        most = [100, 8, 3][number % 3]
        whole = number >= 10
        tok = Tokenizer(
            models.WordLevel(vocab, unk_token='[UNK]') if whole else
            models.WordPiece(vocab, unk_token='[UNK]',
                             max_input_chars_per_word=most,
                             continuing_subword_prefix=prefix))
        texts = [rng.choice([
            word(rng, 10), rng.choice(list(vocab)),
            ''.join(rng.choices(list(vocab), k=3)).replace('##', '') + 'a'])
            for _ in range(40)]
        yield {'vocab': list(vocab.items()), 'prefix': prefix, 'max': most,
               'whole': whole, 'cases': list(cases(tok, texts))}


def reports(rng):
    what = ['Chest radiograph', 'CT of the abdomen', 'Axial T1 image', 'MRI']
    find = ['a 12 mm nodule', 'pleural effusion', 'no pneumothorax', 'café',
            'ground-glass opacities', '肺に結節', 'a fracture (4th rib)']
    for _ in range(300):
        yield '%s shows %s.' % (rng.choice(what), rng.choice(find))


def sentencepiece(rng, folder, name, **options):
    text = os.path.join(folder, 'text')
    rules = os.path.join(folder, 'rules')
    with open(text, 'w') as f:
        f.writelines(line + '\n' for line in reports(random.Random(1)))
    with open(rules, 'w') as f:
        for a, b in RULES:
            f.write('%s\t%s\n' % (' '.join('%X' % ord(c) for c in a),
                                  ' '.join('%X' % ord(c) for c in b)))
    if options.pop('rules', False):
        options['normalization_rule_tsv'] = rules
    else:
        options['normalization_rule_name'] = 'identity'
    path = os.path.join(OUT, name)
    spm.SentencePieceTrainer.train(
        input=text, model_prefix=path, hard_vocab_limit=False, minloglevel=2,
        num_threads=1, **options)
    os.remove(path + '.vocab')
    model = proto.ModelProto()
    with open(path + '.model', 'rb') as f:
        model.ParseFromString(f.read())
    for field in ('input', 'model_prefix'):
        model.trainer_spec.ClearField(field)
    model.normalizer_spec.ClearField('normalization_rule_tsv')
    with open(path + '.model', 'wb') as f:
        f.write(model.SerializeToString())
    p = spm.SentencePieceProcessor(model_file=path + '.model')
    out = []
    for _ in range(250):
        text = ''.join(rng.choice(PARTS) for _ in range(rng.randrange(14)))
        case = {'text': text, 'ids': p.encode(text)}
        if not options.get('byte_fallback'):
            pieces = p.encode(text, out_type='immutable_proto').pieces
            case['ends'] = [len(text[:x.end].encode()) for x in pieces]
        out.append(case)
    lines(name + '.jsonl', out)
    return model


NORMAL, UNKNOWN, USER, BYTE = 1, 2, 4, 6


def made(name, pieces, texts, unigram):
    """A model of these pieces, which no training gives."""
    model = proto.ModelProto()
    for piece, score, kind in pieces:
        model.pieces.add(piece=piece, score=score, type=kind)
    model.trainer_spec.model_type = 1 if unigram else 2
    model.trainer_spec.byte_fallback = not unigram
    model.normalizer_spec.name = 'identity'
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    with open(os.path.join(OUT, name + '.model'), 'wb') as f:
        f.write(model.SerializeToString())
    p = spm.SentencePieceProcessor(model_proto=model.SerializeToString())
    lines(name + '.jsonl', [{'text': t, 'ids': p.encode(t)} for t in texts])


def makes():
    """Scores on each side of a user's piece and of the unknown one; spaces
    of which no piece is."""
    made('made_scores', [('<unk>', 0, UNKNOWN)] +
         [(p, 0.06, NORMAL) for p in 'xy'] + [('xy', 0, USER)] +
         [(p, 0.04, NORMAL) for p in 'wv'] + [('wv', 0, USER)] +
         [(p, -5, NORMAL) for p in ('pq', 'r', 's')] +
         [('qrs', -0.5, NORMAL)],
         ['xy', 'wv', 'pqrs', 'xyzwv', 'wvxy'], True)
    made('made_spaces', [('<unk>', 0, UNKNOWN), ('a', -1, NORMAL),
                         ('b', -2, NORMAL)] +
         [('<0x%02X>' % i, 0, BYTE) for i in range(256)],
         ['a b', ' ', 'a  \u2581b', '\u00e9 a'], False)


def returns(folder):
    """A map with both ends of a line, which are one character together."""
    text = os.path.join(folder, 'text')
    rules = os.path.join(folder, 'rules')
    with open(rules, 'w') as f:
        f.write('D\t20\nA\t20\n')
    spm.SentencePieceTrainer.train(
        input=text, model_prefix=os.path.join(folder, 'returns'),
        hard_vocab_limit=False, minloglevel=2, vocab_size=150, num_threads=1,
        normalization_rule_tsv=rules)
    model = proto.ModelProto()
    with open(os.path.join(folder, 'returns.model'), 'rb') as f:
        model.ParseFromString(f.read())
    table = model.normalizer_spec.precompiled_charsmap
    with open(os.path.join(OUT, 'charsmap_returns.bin'), 'wb') as f:
        f.write(table)
    table = normalizers.Precompiled(table)
    texts = ['\r', '\n', '\r\n', 'a\r\nb', 'a\n\rb', '\r\r\n\n', 'a\rb']
    lines('charsmap_returns.jsonl', [
        {'text': t, 'normal': table.normalize_str(t)} for t in texts])


def main():
    if sys.argv[1:] == ['made']:
        makes()
        return
    rng = random.Random(1)
    os.makedirs(OUT, exist_ok=True)
    lines('words_unigram.jsonl', unigram(rng))
    lines('words_wordpiece.jsonl', wordpiece(rng))
    users = ['<image>', '<ima', 'ray', '\n']
    with tempfile.TemporaryDirectory() as folder:
        model = sentencepiece(rng, folder, 'unigram', vocab_size=150,
                              model_type='unigram', rules=True)
        sentencepiece(rng, folder, 'unigram_bytes', vocab_size=420,
                      model_type='unigram', byte_fallback=True,
                      user_defined_symbols=users,
                      remove_extra_whitespaces=False)
        sentencepiece(rng, folder, 'bpe', vocab_size=200, model_type='bpe',
                      rules=True)
        sentencepiece(rng, folder, 'bpe_bytes', vocab_size=450,
                      model_type='bpe', byte_fallback=True,
                      user_defined_symbols=users, split_digits=True,
                      remove_extra_whitespaces=False)
        sentencepiece(rng, folder, 'bpe_suffix', vocab_size=200,
                      model_type='bpe', treat_whitespace_as_suffix=True,
                      rules=True, user_defined_symbols=users)
        sentencepiece(rng, folder, 'bpe_across', vocab_size=250,
                      model_type='bpe', split_by_whitespace=False,
                      add_dummy_prefix=False)
        returns(folder)
    table = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
    texts = [''.join(rng.choice(PARTS + ['\u0301', '\r']) for _ in range(
        rng.randrange(10))) for _ in range(300)]
    with open(os.path.join(OUT, 'charsmap.bin'), 'wb') as f:
        f.write(model.normalizer_spec.precompiled_charsmap)
    lines('charsmap.jsonl', [{'text': t, 'normal': table.normalize_str(t)}
                             for t in texts])


main()
