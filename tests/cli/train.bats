#!/usr/bin/env bats
# medvl-train: runs on models of a few thousand weights.

load helper

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

@test "the same seed gives the same bytes, -j 1 and -j 2" {
    tiny_text
    "${train[@]}" --epochs 3 --dropout 0.1 --ema 0.9 -j 1 -o one >/dev/null
    "${train[@]}" --epochs 3 --dropout 0.1 --ema 0.9 -j 2 -o two >/dev/null
    same_run one two
    [ "$(jq -s length one/train.jsonl)" -gt 3 ]
    "${train[@]}" --epochs 3 --dropout 0.1 --ema 0.9 --seed 4 -o other >/dev/null
    run cmp one/model.safetensors other/model.safetensors
    [ "$status" -eq 1 ]
    "${train[@]}" --epochs 3 --ema 0.9 -o other2 >/dev/null
    run cmp one/model.safetensors other2/model.safetensors
    [ "$status" -eq 1 ]
}

@test "stdout is the log; the run ends as a model folder" {
    tiny_text
    run_ok "${train[@]}" --epochs 2 --eval held.jsonl --samples 2 -o run
    diff <(printf '%s\n' "$output") run/train.jsonl
    jq -e 'has("loss") and has("lr") and has("grad_norm") and has("tokens")
        and has("tokens_per_s") and has("memory") and has("peak_share")' \
        run/train.jsonl
    tail -n 1 run/train.jsonl | jq -e '.eval_loss > 0 and
        .eval_accuracy >= 0 and .eval_records == 3 and
        (.samples | length) == 2 and (.samples[0].id == "effusion")'
    [ -f run/config.json ] && [ -f run/tokenizer.json ]
    [ ! -e run/trainer.safetensors ]
    run_ok medvl-generate -m run --temperature 0 --max-tokens 2 \
        <<<'{"id":"a","prompt":"no"}'
}

@test "the loss falls, by clipping and schedule as told" {
    tiny_text
    "${train[@]}" --epochs 20 -o run >/dev/null
    jq -se '.[0].loss > 5 and .[-1].loss < .[0].loss / 2' run/train.jsonl
    jq -se '.[0].lr < .[1].lr and .[2].lr == 1e-2 and
        .[-1].lr < 1e-3' run/train.jsonl
}

@test "--config of a run's options repeats it" {
    tiny_text
    "${train[@]}" --epochs 2 --ema 0.5 --weight-decay 0.1 -o run >/dev/null
    medvl-train -q --config run/options.json -o again >/dev/null
    same_run run again
    run_ok medvl-train -q --config run/options.json --lr 1e-3 -o third
    jq -e '.options.lr == 0.001' third/options.json
    run cmp run/model.safetensors third/model.safetensors
    [ "$status" -eq 1 ]
}

@test "--recompute changes no bit" {
    tiny_text
    "${train[@]}" --epochs 2 --dropout 0.1 -o plain >/dev/null
    "${train[@]}" --epochs 2 --dropout 0.1 --recompute -o again >/dev/null
    cmp plain/model.safetensors again/model.safetensors
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
        ! grep -v 'resuming at step' said
        ! grep . said || grep "resuming at step $newest of" said
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
    diff <(ls whole whole/latest/) <(ls killed killed/latest/ |
        sed s/killed/whole/)
}

@test "kill -9 at random moments: the resumed run ends the same" {
    tiny_text
    use_release
    kill_again_and_again 4 --epochs 300 --dropout 0.1 --ema 0.9 --save-every 5 \
        --eval held.jsonl --eval-every 7 --samples 1 --best eval_loss
}
