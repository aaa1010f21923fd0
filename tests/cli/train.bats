#!/usr/bin/env bats
# medvl-train: runs on models of a few thousand weights.

load helper
load train

# bats test_tags=tsan
@test "the same seed gives the same bytes, -j 1 and -j 2" {
    tiny_text
    "${train[@]}" --epochs 3 --dropout 0.1 --ema 0.9 -j 1 -o one >/dev/null
    "${train[@]}" --epochs 3 --dropout 0.1 --ema 0.9 -j 2 -o two >/dev/null
    same_run one two
    [ "$(jq -s length one/train.jsonl)" -gt 3 ]
    "${train[@]}" --epochs 3 --dropout 0.1 --ema 0.9 --seed 4 -o other \
        >/dev/null
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

@test "kill -9 at random moments: the resumed run ends the same" {
    tiny_text
    use_release
    kill_again_and_again 4 --epochs 300 --dropout 0.1 --ema 0.9 --save-every 5 \
        --eval held.jsonl --eval-every 7 --samples 1 --best eval_loss
}

@test "checkpoints after a resume have the tokenizer too" {
    tiny_text
    use_release
    "${train[@]}" --epochs 40 --save-every 2 --keep 1 -o run >/dev/null &
    pid=$!
    while [ ! -e run/step-000008 ] && [ ! -e run/latest ]; do sleep 0.01; done
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
    run_ok medvl-train --resume run
    cmp run/tokenizer.json model/tokenizer.json
    cmp run/latest/chat_template.jinja model/chat_template.jinja
    [ "$(find run -maxdepth 1 -name 'step-*' | wc -l)" -eq 1 ]
}

@test "SIGTERM and Ctrl-C: the step is finished and saved; a resume goes on" {
    tiny_text
    use_release
    "${train[@]}" --epochs 300 --ema 0.9 -o whole >/dev/null
    for sent in TERM INT; do
        rm -rf run log said
        # A shell lets a job in the background ignore SIGINT.
        env --default-signal=INT "${train[@]}" --epochs 300 --ema 0.9 \
            --save-every 1000 -o run >log 2>said &
        pid=$!
        wait_for log $pid
        kill -s $sent "$pid"
        code=0
        wait "$pid" || code=$?
        [ "$code" -eq 3 ]
        done=$(wc -l <log)
        [ "$done" -lt 600 ]
        diff said <(printf 'medvl-train: %s\n' \
            "ends after this step and saves; a second signal ends it at once" \
            "warning: stopped at step $done of 600, which is saved; $(:
            )medvl-train --resume run goes on")
        [ -d "$(printf 'run/step-%06d' "$done")" ]
        ! grep medvl_failed log || false
        [ ! -e run/config.json ]
        run_code 1 medvl-generate -m run <<<'{"id":"a","prompt":"no"}'
        [[ $stderr = *run/latest* ]]
        run_ok medvl-train --resume run
        same_run whole run
        whole_log run 600
    done
}

@test "a second signal ends a run at once" {
    tiny_text
    use_release
    # It stands still at its first line: nobody reads the pipe, which is full.
    mkfifo pipe
    exec 5<>pipe
    dd if=/dev/zero of=pipe oflag=nonblock bs=4096 2>/dev/null || true
    env --default-signal=INT "${train[@]}" --epochs 3 -o run >&5 2>said &
    pid=$!
    wait_for run/train.jsonl $pid
    kill -INT "$pid"
    wait_for said $pid
    # At the same time it is the first one still.
    kill -TERM "$pid"
    sleep 2.5
    kill -0 "$pid"
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    exec 5>&-
    [ "$code" -eq 143 ]
    run_ok medvl-train --resume run
    [[ $stderr = *"resuming at step 0 of 6"* ]]
}

@test "what ends the log's reader too, or is sent twice, loses no step" {
    tiny_text
    use_release
    run_train=(env --default-signal=INT "${train[@]}" --epochs 100000
        --save-every 1000000)
    mkfifo pipe
    exec 5<>pipe
    "${run_train[@]}" -o run >pipe 2>said 5>&- &
    pid=$!
    head -n 3 <&5 >log
    # The reader ends while the run stands still.
    kill -STOP "$pid"
    kill -INT "$pid"
    exec 5>&-
    kill -CONT "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" -eq 3 ]
    [ -e run/latest/trainer.safetensors ]
    # GNU timeout signals the process, then its group.
    code=0
    timeout 2 "${run_train[@]}" -o twice >log 2>said || code=$?
    [ "$code" -eq 124 ]
    [ -e twice/latest/trainer.safetensors ]
}

