# medvl-generate: predictions that depend on the record, the model, the
# options and the seed alone, and a run that can be gone on with.

load helper

# A tiny model with random weights, made once.
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    echo '{"hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,
        "num_attention_heads":4,"num_key_value_heads":2,
        "max_position_embeddings":64,
        "architectures":["LlamaForCausalLM"]}' >config.json
    printf '{"text":"no effusion is seen, the lungs are clear"}\n' |
        medvl-tokenize --train 280 -o tokenizer.json
    medvl-merge --init config.json --tokenizer tokenizer.json \
        --chat chatml --seed 1 -o model
    medvl-merge --init config.json --tokenizer tokenizer.json \
        --chat chatml --seed 2 -o other
    for i in $(seq 40); do
        printf '{"id":"r%d","prompt":"no %*s effusion %d"}\n' \
            "$i" $((i % 7)) '' "$i"
    done >in.jsonl
    MODEL=$PWD/model
    IN=$PWD/in.jsonl
    export MODEL IN
}

gen() {
    [[ $* == *--choices* ]] || set -- --max-tokens 6 "$@"
    medvl-generate -m "$MODEL" "$@"
}

@test "prediction, tokens, log-probability and author are added" {
    run_ok gen <<<'{"id":"a","prompt":"no","kept":1}'
    [[ $output == '{"id":"a","prompt":"no","kept":1,"prediction":"'* ]]
    [[ $output == *'"prediction_tokens":['* ]]
    [[ $output == *'"logprob":-'* ]]
    [[ $output == *'"finish_reason":"length"'* ]]
    [[ $output == *'"author":"model","command":"medvl-generate"'* ]]
}

# bats test_tags=tsan
@test "one at a time, 16 at once, any threads: the same bytes" {
    gen --temperature 0.9 --batch 1 -j 1 "$IN" >one
    gen --temperature 0.9 --batch 16 -j 1 "$IN" >many
    gen --temperature 0.9 --batch 16 -j 2 "$IN" >threads
    gen --temperature 0.9 --batch 5 -j 2 "$IN" >five
    [ "$(wc -l <one)" -eq 40 ]
    cmp one many
    cmp one threads
    cmp one five
}

# A model that reads pictures.
make_seeing() {
    local sizes

    sizes='"hidden_size":16,"intermediate_size":24'
    sizes=$sizes',"num_hidden_layers":2,"num_attention_heads":2'
    echo "{\"text_config\":{$sizes,\"max_position_embeddings\":256}," \
        "\"vision_config\":{$sizes,\"image_size\":16,\"patch_size\":8}}" \
        >llava.json
    medvl-merge --init llava.json --tokenizer "${MODEL%model}tokenizer.json" \
        --chat chatml --seed 1 -o seeing
}

@test "records with no, one and two pictures: the same bytes too" {
    make_seeing
    parts='[{"type":"image"},{"type":"text","text":"ill?"}]'
    choices='"choices":{"A":"no","B":"effusion","C":"n"}'
    {
        echo '"prompt":"<image>is it","images":[{"path":"rgb.png"}]'
        echo '"prompt":"no"'
        echo '"prompt":"<image>or<image>",' \
            '"images":[{"path":"exif6.jpg"},{"path":"grey8.png"}]'
        echo "\"messages\":[{\"role\":\"user\",\"content\":$parts}]," \
            '"images":[{"path":"grey.jpg"}]'
        echo '"prompt":"<image>is it","images":[{"path":"exif6.jpg"}]'
    } | sed "s/.*/{&,$choices}/" >in
    for how in --choices '--max-tokens 5'; do
        for batch in 1 2 16; do
            # shellcheck disable=SC2086
            medvl-generate -m seeing $how --batch $batch --root \
                "$BATS_TEST_DIRNAME/../golden/pictures" in >"$batch"
            [ "$(wc -l <"$batch")" -eq 5 ]
            cmp 1 "$batch"
        done
        # What differs between the first and the last is the picture.
        run ! cmp -s <(sed -n '1s/.*logprob//p' 1) \
            <(sed -n '5s/.*logprob//p' 1)
    done
}

