#!/bin/bash
# Generation speed against the memory: tokens/s x bytes of weights as a share
# of the read bandwidth, measured before and after.
#
#   tests/peers/generate.sh [ROUNDS]
#
# A random f32 Llama of 398 M parameters.  A step is the difference of two
# runs, of many and of few new tokens, so opening and the prompt do not
# count.  One JSON line: medians over the rounds.  "busy" is the same with
# processor seconds in place of the clock's, for a machine that others use
# too; "load" is how many ran when it started.
set -euo pipefail

rounds=${1:-5}
few=8
many=72
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
awk 'BEGIN { for (r = 1; r <= 16; r++) {
    printf "{\"id\":\"%d\",\"tokens\":[", r
    for (i = 0; i < 16; i++)
        printf "%s%d", i ? "," : "", (r * 7919 + i * 104729) % 32000
    print "]}" } }' >"$work/16.jsonl"
head -1 "$work/16.jsonl" >"$work/1.jsonl"
weights=$(stat -c %s "$work/model/model.safetensors")

# Seconds by the clock and of the processor of a run of N new tokens, all of
# which must come: a run that met an end token would count too few.
run() { # PROMPTS N
    local got
    /usr/bin/time -f '%e %U %S' -o "$work/time" \
        medvl-generate -q -j 2 -m "$work/model" --max-tokens "$2" \
        "$work/$1.jsonl" >"$work/out"
    got=$(grep -c '"finish_reason":"length"' "$work/out")
    if [ "$got" -ne "$1" ]; then
        echo "generate.sh: an answer ended early" >&2
        exit 1
    fi
    awk '{ print $1, $2 + $3 }' "$work/time"
}

# Seconds of one step, by the clock and of two processors.
step() { # PROMPTS
    local a b
    read -ra a < <(run "$1" "$few")
    read -ra b < <(run "$1" "$many")
    awk -v n=$((many - few)) -v a="${a[0]}" -v b="${b[0]}" \
        -v c="${a[1]}" -v d="${b[1]}" \
        'BEGIN { printf "%.6f %.6f\n", (b - a) / n, (d - c) / n / 2 }'
}

bandwidth() {
    "$root/build/release/bench/bandwidth" 2 1600 9
}

load=$(cut -d ' ' -f 1 /proc/loadavg)
medvl-generate -q -m "$work/model" --max-tokens 1 "$work/1.jsonl" >/dev/null
for ((i = 0; i < rounds; i++)); do
    before=$(bandwidth)
    read -ra one < <(step 1)
    after=$(bandwidth)
    read -ra sixteen < <(step 16)
    jq -nc --argjson before "$before" --argjson after "$after" \
        --argjson one "[${one[0]},${one[1]}]" \
        --argjson sixteen "[${sixteen[0]},${sixteen[1]}]" \
        '{$before, $after, $one, $sixteen}'
done >"$work/rounds"
jq -sc --argjson weights "$weights" --argjson load "$load" '
    def median: sort | .[length / 2 | floor];
    def read($key): (.before[$key] + .after[$key]) / 2;
    {bytes: $weights, $load, rounds: length,
     bandwidth: (map(read("bandwidth")) | median),
     tokens_per_s: (map(1 / .one[0]) | median),
     share: (map($weights / .one[0] / read("bandwidth")) | median),
     tokens_per_s_16: (map(16 / .sixteen[0]) | median),
     times_16: (map(16 * .one[0] / .sixteen[0]) | median),
     busy: {bandwidth: (map(read("busy")) | median),
            share: (map($weights / .one[1] / read("busy")) | median),
            times_16: (map(16 * .one[1] / .sixteen[1]) | median)}}' \
    "$work/rounds"
