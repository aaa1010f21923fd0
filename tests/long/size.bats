# A model of the size that people use: eight billion parameters, in bf16.

load ../cli/helper

# measured NAME COMMAND...: it succeeds; seconds and peak KiB into $took
# and $peak, and a line into $SIZE_LOG.
measured() {
    local name=$1
    shift

    /usr/bin/time -q -f '%e %M' -o cost "$@"
    read -r took peak <<<"$(tail -n 1 cost)"
    echo "$name: $took s, $peak KiB" >>"${SIZE_LOG:-/dev/null}"
    took=${took%.*}
}

@test "eight billion parameters: made, looked at and asked in little memory" {
    need_data tokenizers/llama3
    use_release
    [ "$(df --output=avail -k . | tail -1)" -gt 20000000 ] ||
        skip "the disk has no 20 GB left"
    [ "$(awk '/MemTotal/ { print $2 }' /proc/meminfo)" -gt 20000000 ] ||
        skip "the machine has less than 20 GB of memory"
    zcat "$MEDVL_DATA/tokenizers/llama3/tokenizer.json.gz" >tokenizer.json
    cat >config.json <<'EOF'
{"text_config":{"hidden_size":4096,"intermediate_size":14336,
  "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,
  "rope_theta":500000,"rms_norm_eps":1e-5,"max_position_embeddings":8192},
 "vision_config":{"hidden_size":1024,"intermediate_size":4096,
  "num_hidden_layers":24,"num_attention_heads":16,"image_size":336,
  "patch_size":14}}
EOF
    measured make medvl-merge --init config.json --dtype bf16 \
        --tokenizer tokenizer.json --chat llama3 --seed 1 -o model
    [ "$peak" -lt 300000 ]
    [ "$(echo model/model-*.safetensors | wc -w)" = 4 ]

    # What it is comes from the headers: nothing is read.
    measured look medvl-inspect model >line
    [ "$took" -lt 20 ]
    [ "$peak" -lt 1000000 ]
    jq -e '.parameters.total > 8.3e9 and .files == 4 and
        .memory_to_run.total < 20e9' line

    base64 -d >a.png <<<'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQ
VR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=='
    jq -nc '{id: "a", images: [{path: "a.png"}], messages: [{role: "user",
        content: [{type: "image"},
            {type: "text", text: "Is there a pneumothorax?"}]}]}' \
        >record.jsonl
    measured ask medvl-generate -q -m model --temperature 0 --max-tokens 1 \
        record.jsonl >answer
    jq -e '.id == "a" and has("prediction")' answer
    [ "$took" -lt 600 ]
    [ "$peak" -lt 19531250 ] # 20 GB
    rm -r model
}

@test "a conversion takes little memory, of matrices that lie transposed too" {
    use_release
    echo '{"model_type":"gpt2","vocab_size":50000,"n_embd":512,"n_layer":6,
        "n_head":8,"dtype":"bfloat16"}' >config.json
    medvl-merge -q --init config.json -o model
    for type in bf16 f16; do
        measured "$type" medvl-merge -q --dtype "$type" -m model -o "$type"
        [ "$peak" -lt 25000 ]
    done
}