@test "a picture that the messages do not show is an error, not left out" {
    make_seeing
    cp "$BATS_TEST_DIRNAME/../golden/pictures/rgb.png" .
    asks() { # CONTENT
        echo '{"id":"a","images":[{"path":"rgb.png"},{"path":"rgb.png"}],' \
            "\"messages\":[{\"role\":\"user\",\"content\":$1}]}"
    }
    see() {
        medvl-generate -m seeing --max-tokens 2 "$@"
    }
    run_code 1 see <<<"$(asks '"<image>\nIs it?"')"
    [[ $stderr == *'a: picture 1: the messages do not show it: a part'* ]]
    [[ $stderr == *'medvl-prompt writes one'* ]]
    run_code 1 see <<<"$(asks '[{"type":"image"},{"type":"text",
        "text":"?"}]' | tr -d '\n')"
    [[ $stderr == *'a: picture 2: the messages do not show it'* ]]
    run_ok see <<<"$(asks '[{"type":"image","index":1},
        {"type":"image","index":0}]' | tr -d '\n')"
    run_code 1 see <<<"$(asks '"is it"' | sed 's/{"path":"rgb.png"}/"p"/')"
    [[ $stderr == *'"images": picture 1 is no object, such as {"path":'* ]]
    # What reads no pictures says so first.
    run_code 1 gen <<<"$(asks '[{"type":"image"},{"type":"image"}]')"
    [[ $stderr == *'a: the model reads no pictures'* ]]
}

@test "a model that reads pictures and gets none: a warning" {
    make_seeing
    cp "$BATS_TEST_DIRNAME/../golden/pictures/rgb.png" .
    echo '{"id":"a","image":"rgb.png","prompt":"no"}' >in
    run_ok gen -m seeing in in
    [[ $stderr == *'warning: the model reads pictures: "images" is in none'\
' of 2 records: "image" is not read, and '* ]]
    echo '{"prompt":"<image>no","images":[{"path":"rgb.png"}]}' >>in
    run_ok gen -m seeing in
    [[ $stderr != *warning* ]]
    run_ok gen "$IN"
    [[ $stderr != *warning* ]]
}

@test "a model is its folder's name, from inside of the folder too" {
    cd "$MODEL"
    for path in . ./ ../model/. "$MODEL/" ../model; do
        run_ok medvl-generate -m "$path" --max-tokens 1 <<<'{"prompt":"no"}'
        [[ $output == *'"author":"model",'* ]]
    done
}

@test "a tokenizer of another model's size is said so at once" {
    cp -r "$MODEL" wrong
    echo '{"text":"a lesion of the liver, seen on a later slice of both' \
        'kidneys, unchanged"}' |
        medvl-tokenize --train 295 -o large.json
    cp large.json wrong/tokenizer.json
    rm wrong/tokenizer_config.json
    size=$(jq .vocab_size wrong/config.json)
    run_code 1 medvl-generate -m wrong "$IN"
    [[ $stderr == *"wrong: the tokenizer has 295 entries, the model $size:"* ]]
}

@test "tokens that were added behind the vocabulary may be there, unused" {
    cp -r "$MODEL" more
    size=$(jq .vocab_size more/config.json)
    jq --argjson id "$size" '.added_tokens += [.added_tokens[0] +
        {id: $id, content: "<extra>", special: true}]' \
        "$MODEL/tokenizer.json" >more/tokenizer.json
    run_ok medvl-generate -m more --max-tokens 1 <<<'{"prompt":"no"}'
    run_code 1 medvl-generate -m more <<<'{"prompt":"no <extra>"}'
    [[ $stderr == *"vocabulary"* ]]
}

@test "two parts together are the whole" {
    gen --temperature 0.9 "$IN" >whole
    gen --temperature 0.9 --part 1/2 "$IN" >parts
    gen --temperature 0.9 --part 2/2 "$IN" >>parts
    cmp whole parts
}

@test "the same seed gives the same, another gives another" {
    gen --temperature 1 --seed 1 "$IN" >a
    gen --temperature 1 --seed 1 "$IN" >b
    gen --temperature 1 --seed 2 "$IN" >c
    cmp a b
    run ! cmp -s a c
    gen --seed 1 "$IN" | sed 's/"options":"[0-9a-f]*"//' >a
    gen --seed 2 "$IN" | sed 's/"options":"[0-9a-f]*"//' >c
    cmp a c # greedy draws nothing
}

@test "a record gets the same whatever stands around it" {
    gen --temperature 1 "$IN" | tail -3 >among
    tail -3 "$IN" | gen --temperature 1 >alone
    cmp among alone
}

@test "several answers are drawn independently" {
    run_ok gen --temperature 1 --samples 3 <<<'{"id":"a","prompt":"no"}'
    [[ $output == *'"predictions":["'*'","'*'","'*'"]'* ]]
    printf '%s\n' "$output" | sed 's/.*"predictions":\[//; s/\].*//' |
        sed 's/","/\n/g' | sort -u >texts
    [ "$(wc -l <texts)" -eq 3 ]
}

