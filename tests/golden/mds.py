#!/usr/bin/env python3
"""Write tests/golden/mds_streaming with mosaicml-streaming.

tests/unit/test_shard_mds.c computes the same samples by the same formulas,
compares them value by value, and writes them again: the unpacked bytes must
hash alike.

    pip install mosaicml-streaming==0.13.0 numpy==2.1.3
    python3 tests/golden/mds.py
"""
import json
import os
import shutil
import struct

import numpy as np
from streaming import MDSWriter

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, 'mds_streaming')
COLUMNS = {'record': 'json', 'tokens': 'ndarray:int32',
           'loss_mask': 'ndarray:uint8', 'images': 'bytes'}
SAMPLES = 9


def sample(i):
    count = 1 + i * 97 % 400
    tokens = np.array([(i * 7919 + k * 104729) % 128256
                       for k in range(count)], np.int32)
    mask = np.array([(i + k) % 3 == 0 for k in range(count)], np.uint8)
    pictures = [bytes((i * 31 + n * 17 + k * k) & 255
                      for k in range(i * 53 % 90))
                for n in range(i % 3)]
    images = struct.pack('<I', len(pictures)) + b''.join(
        struct.pack('<I', len(p)) + p for p in pictures)
    return {'record': {'id': f's{i}', 'question': f'caf\u00e9 {i}?'},
            'tokens': tokens, 'loss_mask': mask, 'images': images}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    with MDSWriter(out=OUT, columns=COLUMNS, compression='zstd',
                   hashes=['xxh64'], size_limit=5000) as out:
        for i in range(SAMPLES):
            out.write(sample(i))
    with open(os.path.join(OUT, 'index.json')) as file:
        print([s['samples'] for s in json.load(file)['shards']])


main()
