# medvl-merge: a fresh model folder.

load helper

TOKENIZER=$BATS_TEST_DIRNAME/../golden/tokenizer/llama3.json

# A LLaVA of two small layers each; $1 goes into text_config, $2 to the top.
llava() {
    local sizes='"hidden_size":16,"intermediate_size":24'

    sizes=$sizes',"num_hidden_layers":2,"num_attention_heads":2'
    cat <<EOF
{"text_config":{$sizes${1:+,$1}},
 "vision_config":{$sizes,"image_size":16,"patch_size":8}${2:+,$2}}
EOF
}

init() {
    medvl-merge --init config.json --tokenizer "$TOKENIZER" "$@"
}

# No temporary folder of $1 is there.
nothing_left() {
    ! compgen -G "$1.tmp*"
}

# The number after "NAME": in a JSON file.
number() {
    sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$2"
}

@test "a folder has all that a model needs" {
    llava >config.json
    run_ok init --chat llama3 -o model
    [ -z "$output" ]
    for file in chat_template.jinja config.json generation_config.json \
        model.safetensors preprocessor_config.json processor_config.json \
        tokenizer.json tokenizer_config.json; do
        [ -s "model/$file" ]
    done
    [ "$(echo model/* | wc -w)" = 8 ]
    nothing_left model
    grep -q '"eos_token":"<|eot_id|>"' model/tokenizer_config.json
    grep -q '"crop_size":{"height":16,"width":16}' \
        model/preprocessor_config.json
}

@test "ids of the config are those of the tokenizer" {
    llava >config.json
    for chat in llama3 chatml vicuna; do
        init --chat $chat -o $chat
        size=$(number vocab_size $chat/config.json)
        image=$(number image_token_index $chat/config.json)
        eos=$(number eos_token_id $chat/config.json)
        [ "$image" -lt "$size" ]
        end=$(sed -n 's/.*"eos_token":"\([^"]*\)".*/\1/p' \
            $chat/tokenizer_config.json)
        printf '{"text":"%s%s"}\n' '<image>' "$end" |
            medvl-tokenize -m $chat >ids
        grep -q "\"tokens\":\[$image,$eos\]" ids
        [ "$(number eos_token_id $chat/generation_config.json)" = "$eos" ]
    done
}

@test "the same seed gives the same bytes, another seed others" {
    llava >config.json
    init --chat vicuna --seed 1 -o a
    init --chat vicuna --seed 1 -j 1 -o b
    init --chat vicuna --seed 2 -o c
    diff -r a b
    run ! cmp -s a/model.safetensors c/model.safetensors
}

@test "values that contradict the tokenizer are named and nothing is made" {
    for bad in '"vocab_size":7' '"bos_token_id":7' '"eos_token_id":7' \
        '"pad_token_id":7'; do
        llava "$bad" >config.json
        run_code 1 init --chat llama3 -o model
        [[ $stderr == *"${bad%:*} is 7, "*" says "*"leave it out"* ]]
        [ ! -e model ]
        nothing_left model
    done
    llava '' '"image_token_index":7' >config.json
    run_code 1 init --chat llama3 -o model
    [[ $stderr == *'"image_token_index" is 7'* ]]
}

@test "values that agree with the tokenizer stay" {
    llava >config.json
    init --chat llama3 -o first
    cp first/config.json config.json
    init --chat llama3 -o second
    cmp first/config.json second/config.json
}

@test "a folder that is there is left alone" {
    llava >config.json
    mkdir model
    run_code 1 init --chat llama3 -o model
    [[ $stderr == *"model: there already; remove it, or "* ]]
    [ -z "$(find model -type f)" ]
}

@test "a hostile config is refused before memory or disk is taken" {
    llava >config.json
    sed -i 's/"num_attention_heads":2/"num_attention_heads":3/' config.json
    run_code 1 init --chat llama3 -o model
    [[ $stderr == *"hidden_size 16 does not divide by 3 heads"* ]]
    echo '{"vocab_size":16777216,"hidden_size":1048576,"head_dim":128}' \
        >config.json
    run_code 1 medvl-merge --init config.json -o model
    [[ $stderr == *"no room for"* ]]
    [ ! -e model ]
    nothing_left model
}

