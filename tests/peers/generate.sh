#!/bin/bash
# Generation speed against the memory: tokens/s x bytes of weights as a share
# of the read bandwidth, measured before and after.
#
#   tests/peers/generate.sh [ROUNDS]
#
# A random f32 Llama of 398 M parameters.  Predictions leave the command four
# batches at a time, so a step is the time between two such groups over the
# steps of a group: opening the model does not count, a prompt of one token
# is a step like any other.  One JSON line: medians over the rounds; "load"
# is how many ran when it started.
set -euo pipefail

rounds=${1:-5}
tokens=32 # of an answer
groups=3
root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$root/build/release/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make -s -C "$root" build/release/bench/bandwidth
cat >"$work/config.json" <<'JSON'
{"architectures":["LlamaForCausalLM"],"hidden_size":1024,
 "intermediate_size":4096,"num_hidden_layers":24,"num_attention_heads":16,
 "num_key_value_heads":4,"vocab_size":32000,"tie_word_embeddings":true,
 "max_position_embeddings":2048}
JSON
medvl-merge --init "$work/config.json" --seed 1 -o "$work/model"
awk -v n=$((64 * groups)) 'BEGIN { for (r = 1; r <= n; r++)
    printf "{\"id\":\"%d\",\"tokens\":[%d]}\n", r, r * 7919 % 32000 }' \
    >"$work/prompts.jsonl"
weights=$(stat -c %s "$work/model/model.safetensors")

# Seconds of a step of BATCH answers at once.  All must be whole: an answer
# that met an end token would count too few steps.
step() { # BATCH
    head -n $((4 * $1 * groups)) "$work/prompts.jsonl" |
        medvl-generate -q -j 2 -m "$work/model" --batch "$1" \
            --max-tokens "$tokens" |
        while read -r line; do
            [[ $line == *'"finish_reason":"length"'* ]] || exit 1
            echo "$EPOCHREALTIME"
        done |
        awk -v group=$((4 * $1)) -v steps=$((4 * tokens * (groups - 1))) '
            NR == group { first = $1 }
            END { if (NR % group || !NR) exit 1
                  printf "%.6f\n", ($1 - first) / steps }'
}

bandwidth() {
    "$root/build/release/bench/bandwidth" 2 1600 9
}

load=$(cut -d ' ' -f 1 /proc/loadavg)
for ((i = 0; i < rounds; i++)); do
    before=$(bandwidth)
    one=$(step 1)
    after=$(bandwidth)
    sixteen=$(step 16)
    jq -nc --argjson before "$before" --argjson after "$after" \
        --argjson one "$one" --argjson sixteen "$sixteen" \
        '{read: (($before.bandwidth + $after.bandwidth) / 2),
          $one, $sixteen}'
done | tee /dev/stderr >"$work/rounds"
jq -sc --argjson weights "$weights" --argjson load "$load" '
    def median: sort | .[length / 2 | floor];
    {bytes: $weights, $load, rounds: length,
     bandwidth: (map(.read) | median),
     tokens_per_s: (map(1 / .one) | median),
     share: (map($weights / .one / .read) | median),
     tokens_per_s_16: (map(16 / .sixteen) | median),
     times_16: (map(16 * .one / .sixteen) | median)}' "$work/rounds"
