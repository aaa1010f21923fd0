#!/usr/bin/env python3
"""medvl-shard and mosaicml-streaming over the same records, both ways.

    pip install mosaicml-streaming==0.13.0 numpy==2.1.3
    PATH=build/release/bin:$PATH python3 tests/peers/shard.py [PICTURE ...]

Writes records with unlike shards (zstd, xxh64) by medvl-shard and reads them
by StreamingDataset, then writes the same by MDSWriter and reads them by
medvl-inspect: tokens, masks, records and picture bytes must be equal.  The
last line is JSON with the seconds each took to write (medvl-shard also
parses the records, hashes the pictures and syncs the disk).
"""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
from streaming import MDSWriter, StreamingDataset

COLUMNS = {'record': 'json', 'tokens': 'ndarray:int32',
           'loss_mask': 'ndarray:uint8', 'images': 'bytes'}
RECORDS = 600
LIMIT = 1 << 20


def make(folder, pictures):
    """Records and, beside each, what its sample must hold."""
    draw = random.Random(1)
    if not pictures:
        for i in range(5):
            pictures.append(os.path.join(folder, f'{i}.bin'))
            with open(pictures[-1], 'wb') as out:
                out.write(draw.randbytes(20000 + 7000 * i))
    pairs = []
    for i in range(RECORDS):
        tokens = [draw.randrange(1 << 17) for _ in range(draw.randrange(1, 900))]
        mask = [draw.randrange(2) for _ in tokens]
        paths = [draw.choice(pictures) for _ in range(draw.choice((0, 1, 1, 2)))]
        record = {'id': f'r{i}', 'question': 'o\u00f9 \U0001fac1?', 'n': i / 7}
        images = [{'path': path, 'modality': 'CR'} for path in paths]
        pairs.append(({**record, 'images': images, 'tokens': tokens,
                       'loss_mask': mask},
                      (record, tokens, mask, paths)))
    return pairs


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def pack(paths):
    files = [read(path) for path in paths]
    return struct.pack('<I', len(files)) + b''.join(
        struct.pack('<I', len(f)) + f for f in files)


def raw_hashes(folder):
    with open(os.path.join(folder, 'index.json')) as file:
        return [s['raw_data']['hashes']['xxh64'] for s in json.load(file)['shards']]


def ours_through_streaming(folder, pairs):
    data = StreamingDataset(local=folder, validate_hash='xxh64', shuffle=False,
                            batch_size=1)
    assert data.num_samples == len(pairs)
    for i, (_, (record, tokens, mask, paths)) in enumerate(pairs):
        sample = data[i]
        assert np.array_equal(sample['tokens'], np.array(tokens, np.int32))
        assert np.array_equal(sample['loss_mask'], np.array(mask, np.uint8))
        assert sample['images'] == pack(paths)
        images = sample['record'].pop('images')
        assert sample['record'] == record
        assert all(sorted(image) == ['hash', 'modality'] for image in images)


def theirs_through_ours(folder, pairs):
    lines = subprocess.run(['medvl-inspect', folder], check=True,
                           capture_output=True).stdout.splitlines()
    assert len(lines) == len(pairs)
    for line, (_, (record, tokens, mask, _)) in zip(lines, pairs):
        got = json.loads(line)
        assert got.pop('tokens') == tokens and got.pop('loss_mask') == mask
        for n, image in enumerate(got.pop('images')):
            assert image['shard'] == folder and image['index'][1] == n
        assert got == record


def main():
    with tempfile.TemporaryDirectory() as folder:
        pairs = make(folder, sys.argv[1:])
        source = os.path.join(folder, 'records.jsonl')
        with open(source, 'w') as out:
            for line, _ in pairs:
                print(json.dumps(line), file=out)
        ours, theirs = (os.path.join(folder, name) for name in ('a', 'b'))

        start = time.perf_counter()
        subprocess.run(['medvl-shard', '-o', ours, '--size-limit', str(LIMIT),
                        source], check=True)
        mine = time.perf_counter() - start

        stored = [json.loads(line) for line in subprocess.run(
            ['medvl-inspect', ours], check=True,
            capture_output=True).stdout.splitlines()]
        start = time.perf_counter()
        with MDSWriter(out=theirs, columns=COLUMNS, compression='zstd',
                       hashes=['xxh64'], size_limit=LIMIT) as out:
            for view, (_, (_, tokens, mask, paths)) in zip(stored, pairs):
                for image in view['images']:
                    del image['shard'], image['index']
                record = {k: v for k, v in view.items()
                          if k not in ('tokens', 'loss_mask')}
                out.write({'record': record, 'images': pack(paths),
                           'tokens': np.array(tokens, np.int32),
                           'loss_mask': np.array(mask, np.uint8)})
        other = time.perf_counter() - start

        theirs_through_ours(theirs, pairs)
        ours_through_streaming(ours, pairs)
        print(json.dumps({'shards': len(raw_hashes(ours)),
                          'records': len(pairs), 'equal': True,
                          'medvl_s': round(mine, 3),
                          'streaming_s': round(other, 3),
                          'ratio': round(other / mine, 2)}))


main()