@test "resuming a whole run does nothing" {
    tiny_text
    "${train[@]}" --epochs 2 -o run >/dev/null
    find run -type f ! -name lock -exec sha256sum {} + | sort >before
    run_ok medvl-train --resume run
    [ -z "$output" ]
    [[ $stderr = *'resuming at step '* ]]
    diff before <(find run -type f ! -name lock -exec sha256sum {} + | sort)
}

@test "a stage before that failed, or an empty stream: no run folder" {
    tiny_text
    (
        cat tokens.jsonl
        echo '{"medvl_failed":"medvl-tokenize: no"}'
    ) >failed.jsonl
    : >empty.jsonl
    for data in failed empty; do
        run_code 1 medvl-train -m model --data $data.jsonl -o run
        [[ $output = *'{"medvl_failed":'* ]]
        [[ $stderr = *$data.jsonl* ]]
        [ ! -e run ]
        run_code 1 medvl-train -m model --data tokens.jsonl \
            --data $data.jsonl -o run
        [ ! -e run ]
        run_code 1 medvl-train -m model --data tokens.jsonl \
            --eval $data.jsonl -o run
        [ ! -e run ]
    done
    mkdir noindex
    run_code 1 medvl-train -m model --data noindex -o run
    [ ! -e run ]
}

@test "records that cannot be learned from are named" {
    tiny_text
    bad() { # RECORD TEXT
        (head -n 1 tokens.jsonl && echo "$1") >bad.jsonl
        run_code 1 medvl-train -m model --data bad.jsonl -o run
        [[ $stderr = *bad.jsonl* && $stderr = *"$2"* ]] || {
            echo "$stderr"
            return 1
        }
        [ ! -e run ]
    }
    bad '{"id":"z"}' 'no "tokens": medvl-tokenize adds them'
    bad '{"id":"z","tokens":[]}' 'record 2 "z"'
    bad '{"id":"z","tokens":[1,99999]}' \
        "vocabulary of 274: medvl-tokenize with this model's tokenizer"
    bad '{"id":"z","tokens":[1,-1]}' tokens
    bad '{"id":"z","tokens":[1,2],"loss_mask":[1]}' loss_mask
    bad '{"id":"z","tokens":[1,2],"images":[{"path":"a.png"}]}' \
        'reads no pictures'
    bad '{"id":"z","tokens":[1,2],"images":[{"width":1,"height":1}]}' \
        'reads no pictures: take "images" out'
    rm model/tokenizer.json
    run_code 1 "${train[@]}" --eval held.jsonl -o run
    [[ $stderr = *'has no tokenizer.json'*'--samples -1'* ]]
    [ ! -e run ]
    run_ok "${train[@]}" --eval held.jsonl --samples -1 -o other
    run_code 1 medvl-train -m model --data tokens.jsonl --batch-tokens 9 -o run
    [[ $stderr = *--batch-tokens* && $stderr = *effusion* ]]
    [ ! -e run ]
}

