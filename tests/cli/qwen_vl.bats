#!/usr/bin/env bats
# Pictures at their own size: Qwen2-VL and Qwen2.5-VL from the commands, from
# records to a trained model.  The models are those of tests/golden.

load helper

# A tokenizer of letters beside the weights, and Qwen's way of a chat.
model() { # NAME
    cp -r "$ROOT/tests/golden/models/$1" "$1"
    jq -n '("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" +
            "ĠĊ.,?!:;\u0027\"()-_/+*=<>[]{}#@%&" | split("")) as $letters |
        ["image_pad", "video_pad", "vision_start", "vision_end", "im_start",
            "im_end"] as $special |
        {version: "1.0", truncation: null, padding: null,
        added_tokens: ($special | to_entries | map({id: (.key + 90),
            content: "<|\(.value)|>", single_word: false, lstrip: false,
            rstrip: false, normalized: false, special: true})),
        normalizer: null, post_processor: null,
        pre_tokenizer: {type: "ByteLevel", add_prefix_space: false,
            trim_offsets: false, use_regex: true},
        decoder: {type: "ByteLevel", add_prefix_space: false,
            trim_offsets: false, use_regex: true},
        model: {type: "BPE", dropout: null, unk_token: null,
            continuing_subword_prefix: null, end_of_word_suffix: null,
            fuse_unk: false, byte_fallback: false, merges: [],
            vocab: ($letters | to_entries |
                map({key: .value, value: .key}) | from_entries)}}' \
        >"$1/tokenizer.json"
    jq -n --arg template "{% for message in messages %}<|im_start|>{{ \
message['role'] }}
{% for part in message['content'] %}{% if part['type'] == 'image' %}\
<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}\
{% endif %}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}" '{eos_token: "<|im_end|>", chat_template: $template}' \
        >"$1/tokenizer_config.json"
}

# One picture, none, three of different sizes, the first one again.
records() {
    local p=$ROOT/tests/golden/models/qwen2_vl

    jq -nc --arg p "$p" '
        def ask($id; $words; $files): {id: $id,
            images: [$files[] | {path: "\($p)/\(.)"}],
            messages: [{role: "user", content:
                ([$files[] | {type: "image"}] +
                    [{type: "text", text: $words}])}]};
        ask("one"; "nodule?"; ["p0.png"]),
        ask("none"; "no picture"; []),
        ask("three"; "compare"; ["p1.png", "p0.png", "p2.png"]),
        ask("small"; "what?"; ["p2.png"]),
        ask("again"; "nodes?"; ["p0.png"]),
        ask("twice"; "which?"; ["p0.png", "p0.png"]),
        ask("more"; "and now?"; ["p0.png", "p1.png"])' >records.jsonl
}

@test "pictures of many sizes get the same together and alone" {
    records
    for name in qwen2_vl qwen2_5_vl; do
        model $name
        medvl-generate -m $name --temperature 0 --max-tokens 6 records.jsonl \
            >together
        while read -r record; do
            medvl-generate -m $name --temperature 0 --max-tokens 6 --batch 1 \
                <<<"$record"
        done <records.jsonl >alone
        cmp together alone
        # What is shared is more behind the first prompt of a pass.
        medvl-generate -m $name --temperature 0 --max-tokens 6 --batch 2 \
            <records.jsonl | cmp - alone
        [ "$(jq -s 'map(.prediction) | unique | length' together)" -ge 3 ]
    done
}

@test "choices are scored behind pictures" {
    model qwen2_5_vl
    records
    jq -c '.choices = {A: "yes", B: "no, never"}' records.jsonl >choices.jsonl
    medvl-generate -m qwen2_5_vl --choices choices.jsonl >together
    while read -r record; do
        medvl-generate -m qwen2_5_vl --choices <<<"$record"
    done <choices.jsonl >alone
    cmp together alone
}

@test "they learn, from records and from shards alike" {
    records
    jq -c '.messages += [{role: "assistant",
        content: [{type: "text", text: "It is \(.id)."}]}]' records.jsonl \
        >lessons.jsonl
    for name in qwen2_vl qwen2_5_vl; do
        model $name
        medvl-tokenize -m $name lessons.jsonl >tokens.jsonl
        medvl-shard -o shards-$name tokens.jsonl
        for data in tokens.jsonl shards-$name; do
            medvl-train -q -m $name --data "$data" --lr 3e-3 --epochs 6 \
                --batch-tokens 160 --accumulate 2 --seed 3 \
                -o "$name-${data%%[.-]*}" >log
            jq -se '.[-1].loss < .[0].loss' log
        done
        cmp $name-tokens/model.safetensors $name-shards/model.safetensors
        medvl-generate -m $name-tokens --temperature 0 --max-tokens 3 \
            records.jsonl >after
        [ "$(jq -s length after)" -eq 7 ]
    done
}
