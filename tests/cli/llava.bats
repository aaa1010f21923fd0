#!/usr/bin/env bats
# LLaVA and LLaVA-NeXT in both namings, LLaVA-Med and HuatuoGPT-Vision from
# the commands: records with pictures of odd sizes, several of them or none,
# towers inside and beside.  The models are those of tests/golden.

load helper
load train

MODELS="llava_qwen2 llava_next_mistral llava_original llava_original_next
    llava_original_spatial llava_original_max llava_med huatuo_7b huatuo_34b"

# A tokenizer of 64 tokens beside the weights, and a chat for those of
# transformers; the others' is in the program.
model() { # NAME
    cp -r "$ROOT/tests/golden/models/$1" "$1"
    rm "$1"/expected.* "$1"/p*.png
    jq -n '(["<unk>", "<s>", "</s>"] +
            ("abcdefghijklmnopqrstuvwxyzAEINRSTU0123456789" +
            "ĠĊ.,?!:\u0027<>|[]/-" | split(""))) as $all |
        {version: "1.0", truncation: null, padding: null,
        added_tokens: ([[0, "<unk>"], [1, "<s>"], [2, "</s>"],
            [63, "<image>"]] | map({id: .[0], content: .[1],
            single_word: false, lstrip: false, rstrip: false,
            normalized: false, special: true})),
        normalizer: null, post_processor: null,
        pre_tokenizer: {type: "ByteLevel", add_prefix_space: false,
            trim_offsets: false, use_regex: true},
        decoder: {type: "ByteLevel", add_prefix_space: false,
            trim_offsets: false, use_regex: true},
        model: {type: "BPE", dropout: null, unk_token: null,
            continuing_subword_prefix: null, end_of_word_suffix: null,
            fuse_unk: false, byte_fallback: false, merges: [],
            vocab: ($all + ["-62", "<image>"] | to_entries |
                map({key: .value, value: .key}) | from_entries)}}' \
        >"$1/tokenizer.json"
    case $1 in
    *original* | *med | huatuo*)
        jq -n '{bos_token: "<s>", eos_token: "</s>"}' ;;
    *) jq -n --arg template "{% for message in messages %}{{ \
message['role'] }}: {% for part in message['content'] %}\
{% if part['type'] == 'image' %}<image>
{% else %}{{ part['text'] }}{% endif %}{% endfor %}</s>{% endfor %}" \
        '{bos_token: "<s>", eos_token: "</s>", chat_template: $template}' ;;
    esac >"$1/tokenizer_config.json"
}

chat() { # NAME
    case $1 in
    llava_original*) echo --chat v1 ;;
    huatuo_34b) echo --chat huatuo ;;
    esac
}

# One picture, none, two of different shapes, six (which are too many for
# 512 positions where each is several views).
records() { # NAME
    local p=$ROOT/tests/golden/models/huatuo_7b

    jq -nc --arg p "$p" '
        def ask($id; $words; $which): {id: $id,
            images: [$which[] | {path: "\($p)/p\(.).png"}],
            messages: [{role: "user", content:
                ([$which[] | {type: "image"}] +
                    [{type: "text", text: $words}])}]};
        ask("one"; "nodule?"; [0]),
        ask("none"; "no pictures"; []),
        ask("two"; "which is larger?"; [2, 3]),
        ask("six"; "all?"; [0, 1, 2, 3, 4, 5])' >records.jsonl
    case ${1:-} in
    *next* | *spatial | *max) sed -i '$d' records.jsonl ;;
    esac
}

@test "pictures of many shapes get the same together and alone" {
    for name in $MODELS; do
        records "$name"
        model "$name"
        mapfile -t chat < <(chat "$name" | tr ' ' '\n')
        ask=(medvl-generate -m "$name" --temperature 0 --max-tokens 6
            "${chat[@]}")
        "${ask[@]}" records.jsonl >together
        while read -r record; do
            "${ask[@]}" --batch 1 <<<"$record"
        done <records.jsonl >alone
        cmp together alone
        [ "$(jq -s 'map(.logprob) | unique | length' together)" -ge 3 ]
    done
}