@test "one answer of several is the one alone" {
    gen --temperature 1 --samples 1 <<<'{"id":"a","prompt":"no"}' |
        sed 's/.*"prediction_tokens"/"prediction_tokens"/' >one
    gen --temperature 1 --samples 4 <<<'{"id":"a","prompt":"no"}' |
        sed 's/.*"prediction_tokens"/"prediction_tokens"/' >four
    cmp one four
}

@test "an answer ends before a stop text" {
    run_ok gen --temperature 1 --max-tokens 40 \
        <<<'{"id":"a","prompt":"the lungs"}'
    text=$(sed 's/.*"prediction":"//; s/",".*//' <<<"$output" |
        LC_ALL=C grep -o '[a-z][a-z]*' | tail -1)
    [ -n "$text" ]
    run_ok gen --temperature 1 --max-tokens 40 --stop "$text" \
        <<<'{"id":"a","prompt":"the lungs"}'
    cut=$(sed 's/.*"prediction":"//; s/",".*//' <<<"$output")
    [[ $cut != *"$text"* ]]
    [[ $output == *'"finish_reason":"stop"'* ]]
    run_code 1 gen --stop '' <<<'{"id":"a","prompt":"the lungs"}'
    [[ $stderr == *'stop text is empty'* ]]
}

@test "greedy is what a top-k of one draws" {
    gen "$IN" | sed 's/"options":"[0-9a-f]*"//' >greedy
    gen --temperature 2 --top-k 1 "$IN" |
        sed 's/"options":"[0-9a-f]*"//' >one
    cmp greedy one
}

@test "options of drawing do not go without --temperature" {
    for other in '--top-k 3' '--top-p 0.5' '--samples 2'; do
        # shellcheck disable=SC2086 # options
        run_code 2 gen $other "$IN"
        [[ $stderr == *": ${other%% *} goes with --temperature, without"* ]]
        # 0 that is asked for is what was asked for.
        # shellcheck disable=SC2086 # options
        run_ok gen --temperature 0 $other <<<'{"prompt":"no"}'
    done
    run_ok gen --samples 1 <<<'{"prompt":"no"}'
}

@test "what generation_config.json says: end tokens, no sampling" {
    cp -r "$MODEL" said
    token=$(gen <<<'{"prompt":"no"}' | jq '.prediction_tokens[0]')
    echo '{"do_sample":true,"temperature":9,"top_k":50}' \
        >said/generation_config.json
    diff <(gen "$IN" | jq -c .prediction_tokens) \
        <(gen -m said "$IN" | jq -c .prediction_tokens)
    echo "{\"eos_token_id\":$token}" >said/generation_config.json
    run_ok gen -m said <<<'{"prompt":"no"}'
    [[ $output == *'"prediction_tokens":[],'*'"finish_reason":"stop"'* ]]
}

