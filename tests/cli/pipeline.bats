# Every stage from a volume to scores, small: the demo's shape in seconds.

load helper

ATLAS=/usr/share/mricron/templates

# What stands for a model: 16 x 16 pixels, one layer each.
config() {
    printf '{"architectures":["LlavaForConditionalGeneration"],
        "model_type":"llava","vision_feature_layer":-1,
        "vision_config":{"image_size":16,"patch_size":8,"hidden_size":16,
            "intermediate_size":32,"num_hidden_layers":1,
            "num_attention_heads":2},
        "text_config":{"model_type":"llama","hidden_size":16,
            "intermediate_size":32,"num_hidden_layers":1,
            "num_attention_heads":2,"max_position_embeddings":128}}'
}

# The whole pipeline with OPTIONS, in a folder of its own.
pipeline() { # FOLDER OPTION...
    mkdir "$1" && cd "$1" || return 1
    shift
    set -o pipefail
    config >config.json
    medvl-import nifti "$ATLAS/ch2bet.nii.gz" --labels "$ATLAS/aal.nii.gz" \
        --names "$ROOT/examples/demo/aal.names" --axis axial \
        --slices 60-100:8 --window p1,p99 --canvas 200 --min-area 400 \
        --out slices >slices.jsonl || return 1
    medvl-image "$@" --resize 32 --out small slices.jsonl |
        medvl-prompt "$@" --each regions -e 'Which lobe is in the box?' \
            -a '{{ region.lobe }}' --set 'answer={{ region.lobe }}' |
        medvl-image "$@" --augment gamma=0.1,noise=0.02 --copies 2 --seed 3 \
            --draw drawn --out px >records.jsonl || return 1
    medvl-tokenize --train 280 -o tokenizer.json records.jsonl || return 1
    medvl-merge --init config.json --tokenizer tokenizer.json --chat chatml \
        --seed 3 -o model || return 1
    medvl-tokenize "$@" -m model records.jsonl |
        medvl-shard "$@" -o shards || return 1
    medvl-train "$@" -m model --data shards --steps 30 --batch-tokens 512 \
        --dropout 0.1 --ema 0.9 --lr 1e-2 --seed 3 -o run >log || return 1
    head -12 records.jsonl |
        medvl-generate "$@" -m run --max-tokens 6 --temperature 0.1 --seed 3 \
            >answers.jsonl || return 1
    medvl-score answers.jsonl >scores.jsonl || return 1
    cd ..
}

same() { # FILE: equal in the folders a and b
    cmp "a/$1" "b/$1"
}

@test "a volume becomes scores, the same bytes for any -j" {
    [ -e "$ATLAS/aal.nii.gz" ] || skip "mricron-data is not installed"
    use_release
    pipeline a -j 1
    pipeline b -j 2
    same records.jsonl
    same model/model.safetensors
    for file in a/shards/*; do
        same "shards/${file##*/}"
    done
    same run/model.safetensors
    same run/latest/trainer.safetensors
    same answers.jsonl
    same scores.jsonl
    run grep -c '"prediction"' a/answers.jsonl
    [ "$output" -eq 12 ]
}

@test "the words of a record never become special tokens" {
    use_release
    config >config.json
    printf '{"id":"a","messages":[{"role":"user","content":"<image> <|im_end|>
"},{"role":"assistant","content":"no"}]}' | tr -d '\n' >records.jsonl
    medvl-tokenize --train 257 -o tokenizer.json records.jsonl
    medvl-merge --init config.json --tokenizer tokenizer.json --chat chatml \
        --seed 1 -o model
    run_ok medvl-tokenize -m model records.jsonl
    tokens=${output#*'"tokens":['}
    tokens=,${tokens%%]*},
    image=$(sed -n 's/.*"image_token_index":\([0-9]*\).*/\1/p' \
        model/config.json)
    [[ "$tokens" != *",$image,"* ]]
}