@test "data without a token to learn is refused before anything is run" {
    tiny_text
    jq -c '.loss_mask = [.tokens[] | 0]' tokens.jsonl >zeros.jsonl
    # The first token follows none, so it cannot be learned.
    jq -c '.loss_mask[0] = 1' zeros.jsonl >first.jsonl
    for data in zeros first; do
        run_code 1 medvl-train -m model --data $data.jsonl -o run
        [[ $stderr = *'no record has a token to learn'*'"loss_mask"'* ]]
        run_code 1 medvl-train -m model --data zeros.jsonl=0 \
            --data $data.jsonl --data tokens.jsonl=0 -o run
        [[ $stderr = *'no record has a token to learn'* ]]
        for best in eval_loss eval_accuracy; do
            run_code 1 "${train[@]}" --eval $data.jsonl --best $best -o run
            [[ $stderr = *"--best $best: "*'no token'* ]]
        done
    done
    [ ! -e run ]
    # Beside others, records and steps may have none.
    run_ok medvl-train -q -m model --data zeros.jsonl --data held.jsonl \
        --batch-tokens 20 -o run
    jq -se 'map(select(.loss == null)) | length > 0 and
        all(.grad_norm == 0 and .tokens > 0)' run/train.jsonl
    jq -se 'map(select(.loss != null)) | length > 0' run/train.jsonl
}

@test "a record longer than the model's positions is refused" {
    tiny_text
    jq '.max_position_embeddings = 8' model/config.json >config.json
    cp config.json model/config.json
    for most in --max-tokens=8000 --epochs=1; do
        run_code 1 medvl-train -m model --data tokens.jsonl $most -o run
        [[ $stderr = *effusion*'room for 8 (max_position_embeddings)'* ]]
    done
    [ ! -e run ]
}

# Put four bytes into model.safetensors, OFFSET from its end.
poke() { # OFFSET BYTES
    local size

    size=$(stat -c %s model/model.safetensors)
    printf '%b' "$2" | dd of=model/model.safetensors bs=1 conv=notrunc \
        seek=$((size - $1)) status=none
}

@test "a value that is not finite: step, records and tensor, no checkpoint" {
    tiny_text
    poke 4 '\x00\x00\xc0\x7f'
    run_code 1 "${train[@]}" -o run
    [[ $stderr = *'step 1: records '* ]]
    [[ $stderr =~ (effusion|fracture|mass|nodule|oedema|rib|scar|stent) ]]
    [[ $stderr = *lm_head.weight* ]]
    [ -z "$(find run -name 'step-*')" ]
    run_code 1 "${train[@]}" --train decoder --eval held.jsonl -o run2
    [ -z "$(find run2 -name 'step-*')" ]
}

@test "weights that run away end the run before they are kept" {
    tiny_text
    run_code 1 "${train[@]}" --lr 1000 --warmup 0 --epochs 1000 \
        --save-every 100000 --weight-decay 10 --clip -1 -o run
    [[ $stderr = *'step '* && $stderr = *'not finite'* ]]
    [ -z "$(find run -name 'step-*')" ]
}

@test "--dry-run writes nothing and says what a run would take" {
    tiny_text
    touch before
    ls >before
    run_ok "${train[@]}" --dry-run --epochs 5
    jq -e '.records == 8 and .steps >= 10 and .trained == .parameters and
        .gradient_bytes == 4 * .trained and .activation_bytes > 0 and
        .total_bytes == .weight_bytes + .gradient_bytes + .optimizer_bytes +
            .activation_bytes + .scratch_bytes' \
        <<<"$output"
    run_ok "${train[@]}" --dry-run --epochs 5 -o run
    diff before <(ls --ignore='separate-stderr*')
}

@test "--dry-run says what memory a run takes" {
    tiny_pictures
    use_release
    jq -c '.text_config += {hidden_size: 256, intermediate_size: 1024,
            num_hidden_layers: 12, num_attention_heads: 8} |
        .vision_config += {hidden_size: 128, intermediate_size: 4096,
            num_hidden_layers: 8} | .torch_dtype = "bfloat16"' \
        config.json >large.json
    medvl-merge --init large.json --tokenizer tokenizer.json \
        --chat chatml --seed 1 -o large
    medvl-prompt -e '{{question}}' --answer '{{answer}}' <pictures.jsonl |
        medvl-tokenize -m large >words.jsonl
    for parts in projector vision,projector vision,projector,decoder; do
        large=(medvl-train -q -j 1 -m large --data words.jsonl --steps 2
            --train "$parts")
        "${large[@]}" --dry-run >plan
        rm -rf run
        "${large[@]}" -o run >log
        # Beside it there are the program itself and its threads' stacks.
        jq -es --argjson plan "$(jq .total_bytes plan)" '.[-1].memory |
            . > 0.95 * $plan and . < 1.05 * $plan + 2e7' log ||
            { echo "$parts" && cat plan log && return 1; }
    done
}

