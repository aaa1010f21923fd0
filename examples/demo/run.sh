#!/bin/bash
# Semi-human data in miniature: a small vision-language model from nothing,
# on a human and a macaque brain that Debian's mricron-data installs.
# README.md in this folder says what it shows and what it cannot.
#
#   bash examples/demo/run.sh [WORK_DIR [SEED]]
#
# Every stage is a line that can be run alone, in WORK_DIR.  Ends with a
# table for people and one JSON line a metric.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
PATH=$here/../../build/release/bin:$PATH
atlases=${ATLASES:-/usr/share/mricron/templates}
work=${1:-$(mktemp -d)}
seed=${2:-1}
mkdir -p "$work"
[ -n "${1:-}" ] || trap 'rm -rf "$work"' EXIT
cd "$work"
say() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }

# 1. Volumes to slices.  The hand-drawn atlas gives each slice its regions:
#    that is the human part.  Both brains fill the picture alike.
say "slices"
medvl-import nifti "$atlases/ch2bet.nii.gz" --labels "$atlases/aal.nii.gz" \
    --names "$here/aal.names" --axis all --window p1,p99 --canvas 200 \
    --content 0.05 --min-area 60 --set species=human --out slices >human.jsonl
medvl-import nifti "$atlases/inia19-t1-brain.nii.gz" \
    --labels "$atlases/inia19-NeuroMaps.nii.gz" --names "$here/inia19.names" \
    --axis all --window p1,p99 --canvas 88 --content 0.05 --min-area 60 \
    --set species=macaque --out slices >macaque.jsonl

# 2. One record a region: that region is the one that is drawn.  "slab"
#    numbers the places in a period of 32 mm (16 mm in the macaque).
cat human.jsonl macaque.jsonl |
    medvl-split --where 'images[0].regions' |
    medvl-image --resize 64 --out small |
    medvl-prompt --each regions \
        --set 'place={% set p = images[0].position * (2 if species == "macaque" else 1) %}{{ ((p | abs) if plane == "sagittal" else p + 320) | round | int }}' \
        --set 'slab={{ species }}-{{ plane }}-{{ (place | int) // 32 }}' >regions.jsonl

# 3. Train on 16 mm of each period, test on 8, a gap of 4 on either side.
medvl-split --where '(place | int) % 32 < 16' regions.jsonl >train.jsonl
medvl-split --where '(place | int) % 32 >= 20 and (place | int) % 32 < 28' \
    regions.jsonl >test.jsonl

# 4. Augmented copies of the training pictures, all with the box drawn.
say "pictures"
medvl-image --augment shift=0.08,scale=0.88..1.15,rotate=12,contrast=0.2,brightness=0.1,gamma=0.2,noise=0.02 \
    --copies 5 --seed "$seed" --draw drawn --out px train.jsonl >many.jsonl
medvl-image --draw drawn --out px test.jsonl >test64.jsonl
medvl-image --draw drawn --out px train.jsonl >train64.jsonl

# 5. Questions from templates: the automated part.  In training a record is
#    a conversation; in the test each question stands alone.
say "questions"
turns=()
for turn in 0 1 2 3 4; do
    turns+=(-e "$(sed "s/TURN/$turn/" "$here/question.jinja")")
    turns+=(-a "$(sed "s/TURN/$turn/" "$here/answer.jinja")")
done
medvl-prompt "${turns[@]}" many.jsonl >asked.jsonl
ask() { # KIND CONDITION QUESTION ANSWER: questions of a kind over $pictures
    medvl-split --where "$2" "$pictures" |
        medvl-prompt -e "$3" --set "kind=$1" --set "answer=$4" \
            --set "id={{ id }}:$1"
}
drawn='{% set drawn = images[0].regions | selectattr("drawn") | first %}'
other='{% set others = images[0].regions | rejectattr("drawn") | list %}{% set it = others[images[0].slice % (others | length)] %}'
box='{% set w = images[0].width %}{% set h = images[0].height %}[{{ [it.box[0] * 100 / w, 99] | min | int }},{{ [it.box[1] * 100 / h, 99] | min | int }},{{ [it.box[2] * 100 / w, 99] | min | int }},{{ [it.box[3] * 100 / h, 99] | min | int }}]'
human='species == "human"'
ask_all() { # PICTURES: every kind of question over them
    pictures=$1
    ask plane 'true' 'Which plane is this?' '{{ plane }}'
    ask species 'true' 'Human or macaque?' '{{ species }}'
    ask side '(images[0].regions | selectattr("drawn") | first).side != "middle"' \
        'Which side is the box on?' "$drawn{{ drawn.side }}"
    ask structure "$human" 'Which structure is in the box?' \
        "$drawn{{ drawn.structure | replace('_', ' ') }}"
    ask lobe "$human" 'Which lobe is the box in?' "$drawn{{ drawn.lobe }}"
    ask where "$human and (images[0].regions | length) > 1" \
        "${other}Where is the {{ it.label | replace('_', ' ') }}?" \
        "$other$box"
}
ask_all test64.jsonl >questions.jsonl
ask_all train64.jsonl >known.jsonl # the training slices, not augmented

# 6. A vocabulary of the questions and answers, and a fresh model.
medvl-tokenize --train 600 -o tokenizer.json asked.jsonl
medvl-merge --init "$here/config.json" --tokenizer tokenizer.json \
    --chat chatml --seed "$seed" -o model

# 7. First the vision tower alone: each patch learns its atlas label and
#    whether it lies in the box, the whole picture its plane and species.
say "the tower"
medvl-train -m model --objective dense --data many.jsonl \
    --classes plane,species --dense-label 1 --dense-drawn 2 --dense-class 0.3 \
    --lr 2e-3 --warmup 50 --beta2 0.98 --weight-decay 0.05 \
    --batch-tokens 1024 --seed "$seed" -o tower >tower.log

# 8. Then the whole model on the questions, the tower at a third of the rate.
say "the questions"
medvl-tokenize -m model asked.jsonl | medvl-shard -o shards
medvl-train -m tower --data shards \
    --train vision=6e-4,projector,decoder --lr 2e-3 --warmup 50 \
    --beta2 0.98 --weight-decay 0.05 --batch-tokens 3072 --seed "$seed" \
    -o run >run.log

# 9. Answers: this model; the same with the pictures exchanged between
#    records; and what one says without looking.
say "answers"
medvl-generate -m run --max-tokens 24 questions.jsonl >answers.jsonl
medvl-split --permute pictures --seed "$seed" questions.jsonl |
    medvl-generate -m run --max-tokens 24 >permuted.jsonl
medvl-score --predict commonest --from known.jsonl --by kind \
    questions.jsonl >commonest.jsonl

# 10. Scores, in a table and as JSON Lines.
say "scores"
medvl-score --metrics exact,iou,iou@0.3 --by kind --group slab \
    --table model=answers.jsonl permuted=permuted.jsonl \
    commonest=commonest.jsonl
medvl-score --metrics exact,iou,iou@0.3 --by kind --group slab answers.jsonl
say "done"
