#!/usr/bin/env python3
"""medvl-image and Pillow over the same pictures.

    pip install pillow==11.3.0
    PATH=build/release/bin:$PATH python3 tests/peers/image.py PICTURE ...

Both decode each picture, resize its shorter side to 336 (bicubic), cut the
middle out and write a PNG, one thread each, taking turns (A B A B), median of
five.  The pixels must be equal.  The last line is JSON: processor seconds of
each, and the ratio; Pillow's also without writing, and at zlib's level 2 as
medvl writes.
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from PIL import Image

SIDE = 336


def prepare(path):
    image = Image.open(path).convert('RGB')
    w, h = image.size
    if w <= h:
        size = (SIDE, SIDE * h // w)
    else:
        size = (SIDE * w // h, SIDE)
    image = image.resize(size, Image.BICUBIC)
    x, y = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    return image.crop((x, y, x + SIDE, y + SIDE))


def pillow(paths, folder, **options):
    start = time.process_time()
    for i, path in enumerate(paths):
        image = prepare(path)
        if options:
            image.save(os.path.join(folder, f'{i}.png'), **options)
    return time.process_time() - start


def medvl(paths, folder):
    lines = ''.join(json.dumps({'id': p, 'images': [{'path': p}]}) + '\n'
                    for p in paths)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ['medvl-image', '-q', '-j', '1', '--resize', str(SIDE), '--fit',
         'crop', '--out', folder], input=lines, capture_output=True,
        text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime -
            before.ru_stime), done.stdout


def main():
    paths = sys.argv[1:]
    if not paths:
        sys.exit(__doc__)
    times = {'medvl': [], 'pillow': [], 'pillow_level2': [],
             'pillow_unwritten': []}
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            seconds, out = medvl(paths, os.path.join(folder, 'a'))
            times['medvl'].append(seconds)
            times['pillow'].append(pillow(paths, folder, compress_level=6))
            times['pillow_level2'].append(
                pillow(paths, folder, compress_level=2))
            times['pillow_unwritten'].append(pillow(paths, folder))
            for path, line in zip(paths, out.splitlines(), strict=True):
                ours = Image.open(json.loads(line)['images'][0]['path'])
                if ours.convert('RGB').tobytes() != prepare(path).tobytes():
                    sys.exit(f'{path}: pixels differ')
    result = {k: round(statistics.median(v), 3) for k, v in times.items()}
    for name in list(result)[1:]:
        result['ratio_' + name] = round(result[name] / result['medvl'], 2)
    print(json.dumps({'pictures': len(paths), **result}))


main()