@test "a run folder is not written over, nor any other folder" {
    tiny_text
    "${train[@]}" -o run >/dev/null
    sha256sum run/train.jsonl model/* >before
    run_code 1 "${train[@]}" -o run
    [[ $stderr = *--resume* ]]
    run_code 1 "${train[@]}" -o model
    [[ $stderr = *'folder of its own'* ]]
    sha256sum -c --quiet before
    [ ! -e model/lock ]
    run_code 1 medvl-train --resume model
    run_code 1 medvl-train --resume nothing
    [ ! -e nothing ]
}

# Kill a run when its folder is there and before its first step is logged.
kill_before_a_step() { # RUN OPTION...
    local run=$1 pid
    shift

    for _ in $(seq 50); do
        rm -rf "$run"
        "${train[@]}" "$@" -o "$run" >/dev/null 2>&1 &
        pid=$!
        while [ ! -e "$run/options.json" ]; do :; done
        kill -9 "$pid"
        wait "$pid" 2>/dev/null || true
        [ -s "$run/train.jsonl" ] || return 0
    done
    return 1
}

@test "a run that was killed before its first step is begun again" {
    tiny_text
    use_release
    "${train[@]}" --epochs 3 -o whole >/dev/null
    kill_before_a_step run --epochs 3
    run_ok "${train[@]}" --epochs 3 -o run
    same_run whole run
    kill_before_a_step other --epochs 2
    run_ok "${train[@]}" --epochs 3 -o other
    same_run whole other
    kill_before_a_step third --epochs 3
    run_ok medvl-train --resume third
    same_run whole third
}

@test "a log with other lines than the run's is refused by file and line" {
    tiny_text
    "${train[@]}" --epochs 3 -o run >/dev/null
    cp run/train.jsonl kept
    sed '3s/.*/not a line/' kept >run/train.jsonl
    cp run/train.jsonl before
    run_code 1 medvl-train --resume run
    [[ $stderr = *'run/train.jsonl:3: '* ]]
    cmp before run/train.jsonl
    (cat kept && printf '{"step":') >run/train.jsonl
    run_ok medvl-train --resume run
    cmp kept run/train.jsonl
}

@test "two processes do not work on one run" {
    tiny_text
    use_release
    "${train[@]}" --epochs 100000 --save-every 1000000 -o run >/dev/null &
    pid=$!
    wait_for run/train.jsonl $pid
    run_code 1 medvl-train --resume run
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
    [[ $stderr = *lock* ]]
}

@test "data that changed since is refused on resume" {
    tiny_text
    "${train[@]}" --eval held.jsonl --samples -1 -o run >/dev/null
    cp tokens.jsonl kept
    head -n 7 kept >tokens.jsonl
    run_code 1 medvl-train --resume run
    [[ $stderr = *'training data has changed'* ]]
    sed 's/"kind":"e"/"kind":"f"/' kept >tokens.jsonl
    run_code 1 medvl-train --resume run
    cp kept tokens.jsonl
    head -n 2 kept >held.jsonl
    run_code 1 medvl-train --resume run
    [[ $stderr = *'evaluation data has changed'* ]]
    head -n 3 kept >held.jsonl
    run_ok medvl-train --resume run
}