@test "what a padded vocabulary says beyond the tokenizer is no text" {
    sed 's/{/{"vocab_size":900,/' "${MODEL%model}config.json" >config.json
    medvl-merge --init config.json --seed 1 -o padded
    cp "$MODEL/tokenizer.json" padded
    run_ok medvl-generate -m padded --max-tokens 20 --temperature 2 \
        <<<'{"id":"a","prompt":"no"}'
    [[ $output =~ \"prediction_tokens\":\[[0-9,]*[3-8][0-9][0-9] ]]
    [[ $output == *'"finish_reason":"length"'* ]]
}

@test "a folder with SentencePiece's tokenizer.model alone speaks text" {
    need_data tokenizers/mistral-spm/tokenizer.model
    echo '{"model_type":"mistral","vocab_size":32000,"hidden_size":16,
        "intermediate_size":16,"num_hidden_layers":1,
        "num_attention_heads":2,"num_key_value_heads":2}' >config.json
    medvl-merge --init config.json --seed 1 -o spm
    cp "$MEDVL_DATA/tokenizers/mistral-spm/tokenizer.model" spm
    run_ok medvl-generate -m spm --max-tokens 3 \
        <<<'{"id":"a","prompt":"no effusion"}'
    [[ $output == *'"prediction":"'* ]]
    run_ok medvl-inspect spm
    [[ $output == *'"tokenizer":"tokenizer.model"'* ]]
}

@test "a penalty keeps tokens from coming again" {
    gen --max-tokens 30 --repetition-penalty 100 \
        <<<'{"id":"a","prompt":"no"}' |
        sed 's/.*"prediction_tokens":\[//; s/\].*//' | tr , '\n' >tokens
    [ "$(wc -l <tokens)" -gt 5 ]
    [ -z "$(sort tokens | uniq -d)" ]
}

@test "--logprobs add up to logprob" {
    run_ok gen --logprobs <<<'{"id":"a","prompt":"no"}'
    sum=$(sed 's/.*"logprobs":\[//; s/\].*//' <<<"$output" | tr , '\n' |
        awk '{ s += $1; n++ } END { printf "%d %.5f", n, s }')
    logprob=$(sed 's/.*"logprob"://; s/,.*//' <<<"$output" |
        awk '{ printf "%.5f", $1 }')
    [ "$sum" = "6 $logprob" ]
}

# score NAME of "choice_logprobs", from $output
score() {
    # shellcheck disable=SC2001
    sed "s/.*\"choice_logprobs\":{[^}]*\"$1\":\([^,}]*\).*/\1/" <<<"$output"
}

@test "choices: sums, by tokens, by bytes, the best letter and its text" {
    line='{"id":"a","prompt":"is it ","choices":{"A":"no effusion","B":"no"}}'
    run_ok gen --choices <<<"$line"
    a=$(score A) b=$(score B)
    best=$(awk -v a="$a" -v b="$b" 'BEGIN { print (a >= b ? "A" : "B") }')
    [[ $output == *"\"prediction\":\"$best\""* ]]
    [[ $output == *'"prediction_text":"no'* ]]

    # The longer one begins with the shorter one's token.
    awk -v a="$a" -v b="$b" 'BEGIN { exit !(a < b && b < 0) }'
    run_ok gen --choices --normalize bytes <<<"$line"
    awk -v a="$a" -v got="$(score A)" \
        'BEGIN { d = a / 11 - got; exit !(d < 1e-9 && d > -1e-9) }'
    count=$(medvl-tokenize -m "$MODEL" <<<'{"text":"no effusion"}' |
        sed 's/.*"tokens":\[//' | tr , '\n' | wc -l)
    run_ok gen --choices --normalize tokens <<<"$line"
    awk -v a="$a" -v n="$count" -v got="$(score A)" \
        'BEGIN { d = a / n - got; exit !(d < 1e-9 && d > -1e-9) }'
    run_code 2 gen --normalize tokens <<<"$line"
}

@test "choices are scored as the assistant's turn of messages" {
    line='{"id":"a","messages":[{"role":"user","content":"is it"}'
    turn=',{"role":"assistant","content":"ill"}'
    end='],"choices":{"A":"no","B":"seen"}}'
    run_ok gen --choices <<<"$line$end"
    without=$output
    run_ok gen --choices <<<"$line$turn$end" # the answer does not leak
    [ "$(score A)" = "$(output=$without score A)" ]
    [ "$(score B)" = "$(output=$without score B)" ]
}

# Records of unequal length, every fifth a bad one.
questions() {
    for i in $(seq 30); do
        case $((i % 5)) in
        0) printf '{"id":"q%d","prompt":"is it"}\n' "$i" ;;
        1) printf '{"id":"q%d","prompt":"%*s","choices":{"A":"%d"}}\n' \
            "$i" $((i % 7 + 1)) is $((i * 7)) ;;
        *) printf '{"id":"q%d","messages":[{"role":"user","content":"%*s"}]' \
            "$i" $((i % 4)) it
            printf ',"choices":{"A":"no","B":"effusion","C":"%d"}}\n' "$i" ;;
        esac
    done
}

# bats test_tags=tsan
@test "choices, one record at a time, 16 at once, any threads: the same" {
    questions >in
    for options in '--batch 1 -j 1' '--batch 16 -j 1' '--batch 5 -j 2' \
        '--batch 16 -j 2'; do
        # shellcheck disable=SC2086
        run_code 3 gen --choices -k --rejects "aside$options" \
            -o "out$options" $options in
        [ "$(wc -l <"out$options")" -eq 24 ]
        [ "$(wc -l <"aside$options")" -eq 6 ]
        cmp "out--batch 1 -j 1" "out$options"
        cmp "aside--batch 1 -j 1" "aside$options"
    done
    sed -n 7p in | gen --choices | cmp - <(sed -n 6p "out--batch 1 -j 1")
}

@test "a record without what is asked for is told who makes it" {
    run_code 1 gen --choices <<<'{"id":"a","prompt":"is it"}'
    [[ $stderr == *'stdin:1: a: no "choices" '*'medvl-import'*'--choices' ]]
    run_code 1 gen --choices <<<'{"id":"a","prompt":"no","choices":{}}'
    [[ $stderr == *'"choices" is no object of letters and texts' ]]
    run_code 1 gen <<<'{"id":"a","question":"is it?"}'
    [[ $stderr == *'stdin:1: a: no "messages", '*'medvl-prompt -e '* ]]
    cp -r "$MODEL" plain
    rm plain/chat_template.jinja
    run_code 1 medvl-generate -m plain <<<'{"id":"a","messages":[]}'
    [[ $stderr == *'no chat template: '*'or give "prompt"' ]]
    rm plain/tokenizer.json
    run_code 1 medvl-generate -m plain <<<'{"id":"a","messages":[]}'
    [[ $stderr == *tokenizer.json*', or give "tokens"' ]]
}

