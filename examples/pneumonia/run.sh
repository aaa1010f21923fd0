#!/bin/bash
# Normal or pneumonia?  A small vision-language model from nothing on
# PneumoniaMNIST (28 x 28 chest radiographs of children).
#
#   bash examples/pneumonia/run.sh DATA_DIR SEED
#
# DATA_DIR holds train_images.npy and its companions.  Prints three lines:
# accuracy, balanced accuracy and AUC on the test set, each with a 95 %
# interval.  Everything is made in the folder $WORK (a temporary one).
set -euo pipefail

data=$(cd "$1" && pwd)
seed=$2
here=$(cd "$(dirname "$0")" && pwd)
PATH=$here/../../build/release/bin:$PATH
work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
cd "$work"

# Arrays to pictures and records with "split", "answer" and "choices".
medvl-import medmnist "$data" --out px >records.jsonl

# The question, and the answer as the assistant's turn.
medvl-prompt -e 'Normal or pneumonia?' --answer '{{answer}}' records.jsonl \
    >asked.jsonl
for split in train val test; do
    medvl-split --where split=$split asked.jsonl >$split.jsonl
done

# Thirty versions of each training picture: shifted, turned, other contrast.
changes=shift=0.05,scale=0.05,rotate=5
changes+=,contrast=0.15,brightness=0.1,gamma=0.1,noise=0.01
medvl-image --augment "$changes" --copies 30 --seed "$seed" \
    --out augmented train.jsonl >many.jsonl

# A vocabulary, and a fresh model that holds it.
medvl-tokenize --train 272 -o tokenizer.json train.jsonl
medvl-merge --init "$here/config.json" --tokenizer tokenizer.json \
    --chat chatml --seed "$seed" -o model

# Training, answers of both kinds weighing the same.
medvl-tokenize -m model many.jsonl | medvl-shard -o shards/train
medvl-train -m model --data shards/train --balance answer --seed "$seed" \
    --lr 1.5e-3 --beta2 0.98 --weight-decay 0.05 --dropout 0.1 \
    --label-smoothing 0.05 --ema 0.99 --warmup 100 --batch-tokens 2560 \
    -o run >train.log

# Each choice's log-probability, then the scores.
medvl-generate -m run --choices test.jsonl >predictions.jsonl
medvl-score --metrics accuracy,balanced_accuracy,auc --positive pneumonia \
    predictions.jsonl