@test "options that --resume would not follow are wrong use" {
    tiny_text
    "${train[@]}" -o run >/dev/null
    run_code 2 medvl-train --resume run --lr 1
    run_code 2 medvl-train --resume run --data tokens.jsonl
    run_code 2 medvl-train --resume run --dry-run
    run_code 2 medvl-train -m model --data tokens.jsonl
    run_code 2 medvl-train -m model --data tokens.jsonl -o x operand
    run_code 2 medvl-train --resume run --seed 4
    [[ $stderr = *'--seed: --resume takes its options'* ]]
}

@test "a bad value is wrong use, which names the option and what it takes" {
    tiny_text
    wrong() { # TEXT OPTION...
        local text=$1
        shift

        run_code 2 "${train[@]}" -o x "$@"
        [[ $stderr = *"$text"* ]] || {
            echo "$stderr"
            return 1
        }
        [ ! -e x ]
    }
    wrong '--lr: -1 is not in 0..1000' --lr -1
    wrong '--lr: ' --lr fast
    wrong '--steps: ' --steps 0
    wrong 'language|dense' --objective foo
    wrong '--train: rate of vision: "abc" is no number from 0 to 1000' \
        --train vision=abc
    wrong '--train: "head" is not vision, projector or decoder' --train head
    wrong 'stands twice' --train decoder,decoder
    wrong '--best needs --eval' --best eval_loss
    wrong '--best is eval_loss or eval_accuracy' --best speed \
        --eval held.jsonl
    wrong '--classes needs --objective dense' --classes kind
    wrong '--data: other.jsonl=x: no such file' --data other.jsonl=x
    wrong 'vision part alone' --objective dense --train decoder
    # What the model or the data cannot do is found out later.
    run_code 1 "${train[@]}" --train vision -o x
    [[ $stderr = *'no vision part'* ]]
    run_code 1 "${train[@]}" --balance no_such_field -o x
    [[ $stderr = *no_such_field* ]]
    [ ! -e x ]
}

@test "a broken options.json is an error, not other options" {
    tiny_text
    "${train[@]}" -o run >/dev/null
    cp run/options.json kept
    for change in 's/"accumulate":2/"accumulate":-2/' 's/"lr"/"rl"/' \
        's/"seed":3/"seed":"3"/' 's/"recompute":false/"recompute":0/' \
        's/"data":\["tokens.jsonl"\]/"data":"tokens.jsonl"/' \
        's/"options"/"other"/' 's/"hashes"/"other"/' 's/}$//'; do
        sed "$change" kept >run/options.json
        ! cmp -s kept run/options.json || false
        run_code 1 medvl-train --resume run
    done
    cp kept run/options.json
    run_ok medvl-train --resume run
}

@test "--best ends with the step that was best" {
    tiny_text
    # Learning the other sentences makes these worse after a while.
    tail -n 5 tokens.jsonl >some.jsonl
    medvl-train -q -m model --data some.jsonl --eval held.jsonl --lr 3e-2 \
        --epochs 40 --eval-every 1 --save-every 1000 --samples -1 \
        --best eval_loss --keep 1 -o run >/dev/null
    best=$(jq -s 'min_by(.eval_loss).step' run/train.jsonl)
    [ "$best" -lt 40 ]
    [ "$(readlink run/config.json)" = \
        "$(printf 'step-%06d/config.json' "$best")" ]
    [ "$(readlink run/latest)" = step-000040 ]
    [ -f run/model.safetensors ]
}

@test "--balance gives every value the same weight" {
    tiny_text
    jq -c '.kind = if .id == "rib" then "r" else "x" end' tokens.jsonl >two
    mv two tokens.jsonl
    "${train[@]}" --epochs 30 -o plain --batch-tokens 100 >/dev/null
    "${train[@]}" --epochs 30 -o even --batch-tokens 100 --balance kind \
        >/dev/null
    grep '"rib"' tokens.jsonl >rib.jsonl
    loss() {
        medvl-train -q -m "$1" --data rib.jsonl --steps 1 -o "$1-loss" |
            jq .loss
    }
    jq -ne --argjson plain "$(loss plain)" --argjson even "$(loss even)" \
        '$even < $plain'
}