@test "a decoder over token ids needs no tokenizer" {
    cat >config.json <<'EOF'
{"vocab_size":40,"hidden_size":16,"intermediate_size":24,
 "num_hidden_layers":2,"num_attention_heads":2,"torch_dtype":"bfloat16"}
EOF
    run_ok medvl-merge --init config.json -o model
    [ "$(echo model/*)" = "model/config.json model/model.safetensors" ]
    sed -i 's/"vocab_size":40,//' config.json
    run_code 1 medvl-merge --init config.json -o other
    [[ $stderr == *'config.json: "vocab_size": missing; give --tokenizer'* ]]
    run_code 2 medvl-merge --init config.json --chat llama3 -o other
    [[ $stderr == *"medvl-tokenize --train"* ]]
    run_code 2 medvl-merge --init config.json -o other operand
}

@test "a fresh model of any brand is made by its model_type" {
    for type in llama mistral qwen2 qwen3 phi phi3 gpt2; do
        echo "{\"model_type\":\"$type\",\"vocab_size\":40,\"pad_token_id\":0,
            \"hidden_size\":16,\"n_embd\":16,\"n_layer\":1,\"n_head\":2,
            \"intermediate_size\":16,\"head_dim\":8,
            \"num_hidden_layers\":1,\"num_attention_heads\":2,
            \"num_key_value_heads\":2}" >config.json
        run_ok medvl-merge --init config.json -o "$type"
        run_ok medvl-generate -m "$type" --max-tokens 2 \
            <<<'{"id":"a","tokens":[1,2,3]}'
    done
}

@test "what a config lacks or cannot have is said with what to do" {
    llava >config.json
    run_code 1 medvl-merge --init config.json -o model
    [[ $stderr == *'config.json: text_config: "vocab_size": missing; give '* ]]
    llava '"vocab_size":300' >config.json
    run_code 1 medvl-merge --init config.json -o model
    [[ $stderr == *'"image_token_index": missing; give --tokenizer'* ]]
    llava '"vocab_size":300' '"image_token_index":299' >config.json
    run_ok medvl-merge --init config.json -o model
    llava '' '"architectures":["QwenForCausalLM"]' >config.json
    run_code 1 init --chat llama3 -o other
    [[ $stderr == *'"QwenForCausalLM" is not built in; medvl-inspect(1)'* ]]
    llava '"vocab_size":300' '"image_token_index":299,"model_type":"qwen2_vl",
        "architectures":["LlavaForConditionalGeneration"]' >config.json
    run_code 1 medvl-merge --init config.json -o other
    [[ $stderr == *'config.json: "model_type" is "qwen2_vl", and the '* ]]
    echo '{' >config.json
    run_code 1 init --chat llama3 -o other
    [[ $stderr == 'medvl-merge: config.json: byte '* ]]
    [ ! -e other ]
}

@test "--init refuses by name what it cannot make" {
    for type in qwen2_5_vl qwen2_vl llava_next llava_llama; do
        llava '' "\"model_type\":\"$type\"" >config.json
        run_code 1 init --chat llama3 -o model
        [[ $stderr == *"config.json: no fresh model of \"$type\" is made: "* ]]
        echo "{\"model_type\":\"$type\"}" >config.json
        run_code 1 medvl-merge --init config.json -o model
        [[ $stderr == *"no fresh model of \"$type\" is made: "* ]]
    done
    llava '' '"architectures":["LlavaNextForConditionalGeneration"]' \
        >config.json
    run_code 1 init --chat llama3 -o model
    [[ $stderr == *'fresh model of "LlavaNextForConditionalGeneration" is '* ]]
    llava '' '"model_type":"mistral"' >config.json
    run_code 1 init --chat llama3 -o model
    [[ $stderr == *'"vision_config": a "mistral" takes no pictures'* ]]
    [ ! -e model ]
    nothing_left model
    llava '"model_type":"mistral","num_key_value_heads":2' >config.json
    run_ok init --chat llama3 -o model
    run_ok medvl-inspect model
    run ! grep -q LlamaForCausalLM model/config.json
}