@test "they learn, from records and from shards alike, and are read again" {
    records llava_next
    jq -c '.messages += [{role: "assistant",
        content: [{type: "text", text: "It is \(.id)."}]}]' records.jsonl \
        >lessons.jsonl
    for name in $MODELS; do
        model "$name"
        mapfile -t chat < <(chat "$name" | tr ' ' '\n')
        medvl-tokenize -m "$name" "${chat[@]}" lessons.jsonl >tokens.jsonl
        medvl-shard -o "shards-$name" tokens.jsonl
        for data in tokens.jsonl "shards-$name"; do
            medvl-train -q -m "$name" --data "$data" --lr 3e-3 --epochs 5 \
                --batch-tokens 400 --seed 3 -o "run-${data%%[.-]*}" >log
            jq -se '.[-1].loss < .[0].loss' log
        done
        cmp run-tokens/model.safetensors run-shards/model.safetensors
        medvl-generate -m run-tokens --temperature 0 --max-tokens 3 \
            "${chat[@]}" records.jsonl >after
        [ "$(wc -l <after)" -eq "$(wc -l <records.jsonl)" ]
        rm -r run-tokens run-shards
    done
}

@test "a tower is written where it was read" {
    model llava_original
    model huatuo_7b
    medvl-merge --dtype bf16 -m llava_original -o beside
    medvl-merge --dtype bf16 -m huatuo_7b -o inside
    [ -f beside/vit/clip/model.safetensors ]
    [ -f beside/vit/clip/preprocessor_config.json ]
    medvl-inspect --tensors beside >tensors
    run ! grep vision_tower tensors
    n=$(medvl-inspect --tensors beside/vit/clip | wc -l)
    [ "$(jq -r '.folder // empty' tensors | grep -cx beside/vit/clip)" = "$n" ]
    [ ! -f inside/vit/clip_vit_large_patch14_336/model.safetensors ]
    [ -f inside/vit/clip_vit_large_patch14_336/config.json ]
    records
    for folder in beside inside; do
        medvl-generate -m $folder --chat huatuo --max-tokens 2 \
            records.jsonl >out
        [ "$(wc -l <out)" -eq 4 ]
    done
}

@test "a tower's own values and processor count" {
    model llava_original
    rm -f llava_original/preprocessor_config.json
    medvl-inspect llava_original |
        jq -e '[.dtype[]] | add' >counted
    medvl-inspect llava_original | jq .parameters.total | cmp - counted
    echo '{}' >llava_original/vit/clip/preprocessor_config.json
    run_code 1 medvl-inspect llava_original
    [[ $stderr == *'vit/clip/preprocessor_config.json: "crop_size"'* ]]
}

