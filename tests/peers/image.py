#!/usr/bin/env python3
"""medvl-image beside Pillow, pillow-simd and vipsthumbnail.

    pip install pillow==11.3.0
    PATH=build/release/bin:$PATH python3 tests/peers/image.py PICTURE ...

        --simd PYTHON   an interpreter that has pillow-simd
        --rounds N      median of so many (5)
        --make FOLDER   instead: write there the pictures, enlarged to 1-4
                        megapixels, as JPEG and PNG, grey and colour apart

All decode each picture, resize its shorter side to 336 (bicubic), cut the
middle out and write a PNG, one thread each, taking turns (A B A B).  The
pixels of medvl and Pillow must be equal.  Seconds are those of the processor:
of medvl and vips with all that a process costs, of Pillow without its start.

Pillow writes at zlib's level 2 (files about as large as medvl's, which
compares like with like), at its own level, and not at all.  For JPEG the same
again with shrinking while decoding allowed (medvl --draft, Image.draft,
vipsthumbnail).

Then two threads against one, in time on the clock, and the peak of memory
over the pictures once and ten times.  The last line is JSON.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from PIL import Image

SIDE = 336


def prepare(path, draft=False):
    image = Image.open(path)
    if draft:
        image.draft('RGB', (SIDE, SIDE))
    image = image.convert('RGB')
    w, h = image.size
    if w <= h:
        size = (SIDE, SIDE * h // w)
    else:
        size = (SIDE * w // h, SIDE)
    image = image.resize(size, Image.BICUBIC)
    x, y = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    return image.crop((x, y, x + SIDE, y + SIDE))


def pillow(paths, draft, level):
    """Seconds; level None: nothing is written."""
    options = {} if level == 'own' else {'compress_level': level}
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        for i, path in enumerate(paths):
            image = prepare(path, draft)
            if level is not None:
                image.save(os.path.join(folder, f'{i}.png'), **options)
        return time.process_time() - start


def other_pillow(python, paths, draft, level):
    job = json.dumps([paths, draft, level])
    done = subprocess.run([python, __file__, '--job', job], check=True,
                          capture_output=True, text=True)
    return float(done.stdout)


def run(command, text=''):
    """Processor seconds, clock seconds, and what it printed."""
    with tempfile.TemporaryFile('w+') as given, \
            tempfile.TemporaryFile('w+') as out:
        given.write(text)
        given.seek(0)
        start = time.monotonic()
        child = subprocess.Popen(command, stdin=given, stdout=out)
        _, status, used = os.wait4(child.pid, 0)
        clock = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f'{command[0]}: exit {child.returncode}')
        out.seek(0)
        return used.ru_utime + used.ru_stime, clock, out.read()


def medvl(paths, folder, *options, wrapper=()):
    lines = ''.join(
        json.dumps({'id': str(i), 'images': [{'path': os.path.abspath(p)}]})
        + '\n' for i, p in enumerate(paths))
    return run([*wrapper, 'medvl-image', '-q', '--resize', str(SIDE), '--fit',
                'crop', '--out', folder, *options], lines)


def medvl_seconds(paths, *options):
    with tempfile.TemporaryDirectory() as folder:
        return medvl(paths, folder, '-j', '1', *options)[0]


def vips_seconds(paths):
    with tempfile.TemporaryDirectory() as folder:
        os.environ['VIPS_CONCURRENCY'] = '1'
        return run(['vipsthumbnail', *paths, '--size', f'{SIDE}x{SIDE}',
                    '--smartcrop', 'centre', '-o',
                    folder + '/%s.png[compression=2]'])[0]


def check(paths, draft):
    options = ('--draft',) if draft else ()
    with tempfile.TemporaryDirectory() as folder:
        lines = medvl(paths, folder, '-j', '1', *options)[2].splitlines()
        for path, line in zip(paths, lines, strict=True):
            ours = Image.open(json.loads(line)['images'][0]['path'])
            theirs = prepare(path, draft)
            if ours.convert('RGB').tobytes() != theirs.tobytes():
                sys.exit(f'{path}: pixels differ')


def all_jpeg(paths):
    return all(p.endswith(('.jpg', '.jpeg')) for p in paths)


def sides(paths, simd):
    yield 'medvl', lambda: medvl_seconds(paths)
    for name, level in (('level2', 2), ('own', 'own'), ('unwritten', None)):
        yield 'pillow_' + name, lambda v=level: pillow(paths, False, v)
        if simd and level != 'own':
            yield ('simd_' + name,
                   lambda v=level: other_pillow(simd, paths, False, v))
    if all_jpeg(paths):
        yield 'medvl_draft', lambda: medvl_seconds(paths, '--draft')
        for name, level in (('level2', 2), ('own', 'own'),
                            ('unwritten', None)):
            yield ('pillow_draft_' + name,
                   lambda v=level: pillow(paths, True, v))
        yield 'vips_draft', lambda: vips_seconds(paths)


def threads(paths, rounds):
    ratios = []
    for _ in range(rounds):
        clock = []
        for count in ('1', '2'):
            with tempfile.TemporaryDirectory() as folder:
                clock.append(medvl(paths * 20, folder, '-j', count)[1])
        ratios.append(clock[0] / clock[1])
    return statistics.median(ratios)


def peak(paths, times):
    """Megabytes, by time(1): this process would count in its child's."""
    with tempfile.TemporaryDirectory() as folder:
        note = os.path.join(folder, 'peak')
        medvl(paths * times, folder, '-j', '1',
              wrapper=('/usr/bin/time', '-o', note, '-f', '%M'))
        with open(note) as file:
            return int(file.read()) >> 10


def make(paths, folder):
    sizes = (1.0e6, 1.6e6, 2.2e6, 3.0e6, 4.0e6)
    for i, path in enumerate(paths):
        image = Image.open(path)
        grey = image.mode in ('L', 'I', 'I;16')
        image = image.convert('L' if grey else 'RGB')
        by = (sizes[i % 5] / image.width / image.height) ** 0.5
        image = image.resize((round(image.width * by),
                              round(image.height * by)), Image.LANCZOS)
        name = os.path.join(folder, f'{"grey" if grey else "rgb"}{i:03d}')
        image.save(name + '.jpg', quality=90)
        image.save(name + '.png')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--simd')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--make')
    parser.add_argument('--job')
    parser.add_argument('paths', nargs='*')
    args = parser.parse_args()
    if args.job:
        print(pillow(*json.loads(args.job)))
        return
    if not args.paths:
        sys.exit(__doc__)
    if args.make:
        make(args.paths, args.make)
        return
    check(args.paths, False)
    if all_jpeg(args.paths):
        check(args.paths, True)
    jobs = list(sides(args.paths, args.simd))
    times = {name: [] for name, _ in jobs}
    for _ in range(args.rounds):
        for name, job in jobs:
            times[name].append(job())
    result = {'pictures': len(args.paths)}
    count = len(args.paths)
    for name, seconds in times.items():
        result['ms_' + name] = round(
            statistics.median(seconds) / count * 1e3, 2)
    for name in times:
        ours = 'medvl_draft' if 'draft' in name else 'medvl'
        if name != ours:
            result['ratio_' + name] = round(statistics.median(
                b / a for a, b in zip(times[ours], times[name])), 2)
    result['two_threads'] = round(threads(args.paths, args.rounds), 2)
    result['peak_mb'] = [peak(args.paths, n) for n in (1, 10)]
    print(json.dumps(result))


main()