@test "an answer in messages does not leak" {
    line='{"id":"a","messages":[{"role":"user","content":"is it"}'
    gen <<<"$line]}" | sed 's/.*"prediction_tokens"//' >without
    gen <<<"$line,{\"role\":\"assistant\",\"content\":\"ill\"}]}" |
        sed 's/.*"prediction_tokens"//' >with
    cmp without with
}

@test "a message to answer that the template leaves out is an error" {
    # As Qwen's does with a role that it does not know.
    {
        echo "{% if messages[0].role == 'system' %}{{ messages[0].content }}"
        echo "{%- else %}You help.{% endif %}{% for m in messages %}"
        echo "{%- if m.role in ['user', 'assistant'] %}"
        echo "<|im_start|>{{ m.role }}: {{ m.content }}<|im_end|>{% endif %}"
        echo "{%- endfor %}{% if add_generation_prompt %}<|im_start|>"
        echo "{%- endif %}"
    } >template
    cp -r "$MODEL" strict
    cp template strict/chat_template.jinja
    ask() { # MESSAGES
        medvl-generate -m strict --max-tokens 1 <<<"{\"messages\":[$1]}"
    }
    user='{"role":"user","content":"no"}'
    human='{"role":"human","content":"no"}'
    system='{"role":"system","content":"is it"}'
    none='the chat template writes nothing of it (role "human")'
    for before in '' "$system," "$user,"; do
        run_code 1 ask "$before$human"
        [[ $stderr == *'"messages": message '[01]": $none" ]]
        run_ok ask "$before$user"
    done
    run_ok ask '{"role":"user","content":""}'
    run_code 1 ask ''
    [[ $stderr == *'"messages": none to answer' ]]
    run_code 1 ask '{"role":"assistant","content":"no"}'
    [[ $stderr == *'"messages": an answer alone, '* ]]
    run_code 1 ask '{"role":"user","content":[{"type":"image"}]}'
    [[ $stderr == *': the model reads no pictures' ]]
    jq 'del(.added_tokens[] | select(.content == "<image>"))' \
        "$MODEL/tokenizer.json" >strict/tokenizer.json
    run_code 1 ask '{"role":"user","content":[{"type":"image"}]}'
    [[ $stderr == *'they show a picture, '*': the model reads none' ]]
}

@test "tokens are taken as they are, but not beside a loss mask" {
    run_ok gen <<<'{"id":"a","tokens":[1,2,3]}'
    run_code 1 gen <<<'{"id":"a","tokens":[1,2],"loss_mask":[0,1]}'
    [[ $stderr == *'stdin:1: a: '*loss_mask* ]]
}

@test "what stands before a bad record is written" {
    gen -o whole "$IN"
    echo '{"id":"bad","prompt":"no","images":[{"path":"/none.png"}]}' >bad
    for line in 1 3 16 17 30; do
        head -$((line - 1)) "$IN" | cat - bad <(tail -n +"$line" "$IN") >in
        run_code 1 gen --batch 4 in
        [[ $stderr == *"in:$line: bad: the model reads no pictures"* ]]
        # The last line says that it failed.
        head -n -1 <<<"$output" | cmp - <(head -$((line - 1)) whole)
        rm -f out.part
        run_code 1 gen -o out in
        [ ! -e out.part ] || cmp out.part <(head -$((line - 1)) whole)
    done
    questions | sed 's/"prompt":"is it"/&,"choices":{"A":"no"}/' >good
    gen --choices -o whole good
    sed '7s/"choices":{/"choices":1,"x":{/' good >in
    rm -f out.part
    run_code 1 gen --choices -o out in
    cmp out.part <(head -6 whole)
}

@test "bad prompts are errors with their place, or set aside" {
    {
        head -2 "$IN"
        echo '{"id":"x"}'
        echo '{"id":"y","tokens":[1,100000]}'
        echo '{"id":"z","prompt":""}'
        printf '{"id":"long","prompt":"%0200d"}\n' 0
        echo '{"id":"p","prompt":"no","images":[{"path":"p.png"}]}'
        sed -n 3,4p "$IN"
    } >mixed
    run_code 1 gen mixed
    [[ $stderr == *'mixed:3: x: no "messages", "prompt" or "tokens"'* ]]
    run_code 3 gen -k --rejects aside -o out mixed
    printf '%s\n' "$stderr" >messages
    [ "$(wc -l <out)" -eq 4 ]
    [ "$(wc -l <aside)" -eq 5 ]
    grep -q 'mixed:4: y: token 100000 is outside' messages
    grep -q 'mixed:5: z: the prompt is empty' messages
    grep -q 'mixed:6: long: a prompt of .* tokens; the model has room' \
        messages
    grep -q 'mixed:7: p: the model reads no pictures' messages
    gen <(head -4 "$IN") | cmp - out
}