@test "several data sets with weights" {
    tiny_text
    run_ok medvl-train -q -m model --data tokens.jsonl=2 --data held.jsonl=0.5 \
        --epochs 40 --batch-tokens 100000 -o run
    # 60 tokens twice, and half of the three records on the way.
    all=$(jq -s 'map(.tokens | length) | add' tokens.jsonl)
    held=$(jq -s 'map(.tokens | length) | add' held.jsonl)
    jq -se --argjson all "$all" --argjson held "$held" '
        (map(.tokens) | min >= 2 * $all and max <= 2 * $all + $held) and
        ((map(.tokens) | add / 40 - 2 * $all) / $held | . > 0.3 and . < 0.7)' \
        run/train.jsonl
    # Epochs in which nothing is drawn are passed over.
    run_ok medvl-train -q -m model --data held.jsonl=0.1 --epochs 30 \
        --seed 1 -o few
    whole_log few "$(wc -l <few/train.jsonl)"
    [ "$(wc -l <few/train.jsonl)" -lt 30 ]
    run_code 1 medvl-train -m model --data tokens.jsonl=0 -o none
    [ ! -e none ]
}

@test "shards and lines train the same" {
    tiny_text
    medvl-shard -o shards <tokens.jsonl
    "${train[@]}" -o lines >/dev/null
    medvl-train -q -m model --data shards --lr 1e-2 --warmup 3 \
        --batch-tokens 20 --accumulate 2 --seed 3 -o shard >/dev/null
    cmp lines/model.safetensors shard/model.safetensors
}

@test "a full device for stdout is an error" {
    tiny_text
    run bash -c '"$@" >/dev/full' bash "${train[@]}" -o run
    [ "$status" -eq 1 ]
    [[ $output = *'stdout'* ]]
    run_ok medvl-train --resume run
}

@test "a full disk: exit 1, nothing half-written, a resume goes on" {
    tiny_text
    mkdir disk
    mount -t tmpfs -o size=400k tmpfs disk 2>/dev/null ||
        skip "no tmpfs can be mounted"
    "${train[@]}" --epochs 2 --keep 1 -o whole >/dev/null
    need=$(du -sk whole/latest/ | cut -f1)
    mount -o "remount,size=$((need * 3 / 2))k" disk
    run "${train[@]}" --epochs 2 --keep 1 -o disk/run
    left=$(find disk/run -name '*.tmp')
    step=$(newest_step disk/run)
    mount -o remount,size=10m disk
    medvl-train -q --resume disk/run >/dev/null
    code=0
    cmp whole/model.safetensors disk/run/model.safetensors || code=1
    umount disk
    [ "$status" -eq 1 ] && [ -z "$left" ] && [ "$code" -eq 0 ]
    [[ $output = *'No space left'* ]]
    [ "$step" -lt 4 ]
}

@test "the dense objective learns labels, what is drawn and fields" {
    tiny_pictures
    run_ok "${dense[@]}" --eval pictures.jsonl --epochs 120 \
        --best eval_accuracy -o run
    jq -se '.[-1] as $last | .[0] |
        .label_loss > 1 and .drawn_loss > 0.6 and .field_loss > 0.6 and
        $last.label_loss < 0.3 and $last.drawn_loss < 0.2 and
        $last.field_loss < 0.2 and $last.eval_accuracy > 0.9 and
        $last.eval_field_accuracy == 1 and .pictures == 2' run/train.jsonl
    [ -f run/heads.safetensors ] && [ -f run/latest/heads.safetensors ]
    for head in label drawn class.side; do
        [ -n "$(tensor run/heads.safetensors $head.weight)" ]
    done
    # Only the tower has changed.
    same_tensor run model language_model.model.embed_tokens.weight
    ! same_tensor run model "$PATCHES" || false
}

