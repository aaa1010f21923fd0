# medvl-inspect: shards and pictures to JSON Lines.

load helper

@test "shards that streaming wrote are printed" {
    run_ok medvl-inspect "$BATS_TEST_DIRNAME/../golden/mds_streaming"
    [ "${#lines[@]}" -eq 9 ]
    [ "${lines[0]}" = '{"id":"s0","question":"caf\u00e9 0?",'\
'"tokens":[0],"loss_mask":[1]}' ]
    [[ ${lines[8]} == '{"id":"s8",'*'"tokens":[63352,'* ]]
}

@test "a shard that is not there is named as the index names it" {
    seq 5 | sed 's/.*/{"id":"&","tokens":[&]}/' >in.jsonl
    medvl-shard -o packed in.jsonl
    medvl-shard --plain -o plain in.jsonl
    for folder in packed plain; do
        file=$(echo $folder/shard.*)
        rm "$file"
        run_code 1 medvl-inspect $folder
        [[ $stderr == *"$file: No such file"* ]]
    done
}

@test "a picture is one line" {
    base64 -d >a.png <<<'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQ
VR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=='
    run_ok medvl-inspect a.png
    size='"width":1,"height":1,"channels":1,"depth":8,"bytes":67'
    hash='"hash":"4729e459d46c6a48fa5ca9198158c469"'
    [ "$output" = '{"path":"a.png",'"$size,$hash}" ]
    head -c 50 a.png >cut.png
    run_code 1 medvl-inspect a.png cut.png
    [[ ${lines[0]} == '{"path":"a.png"'* ]]
    [[ $stderr == *cut.png* ]]
}

@test "a reader that stops ends it quietly" {
    seq 5000 | sed 's/.*/{"id":"r&","tokens":[&]}/' | medvl-shard -o s
    medvl-inspect s 2>err | head -n 1 >out
    [ "$(cat out)" = '{"id":"r1","tokens":[1],"loss_mask":[1]}' ]
    [ ! -s err ]
}

@test "what it does not know is an error" {
    mkdir empty
    run_code 1 medvl-inspect empty
    run_code 1 medvl-inspect none
    echo hello >text
    run_code 1 medvl-inspect text
    run_code 2 medvl-inspect
}