# Make one weight of a model not finite: MODEL TENSOR NUMBER
spoil() {
    local file=$1/model.safetensors header from

    header=$(od -An -tu8 -N8 "$file")
    from=$(tail -c +9 "$file" | head -c "$header" |
        jq -r --arg name "$2" '.[$name].data_offsets[0]')
    printf '\377\377\377\177' | dd of="$file" bs=1 conv=notrunc status=none \
        seek=$((8 + header + from + 4 * $3))
}

@test "logits that are not finite: the record is named, or set aside" {
    cp -r "$MODEL" broken
    token=$(medvl-tokenize -m broken <<<'{"text":"%"}' | jq '.tokens[-1]')
    spoil broken model.embed_tokens.weight $((token * 32))
    {
        head -2 "$IN"
        echo '{"id":"bad","prompt":"no %"}'
        sed -n 3,4p "$IN"
    } >mixed
    bad='mixed:3: bad: the logits after'
    for how in --samples=1 '--temperature=0 --samples=2'; do
        # shellcheck disable=SC2086 # options
        run_code 1 gen -m broken $how mixed
        [[ $stderr == *"$bad "*' tokens are not finite'* ]]
        # shellcheck disable=SC2086 # options
        run_code 3 gen -m broken $how -k --rejects aside -o out mixed
        [[ $stderr == *"$bad"* ]]
        # shellcheck disable=SC2086 # options
        gen $how <(head -4 "$IN") | jq -c 'del(.provenance)' |
            cmp - <(jq -c 'del(.provenance)' out)
    done
    for tokens in 0 3; do
        run_code 1 gen -m broken --max-tokens $tokens --logits l mixed
        [[ $stderr == *'mixed:3: bad: '*'finite'* ]]
        [ ! -e l ]
    done
    run_code 3 gen -m broken -k --max-tokens 0 --logits l mixed
    [ "$(tail -c +9 l | head -c "$(od -An -tu8 -N8 l)" |
        jq -c 'keys_unsorted')" = '["r1","r2","r3","r4"]' ]
}

@test "a first stage that fails leaves no file and exit 1" {
    {
        head -20 "$IN"
        echo '{"medvl_failed":"medvl-prompt: disk on fire"}'
    } >failed
    run_code 1 gen -k -o out --batch 1 failed
    [[ $stderr == *'disk on fire'* ]]
    [ ! -e out ]
}

@test "--logits need one id each, and one answer" {
    run_ok gen --logits l.safetensors --max-tokens 0 "$IN"
    [ -s l.safetensors ]
    run_code 1 gen --logits m.safetensors <<<'{"prompt":"no"}'
    [ ! -e m.safetensors ]
    run_code 1 gen --logits m.safetensors < <(head -1 "$IN"; head -1 "$IN")
    [ ! -e m.safetensors ]
    echo '{"id":"__metadata__","prompt":"no"}' >kept
    run_code 1 gen --logits m.safetensors kept
    [[ $stderr == *'kept:1: __metadata__: '*'no tensor can have it'* ]]
    [ ! -e m.safetensors ]
    run_code 2 gen --logits m.safetensors --samples 2 "$IN"
    run_code 2 gen --logits m.safetensors --choices "$IN"
}

# Cut a run short after some windows of 4 records; leaves out.part.
cut_short() {
    mkfifo pipe
    medvl-generate -m "$MODEL" --max-tokens 6 --temperature 0.9 --batch 1 \
        -o out pipe &
    pid=$!
    exec 9>pipe
    head -14 "$IN" >&9
    for _ in $(seq 600); do
        [ -e out.part ] && [ "$(wc -l <out.part)" -ge 12 ] && break
        sleep 0.1
    done
    # bats reads what is said of jobs
    { kill -9 "$pid" && wait "$pid"; } 2>/dev/null || true
    exec 9>&-
    [ ! -e out ]
    [ "$(wc -l <out.part)" -eq 12 ]
}

@test "after kill -9, --resume gives the file of an uninterrupted run" {
    gen --temperature 0.9 -o whole "$IN"
    cut_short
    printf '{"id":"r13","prom' >>out.part
    gen --temperature 0.9 --batch 16 -o out --resume "$IN"
    cmp whole out
    [ ! -e out.part ]
}

