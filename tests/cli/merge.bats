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
    [ ! -e model.tmp ]
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
        [ ! -e model.tmp ]
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
    [ ! -e model.tmp ]
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
