#!/usr/bin/env python3
"""Write tests/golden/answer_vqa.txt and overlap.txt with LLaVA-Med's own code.

    git clone https://github.com/microsoft/LLaVA-Med
    git -C LLaVA-Med checkout e9972cfe141cf17c268bc6a2f694351227bf41c5
    python3 tests/golden/answer.py LLaVA-Med/llava/eval

Lines are a text, a tab and its normal form; or prediction, reference, and
the exact match, F1, precision and recall that it prints for them.
"""
import os
import sys

sys.path.insert(0, sys.argv[1])
from eval_metrics import evaluate_metrics, glossary  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = """right-sided|right -sided|3.5 cm.|None|1,000 cells|x-ray
a normal, non-enlarged heart|The left  lung is clear.|Yes.|NO!|zero|Ten nodules
one, two and three|it isnt there|dont know|she's fine|couldnt've been|o'clock
somebody'd|'owsat|y'all'd've|y'alld've|Im sure|weve seen|were there|twas
a/b|a / b|a /b and c/d|[12,3,45,60]|[12, 3, 45, 60]|(left)|( left )|"quoted"
5.5.|..5|v1.2.3.|a.b|e.g. this|U.S.A.|1,2|1 ,2|1, 2|a,b,c|a, b,c|100%|it's *bold*
T2-weighted MR|FLAIR_image|<box>|`code`|what?|what ?|yes?no|C:\\path|x=1+2|@home
the|A an the|an answer|none of the above|\u00c9panchement pleural|\u00dcBER|\u0394 sign
50 mg\u00a0daily|left\u2003lung|caf\u00e9-au-lait|two  spaces|  edges  |-5 degrees|5-10 mm|
................................................x|a...............................
............... ................b.c|ca n't|hes|hows|thats|wouldntve|wouldnt've"""
PAIRS = """left lung#left lung|lung lung#left lung|left#left lung|right#left lung
the mass is in the left upper lobe of the lung#left lung|#left lung|left lung#
the#lung|Yes, it is#yes|no no no#no|pleural effusion, right#right-sided pleural effusion
a b c a b#a a b d|none#0|1,000#1000"""


def items(text):
    return [item for line in text.split('\n') for item in line.split('|')]


def main():
    with open(os.path.join(HERE, 'answer_vqa.txt'), 'w') as out:
        for text in items(TEXTS):
            print(text, glossary.normalize_word(text), sep='\t', file=out)
    with open(os.path.join(HERE, 'overlap.txt'), 'w') as out:
        for item in items(PAIRS):
            pair = item.split('#')
            match = evaluate_metrics.calculate_exactmatch(*pair)
            scores = evaluate_metrics.calculate_f1score(*pair)
            print(*pair, *[f'{x:.9f}' for x in (match, *scores)],
                  sep='\t', file=out)


main()