@test "--preprocessor is taken as it is" {
    llava >config.json
    echo '{"size":{"shortest_edge":20},"crop_size":16}' >mine.json
    init --chat llama3 --preprocessor mine.json -o model
    cmp mine.json model/preprocessor_config.json
    echo '{' >mine.json
    run_code 1 init --chat llama3 --preprocessor mine.json -o other
    [[ $stderr == *mine.json* ]]
    [ ! -e other ]
}

# The dtypes of a folder's tensors.
types() {
    medvl-inspect --tensors "$1" | jq -r .dtype | sort -u | paste -sd ' '
}

@test "a folder in another type: weights, config and the page say so" {
    llava >config.json
    init --chat llama3 --seed 1 -o model
    printf '%s\n' '---' 'license: mit' '---' 'A page.' >model/README.md
    echo terms >model/LICENSE
    run_ok medvl-merge --dtype bf16 -m model -o half
    [ -z "$output" ]
    nothing_left half
    [ "$(types half)" = BF16 ]
    grep -q '"torch_dtype":"bfloat16"' half/config.json
    diff <(cat model/README.md; printf '%s\n' '' '## Converted' '' \
        "medvl-merge of medvl $(medvl --version | cut -d' ' -f3) wrote the \
weights, which were F32, as BF16.") half/README.md
    for file in LICENSE tokenizer.json chat_template.jinja \
        preprocessor_config.json processor_config.json \
        tokenizer_config.json generation_config.json; do
        cmp model/$file half/$file
    done

    # What bf16 holds comes back the same, and so does a type that stays.
    medvl-merge --dtype f32 -m half -o wide
    medvl-merge --dtype bf16 -m wide -o again
    cmp half/model.safetensors again/model.safetensors
    medvl-merge --dtype f32 -m model -o same
    cmp model/model.safetensors same/model.safetensors
    run_ok medvl-merge --dtype f16 -m model -o small
    [ "$(types small)" = F16 ]
}

@test "--init --dtype is the type of the folder" {
    llava >config.json
    init --chat llama3 --dtype bf16 --seed 1 -o fresh
    init --chat llama3 --seed 1 -o model
    medvl-merge --dtype bf16 -m model -o half
    cmp fresh/model.safetensors half/model.safetensors
    cmp fresh/config.json half/config.json
}

@test "what cannot be converted is refused and nothing is made" {
    llava >config.json
    init --chat llama3 -o model
    run_code 2 medvl-merge -m model -o out
    [[ $stderr == *"-m goes with --dtype"* ]]
    run_code 2 medvl-merge --dtype f16 -o out
    [[ $stderr == *"give -m FOLDER or --init FILE"* ]]
    run_code 2 medvl-merge --dtype f16 -m model --init config.json -o out
    run_code 2 medvl-merge --dtype f16 -m model --chat llama3 -o out
    run_code 2 medvl-merge --dtype int8 -m model -o out
    run_code 1 medvl-merge --dtype f16 -m model -o model
    [[ $stderr == *"model: there already"* ]]
    run_code 1 medvl-merge --dtype f16 -m none -o out
    [[ $stderr == *"none/config.json: No such file"* ]]
    head -c 3000 model/model.safetensors >short
    mv short model/model.safetensors
    run_code 1 medvl-merge --dtype f16 -m model -o out
    [[ $stderr == *"model/model.safetensors: "* ]]
    rm model/model.safetensors
    touch model/pytorch_model.bin
    run_code 1 medvl-merge --dtype f16 -m model -o out
    [[ $stderr == *"model/pytorch_model.bin: PyTorch's pickles"*"python3 -c"* ]]
    [ ! -e out ]
    nothing_left out
}

# A model that takes some time to convert, and what comes of it.
make_model_and_whole() {
    cat >config.json <<'EOF'
{"vocab_size":40000,"hidden_size":64,"intermediate_size":24,
 "num_hidden_layers":2,"num_attention_heads":2}
EOF
    medvl-merge --init config.json -o model
    medvl-merge --dtype bf16 -m model -o whole
}