@test "--resume does not run what is done" {
    gen -o whole "$IN"
    head -20 whole | sed 's/"logprob":[^,]*/"logprob":7/' >out.part
    gen -o out --resume "$IN"
    [ "$(grep -c '"logprob":7' out)" -eq 20 ]
    [ "$(wc -l <out)" -eq 40 ]
}

@test "--resume without a part starts anew, and ids may be double" {
    cat "$IN" "$IN" >twice
    gen -o whole twice
    head -43 whole >out.part
    gen -o out --resume twice
    cmp whole out
    rm out
    gen -o out --resume twice
    cmp whole out
}

@test "--resume refuses what it cannot put together" {
    gen -o whole "$IN"
    head -5 whole >out.part
    run_code 1 gen -o out --resume <<<'{"prompt":"no"}'
    [[ $stderr == *'stdin:1: '*'"id"'* ]]
    run_code 1 gen -o out --resume < <(head -3 "$IN")
    [[ $stderr == *'out.part holds 2 records'* ]]
    [ ! -e out ]
    printf '{"no":"id"}\n' >out.part
    run_code 1 gen -o out --resume "$IN"
    [[ $stderr == *'out.part:1: '* ]]
    run_code 1 gen -o out.zst --resume "$IN"
    run_code 2 gen --resume "$IN"
    run_code 2 gen --resume -o out --logits l.safetensors "$IN"
}

@test "--resume refuses a part of other options, seed or model" {
    gen --temperature 0.9 -o whole "$IN"
    head -5 whole >part
    for other in '--temperature 0.8' '--temperature 0.9 --seed 1' \
        '--temperature 0.9 --max-tokens 4'; do
        cp part out.part
        # shellcheck disable=SC2086 # options
        run_code 1 gen $other -o out --resume "$IN"
        [[ $stderr == *'out.part:1: r1: the options or the seed differ'* ]]
        cmp part out.part
    done
    cp part out.part
    run_code 1 gen -m "${MODEL%model}other" --temperature 0.9 -o out \
        --resume "$IN"
    [[ $stderr == *'out.part:1: r1: another model said this (model; '* ]]
    jq -c 'del(.provenance)' part >out.part
    run_code 1 gen --temperature 0.9 -o out --resume "$IN"
    [[ $stderr == *'out.part:1: r1: "provenance": missing'* ]]
    cp part out.part
    gen --temperature 0.9 -o out --resume "$IN"
    cmp whole out
}

@test "--resume knows a model by its content, whatever its folder is" {
    gen -o whole "$IN"
    head -16 whole >part
    mkdir a b
    cp -r "$MODEL" a
    cp -r "${MODEL%model}other" b/model
    # The same name, other weights.
    cp part out.part
    run_code 1 gen -m b/model -o out --resume "$IN"
    [[ $stderr == *'out.part:1: r1: another model said this'* ]]
    cmp part out.part
    # Another name, the same weights: one author throughout.
    mv a/model a/copy
    gen -m a/copy -o out --resume "$IN"
    cmp whole out
    # One weight of many, the template, and each vocabulary that may be read.
    for change in model.norm.weight model.embed_tokens.weight \
        chat_template.jinja vocab.txt bpe_simple_vocab_16e6.txt; do
        cp -r a/copy a/model
        case $change in
        model.*) spoil a/model $change 3 ;;
        *) echo '{{ messages[0].content }}' >a/model/$change ;;
        esac
        cp part out.part
        run_code 1 gen -m a/model -o out --resume "$IN"
        [[ $stderr == *'another model said this'* ]]
        rm -r a/model
    done
}

@test "--resume knows the model of what has no text too" {
    cp -r "$MODEL" bare
    cp -r "${MODEL%model}other" other
    rm bare/tokenizer.json other/tokenizer.json
    for i in 1 2 3; do echo "{\"id\":\"$i\",\"tokens\":[$i]}"; done >in
    gen -m bare -o whole in
    [ "$(head -1 whole | jq -r .provenance.prediction_tokens.author)" = bare ]
    head -2 whole >out.part
    run_code 1 gen -m other -o out --resume in
    [[ $stderr == *'another model said this'* ]]
    gen -m bare -o out --resume in
    cmp whole out
}

@test "the author is told by where the folder really is" {
    author() {
        medvl-generate -m "$1" --max-tokens 1 <<<'{"prompt":"no"}' |
            jq -r .provenance.prediction.author
    }
    hub=hub/models--org--a-model/snapshots
    mkdir -p runs/rl $hub
    cp -r "$MODEL" runs/rl/step-000002
    cp -r "$MODEL" runs/rl/step-by-step
    cp -r "$MODEL" $hub/c0ffee
    ln -s step-000002 runs/rl/latest
    [ "$(author runs/rl/latest)" = rl/step-000002 ]
    [ "$(author runs/rl/step-by-step)" = step-by-step ]
    [ "$(author $hub/c0ffee/)" = org/a-model@c0ffee ]
    # What is no UTF-8 in a name is no text.
    cp -r "$MODEL" $'caf\xe9\xff m'
    [ "$(author $'caf\xe9\xff m')" = 'caf?? m' ]
    cd runs/rl/latest
    [ "$(author .)" = rl/step-000002 ]
}