# What LLaVA's own code does: its weights come from the model's file where
# unfreeze_mm_vision_tower says so, else from the tower that is named.
@test "a trained tower is where LLaVA's own code takes it from" {
    model llava_original
    local prefix=model.vision_tower.vision_tower.
    records
    jq -c '.messages += [{role: "assistant",
        content: [{type: "text", text: "It is \(.id)."}]}]' records.jsonl |
        medvl-tokenize -m llava_original --chat v1 >tokens.jsonl
    names() { # FILE
        tail -c +9 "$1" | head -c "$(od -An -tu8 -N8 "$1")" |
            jq -r 'del(.__metadata__) | keys[]'
    }
    train=(medvl-train -q --data tokens.jsonl --steps 2 --lr 1e-2
        --batch-tokens 400)
    "${train[@]}" -m llava_original --train decoder -o frozen >log
    cmp llava_original/config.json frozen/config.json
    ! names frozen/model.safetensors | grep vision_tower || false
    ! grep -q 'Vision tower' frozen/README.md || false

    "${train[@]}" -m llava_original --save-every 1 --keep 2 -o run >log
    jq -e '.unfreeze_mm_vision_tower == true and
        .mm_vision_tower == "vit/clip"' run/config.json
    grep -q '^- Vision tower: trained' run/README.md
    diff <(names run/model.safetensors | sed -n "s/^$prefix//p") \
        <(names run/vit/clip/model.safetensors)
    for name in $(names run/vit/clip/model.safetensors); do
        [ "$(tensor run/model.safetensors "$prefix$name")" = \
            "$(tensor run/vit/clip/model.safetensors "$name")" ]
    done
    name=vision_model.encoder.layers.0.self_attn.q_proj.weight
    [ "$(tensor run/model.safetensors $prefix$name)" != \
        "$(tensor llava_original/vit/clip/model.safetensors $name)" ]
    # Read again: the tower inside is the one that is used, and it stays.
    rm -r run/latest/vit/clip/model.safetensors
    "${train[@]}" -m run --train decoder -o again >log
    cmp run/config.json again/config.json
    [ "$(tensor run/model.safetensors $prefix$name)" = \
        "$(tensor again/model.safetensors $prefix$name)" ]
}

@test "a tower may stand beside the model's folder, under its last name" {
    model llava_original
    records
    medvl-generate -m llava_original --chat v1 --max-tokens 4 records.jsonl \
        >below
    mv llava_original/vit/clip clip
    medvl-generate -m llava_original --chat v1 --max-tokens 4 records.jsonl \
        >beside
    cmp below beside
    mv clip elsewhere
    run_code 1 medvl-generate -m llava_original --chat v1 records.jsonl
    [[ $stderr == *'"vit/clip" is no folder below or beside'* ]]
}

@test "a tower that is named and not there is asked for, not its tensors" {
    model llava_original
    mv llava_original/vit vit
    sed -i 's/"mm_hidden_size": 12/"mm_hidden_size": 1024/;
        s#vit/clip#openai/clip-vit-large-patch14-336#' \
        llava_original/config.json
    run_code 1 medvl-inspect llava_original
    [[ $stderr == *'"openai/clip-vit-large-patch14-336" is no folder below '* ]]
    [[ $stderr == *'put it there, as "clip-vit-large-patch14-336"' ]]
    mv vit/clip clip-vit-large-patch14-336
    sed -i 's/"mm_hidden_size": 1024/"mm_hidden_size": 12/' \
        llava_original/config.json
    medvl-inspect llava_original >/dev/null
    rm clip-vit-large-patch14-336/model.safetensors
    run_code 1 medvl-inspect llava_original
    [[ $stderr == *"clip-vit-large-patch14-336, the tower's, has no weights"* ]]
}

@test "a tower beside a folder whose name its path begins with" {
    model llava_original
    mkdir llava_original-tower
    mv llava_original/vit/clip llava_original-tower/
    rmdir llava_original/vit
    sed -i "s#vit/clip#$PWD/llava_original-tower/clip#" \
        llava_original/config.json
    medvl-merge --dtype bf16 -m "$PWD/llava_original" -o out
    [ -f out/clip/config.json ]
    [ ! -e out/-tower ]
}

@test "a tower above the folder is written below the new one" {
    model llava_original
    mkdir above
    mv llava_original/vit/clip above/
    rmdir llava_original/vit
    sed -i "s#vit/clip#$PWD/llava_original/../above/clip#" \
        llava_original/config.json
    cp -r above before
    medvl-merge --dtype bf16 -m "$PWD/llava_original" -o new/out
    diff -r above before
    [ -f new/out/clip/config.json ]
    [ "$(ls new)" = out ]
}

