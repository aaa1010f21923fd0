#!/bin/bash
# Training speed against PyTorch, same shape, in turns A B A B.
#
#   tests/peers/train.sh [ROUNDS]
#
# The peer is Debian's python3-torch with libopenblas0-openmp (apt-get
# install both); PEER_PYTHON names another interpreter whose torch is then
# measured too.  Prints one JSON line a shape and peer: medians and ratios.
set -euo pipefail

rounds=${1:-5}
root=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$root/build/release/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

torch_run() { # PYTHON SHAPE...
    local python=$1
    shift
    OMP_NUM_THREADS=2 \
        LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/openblas-openmp \
        "$python" "$root/tests/peers/train_torch.py" "$@" 4 256 5 2
}

# A model of the shape and four records of 257 tokens.
prepare() { # NAME VOCAB WIDTH MLP LAYERS HEADS
    local out=$work/$1
    mkdir -p "$out"
    printf '{"architectures":["LlamaForCausalLM"],"vocab_size":%s,
        "hidden_size":%s,"intermediate_size":%s,"num_hidden_layers":%s,
        "num_attention_heads":%s,"tie_word_embeddings":true}\n' \
        "${@:2}" >"$out/config.json"
    medvl-merge --init "$out/config.json" --seed 1 -o "$out/model"
    awk -v vocab="$2" 'BEGIN { srand(1); for (r = 0; r < 4; r++) {
        printf "{\"id\":\"%d\",\"tokens\":[", r
        for (i = 0; i < 257; i++)
            printf "%s%d", i ? "," : "", int(rand() * vocab)
        print "]}" } }' >"$out/data.jsonl"
}

medvl_run() { # NAME
    rm -rf "$work/run"
    medvl-train -m "$work/$1/model" --data "$work/$1/data.jsonl" \
        --batch-tokens 1028 --epochs 5 --save-every 1000000 -j 2 \
        -o "$work/run" |
        jq -sc --argjson idle "$idle" '.[1:] |
            (map(.tokens_per_s) | sort | .[length / 2 | floor]) as $rate |
            {tokens_per_s: $rate, memory: (.[-1].memory - $idle)}'
}

compare() { # PYTHON NAME SHAPE...
    local python=$1 name=$2
    shift 2
    for ((i = 0; i < rounds; i++)); do
        medvl_run "$name" >>"$work/ours"
        torch_run "$python" "$@" >>"$work/theirs"
    done
    jq -nc --arg shape "$name" --slurpfile a "$work/ours" \
        --slurpfile b "$work/theirs" '
        def median: sort | .[length / 2 | floor];
        {peer: ("torch " + $b[0].torch), shape: $shape,
         tokens_per_s: ($a | map(.tokens_per_s) | median),
         peer_tokens_per_s: ($b | map(.tokens_per_s) | median),
         ratio: ([range($a | length) |
             $a[.].tokens_per_s / $b[.].tokens_per_s] | median),
         memory: ($a | map(.memory) | median),
         peer_memory: ($b | map(.memory) | median)}'
    rm "$work/ours" "$work/theirs"
}

idle=$(/usr/bin/time -f %M medvl-train --help 2>&1 >/dev/null | tail -1)
idle=$((idle * 1024))
for shape in "25M 8192 512 1536 6 8" "124M 32000 768 2048 14 12"; do
    read -ra words <<<"$shape"
    prepare "${words[@]}"
    compare /usr/bin/python3 "${words[@]}"
    if [ -n "${PEER_PYTHON:-}" ]; then
        compare "$PEER_PYTHON" "${words[@]}"
    fi
done