@test "the dense objective goes on bit for bit, and by any -j" {
    tiny_pictures
    use_release
    "${dense[@]}" --epochs 100 --ema 0.9 --dropout 0.1 -j 1 -o whole >/dev/null
    "${dense[@]}" --epochs 100 --ema 0.9 --dropout 0.1 --save-every 3 -j 2 \
        -o run >/dev/null &
    pid=$!
    while [ ! -e run/latest ]; do sleep 0.01; done
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
    run_ok medvl-train --resume run
    same_run whole run
    cmp whole/heads.safetensors run/heads.safetensors
}

@test "--root is where pictures of JSON Lines are, also when it goes on" {
    tiny_pictures
    "${dense[@]}" --epochs 4 -o whole >/dev/null
    mkdir below
    mv px marked below/
    run_code 1 "${dense[@]}" --epochs 4 -o run
    [[ $stderr = *marked/* ]]
    run_ok "${dense[@]}" --epochs 4 --save-every 2 --keep 9 \
        --eval pictures.jsonl --root below -o run
    [ "$(jq -r .options.root run/options.json)" = below ]
    cmp whole/model.safetensors run/model.safetensors
    rm -r "run/$(readlink run/latest)"
    run_ok medvl-train -q --resume run
    cmp whole/model.safetensors run/model.safetensors
    run_code 2 medvl-train --resume run --root below
}

@test "pictures that are not there are found before a run begins" {
    tiny_pictures
    medvl-prompt -e '{{question}}' --answer '{{answer}}' <pictures.jsonl |
        medvl-tokenize -m model >words.jsonl
    medvl-shard -o shards words.jsonl
    rm marked/*
    # Of all lines, whether they say how large the picture is or not.
    (
        sed -n 1,2p words.jsonl
        sed -n 3,4p words.jsonl | jq -c 'del(.images[].width)'
        head -n 1 words.jsonl
    ) >lines.jsonl
    for option in --dry-run --output=run; do
        run_code 1 medvl-train -m model --data lines.jsonl "$option"
        [[ $stderr = *"5 pictures are not there: lines.jsonl:1: marked/"*$(:
            )", lines.jsonl:2: marked/"*", lines.jsonl:3: marked/"*$(:
            )", lines.jsonl:4: marked/"*" and 1 more (--root says"* ]]
        [ ! -e run ]
    done
    head -n 1 words.jsonl >one.jsonl
    run_code 1 medvl-train -m model --data shards --eval one.jsonl \
        --root below -o run
    [[ $stderr = *"1 picture is not there: one.jsonl:1: below/marked/"* ]]
    [ ! -e run ]
    # Shards hold theirs.
    run_ok medvl-train -q -m model --data shards -o run
}

@test "what the dense objective cannot use is refused" {
    tiny_pictures
    run_code 2 "${dense[@]}" --train decoder -o x
    run_code 2 "${dense[@]}" --balance side -o x
    run_code 2 "${dense[@]}" --label-smoothing 0.1 -o x
    run_code 1 "${dense[@]}" --classes side,none -o x
    [[ $stderr = *'"none": missing'* ]]
    run_code 1 "${dense[@]}" --dense-label 0 --dense-drawn -1 \
        --dense-class 0 -o x
    jq -c 'del(.images[].regions)' pictures.jsonl >plain.jsonl
    run_code 1 medvl-train -m model --data plain.jsonl --objective dense -o x
    [[ $stderr = *'no labelled'* ]]
    run_code 1 "${dense[@]}" --eval plain.jsonl --best eval_accuracy -o x
    [[ $stderr = *'--best eval_accuracy: '*'no labelled regions'* ]]
    run_code 1 "${dense[@]}" --dense-label 0 --eval pictures.jsonl \
        --best eval_accuracy -o x
    [[ $stderr = *'--best eval_accuracy: '*'no labelled regions'* ]]
    sed 's/"at 0 0"/"elsewhere"/' pictures.jsonl >other.jsonl
    run_code 1 "${dense[@]}" --eval other.jsonl -o run
    [[ $stderr = *evaluation*elsewhere* ]]
    [ ! -e x ]
    sed 's/"box":\[0,0/"box":["a",0/' pictures.jsonl >box.jsonl
    run_code 1 medvl-train -m model --data box.jsonl --objective dense -o bad
    [[ $stderr = *p00*box* ]]
}

@test "pictures and words: the tower trained first goes on with the whole" {
    tiny_pictures
    "${dense[@]}" --epochs 40 -o tower >/dev/null
    medvl-prompt -e '{{question}}' --answer '{{answer}}' <pictures.jsonl |
        medvl-tokenize -m tower | medvl-shard -o shards
    run_ok medvl-train -m tower --data shards --eval shards --samples 4 \
        --train vision=1e-3,projector,decoder --lr 1e-2 --epochs 150 \
        --eval-every 50 -o run
    jq -se '.[-1].loss < 0.3 and .[-1].eval_accuracy == 1 and
        (.[-1].samples | all(.answer == .prediction))' run/train.jsonl
    # A frozen tower stays as it is.
    run_ok medvl-train -m tower --data shards --train decoder -o frozen
    same_tensor frozen tower "$PATCHES"
    ! same_tensor run tower "$PATCHES" || false
    ! same_tensor frozen tower language_model.model.embed_tokens.weight ||
        false
}

@test "the model says what it was trained on, wherever the run was" {
    tiny_text
    sed -i 's/"id"/"source":"vqa|x","license":"CC0-1.0","id"/;
        1s/vqa|x/open-i/; 2s/CC0-1.0/MIT/' tokens.jsonl
    medvl-shard -o shards tokens.jsonl
    sed -i 's/"hidden_size"/"_name_or_path":"some\/tiny-model",&/' \
        model/config.json
    "${train[@]}" --data shards=2 --eval held.jsonl --steps 2 -o a >log
    mkdir elsewhere && mv model shards elsewhere
    cp tokens.jsonl held.jsonl elsewhere
    train[3]=$PWD/elsewhere/model
    train[5]=$PWD/elsewhere/tokens.jsonl
    (cd elsewhere && "${train[@]}" --data "$PWD/shards=2" \
        --eval held.jsonl --steps 2 -o b >log)
    cmp a/README.md elsewhere/b/README.md
    cmp a/README.md a/latest/README.md
    [ "$(sed -n '2p;/^base_model/p;/^- "/p' a/README.md)" = \
        'library_name: transformers
base_model: "some/tiny-model"
- "open-i"' ]
    grep -qx '| open-i | CC0-1.0 | 2 |' a/README.md
    grep -qx '| vqa&#124;x | MIT | 2 |' a/README.md
    grep -qx '| not said | not said | 3 |' a/README.md
    hash=$(sed -n 's/^| JSON Lines | 8 | 1 | \(.*\) |$/\1/p' a/README.md)
    [ "${#hash}" = 32 ]

    # Another option is another hash; what came before is not lost.
    train[3]=a
    "${train[@]}" --steps 1 --lr 2e-2 -o c >log
    [ "$(grep -c '^- Options: hash' c/README.md)" = 2 ]
    [ "$(grep '^- Options: hash' c/README.md | sort -u | wc -l)" = 2 ]
    grep -qx 'base_model: "some/tiny-model"' c/README.md

    # A run that goes on has the page that it began with.
    sed -i 's/"steps":1/"steps":3/' c/options.json
    cp c/latest/README.md before
    medvl-train -q --resume c >log
    cmp before c/latest/README.md
    [ "$(newest_step c)" = 2 ]
}

@test "examples/overfit.sh learns a batch by heart" {
    use_release
    run_ok env MEDVL_BIN="${MEDVL_RELEASE:-$ROOT/build/release/bin}" \
        bash "$ROOT/examples/overfit.sh" here
    jq -e '. > 0 and . < 0.02' <<<"$output"
    [ "$(wc -l <<<"$stderr")" -eq 8 ]
    jq -se 'all(.answer == .prediction)' <<<"$stderr"
}