@test "a conversion that is killed leaves nothing, and can be done again" {
    make_model_and_whole
    for pause in 0.005 0.02 0.06 0.1; do
        medvl-merge --dtype bf16 -m model -o out &
        pid=$!
        sleep $pause
        kill -9 $pid 2>/dev/null || true
        wait $pid || true
        [ ! -e out ] || diff -r whole out
        rm -rf out
    done
    # What is left has a name that no other run takes for its own.
    run_ok medvl-merge --dtype bf16 -m model -o out/
    diff -r whole out
    rm -rf out.tmp-[0-9]*
    nothing_left out
}

@test "the model and folders of others are never removed" {
    llava >config.json
    init --chat llama3 -o model.tmp
    cp -r model.tmp kept
    run_ok medvl-merge --dtype bf16 -m model.tmp -o model
    diff -r kept model.tmp
    run_ok init --chat llama3 -o model.tmp.fresh
    mkdir out.tmp
    echo precious >out.tmp/notes
    run_ok medvl-merge --dtype bf16 -m kept -o out
    diff -r model out
    rm -r out
    run_ok init --chat llama3 -o out
    [ "$(cat out.tmp/notes)" = precious ]
    [ "$(echo out*)" = "out out.tmp" ]
    echo '{' >kept/config.json
    run_code 1 medvl-merge --dtype bf16 -m kept -o deep/er/other
    [ ! -e deep ]
}

@test "a folder within the model is refused, however it is called" {
    llava >config.json
    init --chat llama3 -o model
    ln -s model link
    for out in model/half link/half model/a/b/ "$PWD/model/half" \
        ./model/../model/half; do
        run_code 1 medvl-merge --dtype bf16 -m model -o "$out"
        [[ $stderr == *"$out: in the model's own folder; name another"* ]]
    done
    cd model
    run_code 1 medvl-merge --dtype bf16 -m . -o half
    run_ok medvl-merge --dtype bf16 -m . -o ../half
    [ "$(echo *)" = "$(cd ../half && echo * | sed 's/README.md //')" ]
}

@test "of two that make one folder one wins, and the other says so" {
    make_model_and_whole
    for _ in 1 2 3; do
        medvl-merge --dtype bf16 -m model -o out 2>one &
        one=$!
        medvl-merge --dtype bf16 -m model -o out 2>two &
        two=$!
        failed=0
        wait $one || failed=$((failed + $?))
        wait $two || failed=$((failed + $?))
        [ "$failed" = 1 ]
        grep -q "out: there already; remove it, or " one two
        diff -r whole out
        nothing_left out
        rm -r out
    done
}

@test "a full disk fails the conversion" {
    cat >config.json <<'EOF'
{"vocab_size":40000,"hidden_size":64,"intermediate_size":24,
 "num_hidden_layers":2,"num_attention_heads":2}
EOF
    medvl-merge --init config.json -o model
    run_code 1 bash -c 'trap "" XFSZ; ulimit -f 1000
        exec medvl-merge --dtype bf16 -m model -o out'
    [[ $stderr == *"File too large"* ]]
    [ ! -e out ]
    nothing_left out
}

@test "a terminal sees how much is written, unless -q" {
    echo '{"vocab_size":40000,"hidden_size":64,"intermediate_size":24,
        "num_hidden_layers":2,"num_attention_heads":2}' >config.json
    on_terminal 'medvl-merge --init config.json -o model'
    [[ $output == *"medvl-merge: 0."*" of 0.02 GB written"* ]]
    on_terminal 'medvl-merge -q --init config.json -o m'
    [ -z "$output" ]
}

@test "a signal that can be caught leaves nothing behind" {
    echo '{"vocab_size":120000,"hidden_size":64,"intermediate_size":24,
        "num_hidden_layers":2,"num_attention_heads":2}' >config.json
    for signal in TERM HUP QUIT USR1 XCPU; do
        # As it is without nohup, which would have HUP ignored.
        env --default-signal=$signal \
            medvl-merge --init config.json -o out 2>said &
        pid=$!
        until compgen -G 'out.tmp-*' || ! kill -0 $pid; do sleep 0.01; done
        kill -$signal $pid
        code=0
        wait $pid || code=$?
        [ "$code" = $((128 + $(kill -l $signal))) ]
        grep -q 'stopped by a signal; out is not made' said
        run ! compgen -G 'out*'
    done
}