@test "a folder or file of another kind is said with what to do" {
    sizes='"hidden_size":8,"intermediate_size":16,"num_hidden_layers":1'
    config="{$sizes,"'"num_attention_heads":2,"vocab_size":50,
        "architectures":["LlamaForCausalLM"]}'
    mkdir -p empty hub/snapshots/abc above/model lora gguf lfs bare
    touch lora/adapter_model.safetensors gguf/q4.gguf x.bin
    printf 'version https://git-lfs.github.com/spec/v1\nsize 9\n' \
        >lfs/model.safetensors
    echo "$config" | tee lfs/config.json above/model/config.json \
        hub/snapshots/abc/config.json >bare/config.json
    while read -r path want; do
        for run in medvl-inspect 'medvl-merge --dtype f32 -o out -m'; do
            [[ $run != *merge* || -d $path || $path == not/* ]] || continue
            [[ $run != *inspect || $path != bare ]] || continue
            read -ra run <<<"$run"
            run_code 1 "${run[@]}" "$path"
            [[ $stderr == *"$want"* ]]
        done
    done <<'EOF'
empty config.json, and its weights as safetensors
hub the model's folder is hub/snapshots/abc
above the model's folder is above/model
lora is an adapter
gguf GGUF is not read
lfs run "git lfs pull" in its folder
bare fetch the weights
not/there fetched by name
bare/config.json name its folder
x.bin PyTorch's pickles
gguf/q4.gguf GGUF is not read
lfs/model.safetensors run "git lfs pull" in its folder
EOF
}

# A tiny model in `model`.
make_model() {
    echo '{"hidden_size":8,"intermediate_size":16,"num_hidden_layers":1,
        "num_attention_heads":2,"architectures":["LlamaForCausalLM"]}' >c.json
    printf '{"text":"no effusion is seen"}\n' |
        medvl-tokenize --train 270 -o tokenizer.json
    medvl-merge --init c.json --tokenizer tokenizer.json --chat chatml \
        --seed 1 -o model
}

@test "what Git LFS left in place of a small file is named" {
    make_model
    cp -r "$ROOT/tests/golden/models/llava_phi" seeing
    printf 'version https://git-lfs.github.com/spec/v1\nsize 9\n' >pointer
    while read -r run; do
        file=${run##* }
        cp "$file" kept
        cp pointer "$file"
        read -ra words <<<"${run% *}"
        run_code 1 "${words[@]}" <<<'{"text":"x"}'
        [[ $stderr == *"$file: is what Git LFS put in place of the file; "* ]]
        mv kept "$file"
    done <<'EOF'
medvl-inspect model model/config.json
medvl-inspect model model/tokenizer.json
medvl-tokenize -m model model/tokenizer.json
medvl-generate -m model model/tokenizer.json
medvl-inspect seeing seeing/preprocessor_config.json
EOF
    rm model/tokenizer.json
    cp pointer model/tokenizer.model
    run_code 1 medvl-tokenize -m model <<<'{"text":"x"}'
    [[ $stderr == *'model/tokenizer.model: is what Git LFS put'* ]]
}

@test "a model is its tensors, with values where wanted" {
    make_model
    run_ok medvl-inspect --tensors model
    [ "${#lines[@]}" -eq 12 ]
    [ "${lines[0]}" = '{"name":"lm_head.weight","dtype":"F32",'\
'"shape":[274,8],"bytes":8768}' ]
    run_ok medvl-inspect --values model/model.safetensors
    [ "${lines[11]}" = '{"name":"model.norm.weight","dtype":"F32",'\
'"shape":[8],"bytes":32,"min":1,"max":1,"mean":1,"not_finite":0}' ]
    [[ ${lines[0]} == *'"min":-0.0'*'"max":0.0'* ]]
    head -c 900 model/model.safetensors >cut.safetensors
    run_code 1 medvl-inspect cut.safetensors
    [[ $stderr == *"cut.safetensors: the file is cut short, 900 bytes of "* ]]
}

@test "a model folder is one line: what it is, and what it takes" {
    make_model
    run_ok medvl-inspect model
    [ "${#lines[@]}" -eq 1 ]
    # 2 x 274 x 8, a layer of 4 x 64 + 3 x 128 + 16, a norm of 8.
    jq -e '.path == "model" and .family == "text" and
        .architecture == "LlamaForCausalLM" and
        .parameters == {decoder: 5048, total: 5048} and
        .decoder.layers == 1 and .decoder.hidden == 8 and
        .decoder.vocabulary == 274 and .decoder.tied == false and
        (has("vision") or has("picture_tokens") | not) and
        .memory_to_run.weights == 20192 and
        .memory_to_run.keys_values_per_1000_tokens == 64000 and
        .memory_to_run.activations > 32000 and
        .memory_to_train.total == 80768 and
        .tokenizer == "BPE" and .chat_template and .weights and
        .dtype == {F32: 5048} and .files == 1 and .bytes > 20192' \
        <<<"$output"
    medvl-merge --dtype bf16 -m model -o half
    medvl-inspect half |
        jq -e '.dtype == {BF16: 5048} and .memory_to_run.weights == 10096'

    # Without weights: what they would be.
    rm half/model.safetensors
    medvl-inspect half |
        jq -e '.weights == false and (has("files") | not) and
            .dtype == {BF16: 5048} and .parameters.total == 5048'
    run_code 1 medvl-inspect --tensors none
}

@test "a model of more bytes than a number holds is an error" {
    mkdir huge
    echo '{"model_type":"llama","head_dim":512,"num_attention_heads":1048576,
        "hidden_size":1048576,"intermediate_size":1048576,
        "num_hidden_layers":1024,"vocab_size":16777216}' >huge/config.json
    run_code 1 medvl-inspect huge
    [[ $output != *memory* ]]
    [[ $stderr == *"huge: a model of more bytes than can be counted" ]]
}

@test "a model with pictures says what they take" {
    echo '{"text_config":{"hidden_size":8,"intermediate_size":16,
        "num_hidden_layers":2,"num_attention_heads":2},
        "vision_config":{"hidden_size":12,"intermediate_size":16,
        "num_hidden_layers":3,"num_attention_heads":2,"image_size":32,
        "patch_size":8}}' >c.json
    printf '{"text":"no effusion is seen"}\n' |
        medvl-tokenize --train 270 -o tokenizer.json
    medvl-merge --init c.json --tokenizer tokenizer.json --chat llama3 -o vlm
    run_ok medvl-inspect vlm
    jq -e '.family == "llava" and .vision.tower == "clip" and
        .vision.layers == 3 and .vision.layers_run == 2 and
        .vision.image_size == 32 and .picture_tokens["1024x768"] == 16 and
        (.parameters | .total == .vision + .projector + .decoder and
            .projector == 176)' <<<"$output"
}

@test "a model that is not what its config says is an error that lists all" {
    make_model
    sed -i 's/"num_hidden_layers":1/"num_hidden_layers":2/' \
        model/config.json
    run_code 1 medvl-inspect model
    [[ $stderr == "medvl-inspect: model: missing (9): "* ]]
    [[ $stderr == *model.layers.1.mlp.down_proj.weight ]]
    sed -i 's/"num_hidden_layers":2/"num_hidden_layers":1/;
        s/"intermediate_size":16/"intermediate_size":17/' model/config.json
    run_code 1 medvl-inspect model
    [[ $stderr == *"says (3): model.layers.0.mlp.down_proj.weight (8,16), \
want (8,17), "* ]]
    sed -i 's/17/16/' model/config.json
    mv model/model.safetensors model/model-00001-of-00002.safetensors
    for view in '' --tensors; do
        run_code 1 medvl-inspect ${view:+"$view"} model
        [[ $stderr == *"index.json, which says what is in each, is not "* ]]
    done
    run_code 1 medvl-train -m model --data x -o run
    [[ $stderr == *"index.json, which says what is in each, is not there"* ]]
}

@test "values that are not finite are counted" {
    printf '\x48\0\0\0\0\0\0\0%-72s' \
        '{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}' >x.safetensors
    printf '\0\0\x80\x3f\0\0\xc0\x7f\0\0\0\xc0' >>x.safetensors # 1 NaN -2
    run_ok medvl-inspect --values x.safetensors
    [ "$output" = '{"name":"x","dtype":"F32","shape":[3],"bytes":12,'\
'"min":-2,"max":1,"mean":-0.5,"not_finite":1}' ]
}

@test "a tokenizer is one line of sizes" {
    make_model
    run_ok medvl-inspect tokenizer.json model/tokenizer.json
    [ "${lines[0]}" = '{"path":"tokenizer.json","size":270,"tokens":270,'\
'"added":0,"special":0}' ]
    [ "${lines[1]}" = '{"path":"model/tokenizer.json","size":274,'\
'"tokens":274,"added":4,"special":4}' ]
}

@test "a packed batch is text with what is learned marked" {
    make_model
    for i in 1 2 3; do
        printf '{"id":"t%d","messages":[{"role":"user","content":"is it?"},
            {"role":"assistant","content":"no é%d"}]}' "$i" "$i" |
            tr -d '\n' && echo
    done | medvl-tokenize -m model >t.jsonl
    run_ok medvl-inspect --batch 1 -m model t.jsonl
    [ "${#lines[@]}" -eq 3 ]
    [[ $output == *'{"batch":0,"id":"t2","tokens":'*',"learned":'* ]]
    [[ $output == *'"text":"<|im_start|>user\nis it?<|im_end|>\n'\
'<|im_start|>assistant\n⟦no é2<|im_end|>⟧\n"}'* ]]
    medvl-shard -o s t.jsonl
    medvl-inspect --batch 1 -m model s | diff - <(printf '%s\n' "$output")

    # Two records do not fit one batch; another seed has another order.
    run_ok medvl-inspect --batch 9 --batch-tokens 40 -m model t.jsonl
    [[ ${lines[2]} == '{"batch":2,'* ]]
    for seed in 1 2 3 4 5; do
        medvl-inspect --batch 9 --seed "$seed" -m model t.jsonl | head -1
    done | sort -u >first
    [ "$(wc -l <first)" -gt 1 ]
    run_code 2 medvl-inspect --batch 1 t.jsonl
    run_code 2 medvl-inspect -m model t.jsonl
    run_code 1 medvl-inspect --batch 1 -m model none.jsonl
}

@test "a DICOM file is one line, without what names a person" {
    need_data dicom
    run_ok medvl-inspect "$MEDVL_DATA/dicom/ct_all_syntaxes/ct_rle.dcm"
    [ "${#lines[@]}" -eq 1 ]
    jq -e '.Modality == "CT" and .shape == [512, 512] and
        .type == "int16" and .min == -2000 and .max == 2402 and
        .crc32_le == "95a0fb01" and .RescaleIntercept == -1024' \
        <<<"$output"
    [[ $output != *Patient[NIB]* ]]
    [[ $output != *InstanceUID* ]]
}

@test "DICOM that is cut short is an error that names the file" {
    need_data dicom
    head -c 3000 "$MEDVL_DATA/dicom/modalities/MR_small.dcm" >cut.dcm
    run_code 1 medvl-inspect cut.dcm
    [[ $stderr == *cut.dcm:* ]]
}

@test "a model is a table on a terminal, and a line elsewhere" {
    make_model
    on_terminal 'medvl-inspect model'
    [[ $output == *"family "*" text"* ]]
    [[ $output == *"  layers "*" 1"* ]]
    [[ $output == *"  gradients "*" decoder "*" kB, total "*" kB"* ]]
    [[ $output != *'{'* ]]
    run_ok medvl-inspect model
    [ "${#lines[@]}" = 1 ]
    [[ $output == '{"path":"model","family":"text",'* ]]
}
