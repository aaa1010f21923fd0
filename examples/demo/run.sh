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
brains=${BRAINS:-/usr/share/mricron/templates}
work=${1:-$(mktemp -d)}
seed=${2:-1}
mkdir -p "$work"
[ -n "${1:-}" ] || trap 'rm -rf "$work"' EXIT
cd "$work"
say() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }

# A template of this folder for a kind of question: fill FILE KIND.
fill() { sed "s/KIND/$2/" "$here/$1"; }

# 1. Volumes to slices.  The hand-drawn atlas gives each slice its regions:
#    that is the human part.  Both brains fill the picture alike.
say "slices"
medvl-import nifti "$brains/ch2bet.nii.gz" --axis all --canvas 200 \
    --labels "$brains/aal.nii.gz" --names "$here/aal.names" \
    --window p1,p99 --content 0.05 --min-area 150 \
    --set species=human --out slices >human.jsonl
medvl-import nifti "$brains/inia19-t1-brain.nii.gz" --axis all --canvas 88 \
    --labels "$brains/inia19-NeuroMaps.nii.gz" --names "$here/inia19.names" \
    --window p1,p99 --content 0.05 --min-area 100 \
    --set species=macaque --out slices >macaque.jsonl

# 2. 64 x 64 pixels, and one record a region: that one is to be drawn.
cat human.jsonl macaque.jsonl |
    medvl-split --where 'images[0].regions' |
    medvl-image --resize 64 --out small |
    medvl-prompt --each regions --set "place=$(cat "$here/place.jinja")" \
        --set 'slab={{ species }} {{ plane }} {{ (place | int) // 32 }}' \
        --set 'side={{ region.side }}' >regions.jsonl

# 3. Of each 32 mm, 16 to train on and 8 to test, a gap of 4 on either side.
medvl-split --where '(place | int) % 32 < 16' regions.jsonl >train.jsonl
medvl-split --where '(place | int) % 32 >= 20' \
    --where '(place | int) % 32 < 28' regions.jsonl >test.jsonl

# 4. The box drawn into the pictures; of the training ones augmented copies.
#    "elsewhere" has the box of one slice over the tissue of another.
say "pictures"
changes=shift=0.08,scale=0.88..1.15,rotate=12
changes+=,contrast=0.2,brightness=0.1,gamma=0.2,noise=0.02
medvl-image --augment "$changes" --copies 6 --seed "$seed" --draw drawn \
    --out px train.jsonl >many.jsonl
medvl-image --draw drawn --out px train.jsonl >known.jsonl
medvl-image --draw drawn --out px test.jsonl >new.jsonl
medvl-split --permute pictures --seed "$seed" test.jsonl |
    medvl-image --draw drawn --out px >elsewhere.jsonl

# 5. Questions from templates: the automated part.  A training record is a
#    conversation whose questions move on by one from record to record; it
#    asks for the plane or for the species.
say "questions"
half="['plane', 'species'][mix \/\/ 7 % 2]"
turns=()
for turn in 0 1 2 3 4; do
    kind="['side', 'structure', 'lobe', 'where', $half][(mix + $turn) % 5]"
    turns+=(-e "$(fill question.jinja "$kind")")
    turns+=(-a "$(fill answer.jinja "$kind")")
done
medvl-prompt "${turns[@]}" many.jsonl >conversations.jsonl

# In the test, and for what is known without looking, each stands alone.
for part in known new elsewhere; do
    for kind in plane species side structure lobe where; do
        medvl-prompt --set "kind=$kind" \
            --set "answer=$(fill answer.jinja "'$kind'")" $part.jsonl |
            medvl-split --where answer --sample 400 --seed "$seed" |
            medvl-prompt -e "$(fill question.jinja "'$kind'")" \
                --set "id={{ id }} $kind"
    done >$part-questions.jsonl
done

# 6. A vocabulary of the conversations, and a fresh model that holds it.
medvl-tokenize --train 600 -o tokenizer.json conversations.jsonl
medvl-merge --init "$here/config.json" --tokenizer tokenizer.json \
    --chat chatml --seed "$seed" -o model

# 7. First the vision tower alone: each patch learns its atlas label and
#    whether it lies in the box; the whole picture its plane and species
#    and the side of the box.
say "the tower learns"
medvl-train -m model --objective dense --classes plane,species,side \
    --dense-label 1 --dense-drawn 2 --dense-class 0.3 \
    --data many.jsonl --epochs 2 --batch-tokens 1024 --seed "$seed" \
    --lr 2e-3 --warmup 50 --beta2 0.98 --weight-decay 0.05 \
    -o tower >tower.log

# 8. Then the whole model the questions, the tower at a third of the rate.
say "the model learns"
medvl-tokenize -m model conversations.jsonl | medvl-shard -o shards
medvl-train -m tower --train vision=6e-4,projector,decoder \
    --data shards --batch-tokens 3072 --seed "$seed" \
    --lr 2e-3 --warmup 50 --beta2 0.98 --weight-decay 0.05 \
    -o run >run.log

# 9. Answers of this model; of the same one with the pictures exchanged
#    between records; and what one says without looking.
say "answers"
answer() { medvl-generate -m run --max-tokens 24 "$@"; }
answer new-questions.jsonl >model.jsonl
medvl-split --permute pictures --seed "$seed" new-questions.jsonl |
    answer >permuted.jsonl
answer elsewhere-questions.jsonl >elsewhere.jsonl
answer known-questions.jsonl >training.jsonl
medvl-score --predict commonest --from known-questions.jsonl --by kind \
    new-questions.jsonl >commonest.jsonl
medvl-split --where kind=where known-questions.jsonl >known-where.jsonl
medvl-split --where kind=where new-questions.jsonl |
    medvl-score --predict median-box --from known-where.jsonl \
        --by 'messages[0].content[1].text,plane' >median-box.jsonl

# 10. Scores, in a table and as JSON Lines.
say "scores"
score() { medvl-score --metrics exact,iou,iou@0.3 --by kind "$@"; }
score --group slab --table model=model.jsonl permuted=permuted.jsonl \
    commonest=commonest.jsonl median-box=median-box.jsonl \
    elsewhere=elsewhere.jsonl training=training.jsonl
score --group slab model.jsonl
say "done"