@test "a tower that was written is read, not the one that it came from" {
    model llava_original
    records
    jq -c '.messages += [{role: "assistant", content: "yes"}]' records.jsonl |
        medvl-tokenize -m llava_original --chat v1 >tokens.jsonl
    mkdir above
    mv llava_original/vit/clip above/
    answer() { # NAME: the picture's rows alone differ
        medvl-generate -m run --chat v1 --logits "$1" records.jsonl >/dev/null
    }
    for name in "$PWD/above/clip" "$PWD/above/clip/" ../above/clip; do
        jq --arg name "$name" '.mm_vision_tower = $name' \
            "$ROOT/tests/golden/models/llava_original/config.json" \
            >llava_original/config.json
        medvl-merge --dtype bf16 -m llava_original -o half
        medvl-inspect --tensors half >tensors
        [ "$(jq -r .dtype tensors | sort -u)" = BF16 ]
        grep -q '"folder":"half/clip"' tensors

        medvl-train -q -m llava_original --data tokens.jsonl --train vision \
            --steps 2 --lr 1e-2 --batch-tokens 400 -o run >log
        answer with
        mv above gone
        answer without
        mv gone above
        cmp with without
        rm -r half run
    done

    # A name that is none is not a way out of the new folder.
    jq --arg name "$PWD/above/clip/." '.mm_vision_tower = $name' \
        "$ROOT/tests/golden/models/llava_original/config.json" \
        >llava_original/config.json
    medvl-merge --dtype bf16 -m llava_original -o half
    medvl-inspect --tensors half | grep -q '"folder":"half/vision_tower"'
}

@test "a model without a processor is looked at without pictures" {
    model llava_qwen2
    rm llava_qwen2/preprocessor_config.json
    run_ok medvl-inspect llava_qwen2
    jq -e '.family == "llava" and (.picture_tokens |
        contains("no preprocessor_config.json"))' <<<"$output"
}

@test "pictures that leave no room are refused before they are read whole" {
    model llava_qwen2
    jq '.text_config.max_position_embeddings = 20' \
        llava_qwen2/config.json >c && mv c llava_qwen2/config.json
    p=$ROOT/tests/golden/models/huatuo_7b
    jq -nc --arg p "$p" '{id: "a", images: [{path: "\($p)/p0.png"},
        {path: "\($p)/p1.png"}], prompt: "<image><image>"}' >in
    run_code 1 medvl-generate -m llava_qwen2 in
    [[ $stderr == *"picture 2: 32 tokens of pictures; "*"room for 20"* ]]
}

@test "what writes messages is told, not what is ignored" {
    while read -r name want; do
        model "$name"
        # Of the original code's folders this one is not used.
        [ "$want" = tokenizer_config.json ] ||
            jq '.chat_template = "x"' "$name/tokenizer_config.json" >both
        [ ! -f both ] || mv both "$name/tokenizer_config.json"
        run_ok medvl-inspect "$name"
        [ "$(jq -r .chat_template <<<"$output")" = "$want" ]
    done <<<'llava_qwen2 tokenizer_config.json
llava_med mistral_instruct
huatuo_7b huatuo
llava_original null'
    echo x >llava_med/chat_template.jinja
    run_ok medvl-inspect llava_med
    [ "$(jq -r .chat_template <<<"$output")" = chat_template.jinja ]
}

@test "a prompt's <image> is a picture's place, in folders without one too" {
    for name in llava_original llava_med llava_qwen2; do
        model "$name"
        p=$ROOT/tests/golden/models/huatuo_7b
        jq -nc --arg p "$p" '{id: "a", prompt: "A<image> or<image>?",
            images: [{path: "\($p)/p0.png"}, {path: "\($p)/p1.png"}]},
            {id: "b", prompt: "A<image>", images: []}' >prompt.jsonl
        mapfile -t chat < <(chat "$name" | tr ' ' '\n')
        run_code 3 medvl-generate -k -m "$name" --max-tokens 2 "${chat[@]}" \
            prompt.jsonl
        [ "$(jq -r .id <<<"$output")" = a ]
        [[ $stderr == *'b: 0 pictures, 1 places'* ]]
    done
}
