#!/bin/bash
# Learn one batch by heart: the first check of any trainer.  Made from
# nothing in a few seconds; no data, no network.
#
#   bash examples/overfit.sh [FOLDER]
#
# Everything is made in FOLDER, which is kept (a temporary one is not).
# Prints the last loss.
set -euo pipefail

work=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$work"' EXIT
here=$(cd "$(dirname "$0")/.." && pwd)
PATH=${MEDVL_BIN:-$here/build/release/bin}:$PATH
mkdir -p "$work"
cd "$work"

# 1. Eight invented findings, each a question and its answer.
while read -r id question answer; do
    printf '{"id":"%s","question":"%s","answer":"%s"}\n' \
        "$id" "${question//_/ }" "${answer//_/ }"
done >records.jsonl <<'END'
a is_there_an_effusion? no
b is_there_a_fracture? yes,_of_the_ulna
c which_lobe_is_dark? the_left_lower_lobe
d is_the_heart_large? no
e which_side_is_it? right
f how_many_nodules? three
g is_the_tube_in_place? yes
h what_is_the_view? lateral
END

# 2. As chat turns: the answer is what is learned.
medvl-prompt -e '{{question}}' --answer '{{answer}}' \
    <records.jsonl >messages.jsonl

# 3. A vocabulary from these words, and a fresh decoder with it.
sed 's/"question"/"text"/' records.jsonl |
    medvl-tokenize --train 300 -o tokenizer.json
cat >config.json <<'END'
{"architectures": ["LlamaForCausalLM"], "hidden_size": 64,
 "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
END
medvl-merge --init config.json --tokenizer tokenizer.json \
    --chat chatml --seed 1 -o model

# 4. The same batch two hundred times.
medvl-tokenize -m model <messages.jsonl >tokens.jsonl
medvl-train -q -m model --data tokens.jsonl --eval tokens.jsonl \
    --samples 8 --lr 3e-3 --epochs 200 --save-every 200 --eval-every 200 \
    -o run >log.jsonl

# 5. What it says now, and the loss.
tail -n 1 log.jsonl | grep -o '{"id"[^}]*}' >&2
tail -n 1 log.jsonl | grep -o '"loss":[^,]*' | head -n 1 | cut -d: -f2
