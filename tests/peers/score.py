#!/usr/bin/env python3
"""medvl-score and scikit-learn over the same predictions.

    pip install scikit-learn==1.7.2 numpy==2.1.3
    PATH=build/release/bin:$PATH python3 tests/peers/score.py

Accuracy, balanced accuracy and AUC must be equal, and the bootstrap intervals
by group must agree within what 1,000 draws leave open.  The last line is JSON
with the seconds that each took, reading included.
"""
import json
import random
import subprocess
import tempfile
import time

import numpy as np
from sklearn.metrics import (accuracy_score, balanced_accuracy_score,
                             roc_auc_score)

RECORDS = 4000
CHOICES = {'A': 'normal', 'B': 'pneumonia'}


def make(path):
    draw = random.Random(1)
    with open(path, 'w') as out:
        for i in range(RECORDS):
            sick = draw.random() < 0.3
            p = min(max(draw.gauss(0.65 if sick else 0.45, 0.2), 0.01), 0.99)
            p = round(p, 2)  # ties
            print(json.dumps({
                'id': f'r{i}', 'group': f'g{draw.randrange(700)}',
                'choices': CHOICES, 'answer': CHOICES['B' if sick else 'A'],
                'prediction': 'B' if p > 0.5 else 'A',
                'choice_logprobs': {'A': float(np.log(1 - p)),
                                    'B': float(np.log(p))}}), file=out)


def theirs(path):
    with open(path) as file:
        rows = [json.loads(line) for line in file]
    true = np.array([row['answer'] == 'pneumonia' for row in rows])
    said = np.array([row['prediction'] == 'B' for row in rows])
    score = np.array([row['choice_logprobs']['B'] for row in rows])
    groups = {}
    for i, row in enumerate(rows):
        groups.setdefault(row['group'], []).append(i)
    groups = [np.array(g) for g in groups.values()]
    draw = np.random.default_rng(1)
    metrics = {'accuracy': lambda i: accuracy_score(true[i], said[i]),
               'balanced_accuracy':
                   lambda i: balanced_accuracy_score(true[i], said[i]),
               'auc': lambda i: roc_auc_score(true[i], score[i])}
    samples = [np.concatenate([groups[g] for g in draw.integers(
        len(groups), size=len(groups))]) for _ in range(1000)]
    whole = np.arange(len(rows))
    return {name: (metric(whole), *np.percentile(
        [metric(i) for i in samples], (2.5, 97.5)))
        for name, metric in metrics.items()}


def ours(path):
    lines = subprocess.run(
        ['medvl-score', '--metrics', 'accuracy,balanced_accuracy,auc',
         '--positive', 'pneumonia', path], check=True,
        capture_output=True).stdout.splitlines()
    lines = [json.loads(line) for line in lines]
    return {x['metric']: (x['value'], x['low'], x['high']) for x in lines}


def main():
    with tempfile.NamedTemporaryFile() as file:
        make(file.name)
        start = time.perf_counter()
        mine = ours(file.name)
        middle = time.perf_counter()
        other = theirs(file.name)
        end = time.perf_counter()
    for name, (value, low, high) in other.items():
        assert abs(mine[name][0] - value) < 1e-12, (name, mine[name], value)
        width = high - low
        assert abs(mine[name][1] - low) < 0.15 * width, (name, mine, other)
        assert abs(mine[name][2] - high) < 0.15 * width, (name, mine, other)
    print(json.dumps({'records': RECORDS, 'equal': True,
                      'medvl_s': round(middle - start, 3),
                      'sklearn_s': round(end - middle, 3),
                      'ratio': round((end - middle) / (middle - start), 1)}))


main()