@test "two outputs cannot be one file" {
    for files in '--logits same -o same' '--logits o.part -o o' \
        '--logits rj -k --rejects ./rj' '--logits /dev/stdout'; do
        # shellcheck disable=SC2086 # options
        run_code 2 gen --max-tokens 0 $files "$IN"
        [[ $stderr == *' and the logits ('*') would be one file'* ]]
    done
    [ ! -e same ] && [ ! -e o.part ] && [ ! -e rj ]
}

@test "--choices goes alone" {
    for other in '--temperature 0' '--top-k 3' '--top-p 0.5' '--samples 1' \
        '--repetition-penalty 1' '--max-tokens 256' '--stop x' --logprobs; do
        # shellcheck disable=SC2086 # options
        run_code 2 medvl-generate -m "$MODEL" --choices $other "$IN"
        [[ $stderr == *": ${other%% *} does not go with --choices"* ]]
    done
}

@test "what a run left is not written over without --resume" {
    gen -o whole "$IN"
    head -5 whole >out.part
    cp out.part part
    run_code 1 gen -o out "$IN"
    [[ $stderr == *': out.part is there, '*'--resume, or remove it'* ]]
    cmp part out.part
    [ ! -e out ]
    cp part out.zst.part
    run_code 1 gen -o out.zst "$IN"
    [[ $stderr == *': out.zst.part is there, '*': remove it to begin anew' ]]
    # One without a byte has nothing that could be lost.
    : >out.part
    gen -o out "$IN"
    cmp whole out
}

@test "a run that a signal ends says what it leaves" {
    for name in INT TERM; do
        rm -rf pipe out.part
        mkfifo pipe
        env --default-signal=INT medvl-generate -m "$MODEL" --max-tokens 6 \
            --batch 1 -o out pipe 2>said &
        pid=$!
        exec 9>pipe
        head -14 "$IN" >&9
        for _ in $(seq 600); do
            [ -e out.part ] && [ "$(wc -l <out.part)" -ge 12 ] && break
            sleep 0.1
        done
        kill -s $name "$pid"
        { wait "$pid" && false; } 2>/dev/null || code=$?
        exec 9>&-
        [ "$code" -eq $((128 + $(kill -l $name))) ]
        [ "$(cat said)" = "medvl-generate: out.part has what was done: the \
same command with --resume goes on" ]
    done
}

@test "a failed run keeps its part, and --resume goes on with it" {
    gen -o whole "$IN"
    {
        head -13 "$IN"
        echo '{"id":"bad"}'
        tail -n +14 "$IN"
    } >bad
    run_code 1 gen --batch 1 -o out bad
    [ "$(wc -l <out.part)" -eq 13 ]
    [[ $stderr == *': out.part has what was done: '*' --resume goes on' ]]
    gen -o out --resume "$IN"
    cmp whole out
}

@test "another model says something else" {
    gen "$IN" | sed 's/.*"prediction_tokens"//' >a
    medvl-generate -m "${MODEL%model}other" --max-tokens 6 "$IN" |
        sed 's/.*"prediction_tokens"//' >b
    run ! cmp -s a b
}

@test "a model without a tokenizer is fed by tokens" {
    cp -r "$MODEL" bare
    rm bare/tokenizer.json
    run_ok medvl-generate -m bare --max-tokens 3 \
        <<<'{"id":"a","tokens":[1,2]}'
    [[ $output == *'"prediction_tokens":['* ]]
    [[ $output != *'"prediction":'* ]]
    run_code 1 medvl-generate -m bare <<<'{"id":"a","prompt":"no"}'
    [[ $stderr == *tokenizer.json* ]]
    run_code 1 medvl-generate -m bare --samples 2 --temperature 1 \
        <<<'{"tokens":[1]}'
    [[ $stderr == *tokenizer.json* ]]
}

@test "a terminal sees how far a window is, unless -q" {
    local run="-m '$MODEL' --max-tokens 40 '$IN' >/dev/null"

    on_terminal "medvl-generate $run"
    [[ $output == *"medvl-generate: 0 records done, "*" of the next 40 "* ]]
    on_terminal "medvl-generate -q $run"
    [ -z "$output" ]
}
