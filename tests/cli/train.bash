# Tiny models, data and runs for the tests of medvl-train.
# shellcheck shell=bash disable=SC2034

# A decoder, and eight sentences as tokens.
tiny_text() {
    echo '{"hidden_size":16,"intermediate_size":32,"num_hidden_layers":2,
        "num_attention_heads":2,"architectures":["LlamaForCausalLM"]}' \
        >config.json
    for word in effusion fracture mass nodule oedema rib scar stent; do
        printf '{"id":"%s","text":"no %s seen","kind":"%s"}\n' \
            "$word" "$word" "${word:0:1}"
    done >text.jsonl
    medvl-tokenize --train 270 -o tokenizer.json text.jsonl
    medvl-merge --init config.json --tokenizer tokenizer.json \
        --chat chatml --seed 1 -o model
    medvl-tokenize -m model text.jsonl >tokens.jsonl
    head -n 3 tokens.jsonl >held.jsonl
}

# A run that a killed one is compared with; more options may follow.
# Two steps an epoch.
train=(medvl-train -q -m model --data tokens.jsonl --lr 1e-2 --warmup 3
    --batch-tokens 20 --accumulate 2 --seed 3)

# The files that a run's bytes are compared by.
same_run() {
    cmp "$1/latest/model.safetensors" "$2/latest/model.safetensors" &&
        cmp "$1/latest/trainer.safetensors" "$2/latest/trainer.safetensors" &&
        cmp "$1/model.safetensors" "$2/model.safetensors"
}

# Each step once, in order.
whole_log() { # RUN STEPS
    diff <(jq .step "$1/train.jsonl") <(seq "$2")
}

newest_step() { # RUN
    local name=step-0

    for folder in "$1"/step-*; do
        case $folder in *.tmp | *\*) continue ;; esac
        name=$folder
    done
    echo "$((10#${name##*step-}))"
}

# Kill a run at random moments, each time going on with it, and compare it
# with one that was left alone.
kill_again_and_again() { # KILLS OPTION...
    local kills=$1 took pid newest pause
    shift

    took=$(date +%s%N)
    "${train[@]}" "$@" -o whole >/dev/null
    took=$((($(date +%s%N) - took) / 1000000))
    for ((k = 0; k < kills; k++)); do
        newest=$(newest_step killed)
        if [ -f killed/options.json ]; then
            # At most five steps are lost.
            [ "$(jq -s length killed/train.jsonl 2>/dev/null ||
                wc -l <killed/train.jsonl)" -le $((newest + 5)) ]
            medvl-train --resume killed >/dev/null 2>said &
        else
            "${train[@]}" "$@" -o killed >/dev/null 2>said &
        fi
        pid=$!
        pause=$((50 + RANDOM % (1 + 2 * took / kills)))
        sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        echo "after $pause ms: $(cat said)"
        # Nothing else is said; at times it is killed before it speaks.
        [ ! -s said ] || [ "$(cut -d' ' -f1-6 said)" = \
            "medvl-train: warning: resuming at step $newest" ]
    done
    newest=$(newest_step killed)
    run_ok medvl-train --resume killed
    [ "$stderr" = \
        "medvl-train: warning: resuming at step $newest of $(wc -l \
            <whole/train.jsonl)" ]
    same_run whole killed
    whole_log killed "$(wc -l <whole/train.jsonl)"
    local same='[.epoch, .loss, .lr, .eval_loss, .samples]'
    diff <(jq -c "$same" whole/train.jsonl) <(jq -c "$same" killed/train.jsonl)
    diff <(cd whole && find . | sort) <(cd killed && find . | sort)
}

# A tower over 16 x 16 pixels, and four pictures with a quarter drawn red:
# its label and "side" follow from what is seen.
tiny_pictures() {
    local png=iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAAAAABawyK/AAAAEklEQVR42mNk
    png+=0NDQYFhw4sN/AAsTA9GHkLCnAAAAAElFTkSuQmCC

    tiny_text
    jq -nc '{architectures: ["LlavaForConditionalGeneration"],
        text_config: {hidden_size: 16, intermediate_size: 32,
            num_hidden_layers: 1, num_attention_heads: 2},
        vision_config: {hidden_size: 16, intermediate_size: 32,
            num_hidden_layers: 2, num_attention_heads: 2, image_size: 16,
            patch_size: 4}, vision_feature_layer: -1}' >config.json
    rm -r model
    medvl-merge --init config.json --tokenizer tokenizer.json \
        --chat chatml --seed 1 -o model
    for ((i = 0; i < 4; i++)); do
        jq -nc --arg png "$png" --argjson x $((i % 2 * 2)) \
            --argjson y $((i / 2)) '{id: "p\($x)\($y)",
            question: "side?", answer: "side \($x)", side: $x,
            images: [{data: $png, regions: [{drawn: true,
                label: "at \($x) \($y)", box: [$x, $y, $x + 2, $y + 1]}]}]}'
    done | medvl-image --resize 16 --fit stretch --out px |
        medvl-image --draw drawn --colour red --out marked >pictures.jsonl
}

PATCHES=vision_tower.vision_model.embeddings.patch_embedding.weight

# The bytes of a tensor, as hex; nothing when it is not there.
tensor() { # FILE NAME
    local header from to

    header=$(od -An -tu8 -N8 "$1")
    read -r from to < <(tail -c +9 "$1" | head -c "$header" |
        jq -r --arg name "$2" '.[$name].data_offsets | @tsv')
    tail -c +$((9 + header + from)) "$1" | head -c $((to - from)) |
        od -An -tx4 -v
}

same_tensor() { # FOLDER FOLDER NAME
    local one

    one=$(tensor "$1/model.safetensors" "$3")
    [ -n "$one" ] && [ "$one" = "$(tensor "$2/model.safetensors" "$3")" ]
}

dense=(medvl-train -q -m model --data pictures.jsonl --objective dense
    --classes side --lr 1e-2 --batch-tokens 32)
