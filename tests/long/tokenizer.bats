# Text to ids and back, a hundred megabytes of it.

load ../cli/helper

# Real texts of a dozen languages and formats, over and over, each time with
# another number between, as records of some kilobytes: 100 MB of text.
mixed_text() {
    cat "$MEDVL_DATA"/tokenizers/llama3/reference.jsonl \
        "$MEDVL_DATA"/bench/captions_roco/captions.jsonl |
        jq -c '{text: (.text // .caption)}' >lines.jsonl
    jq -cn --slurpfile lines lines.jsonl '
        ($lines | map(.text)) as $all | ($all | length) as $n |
        range(100000) as $i |
        {id: "\($i)", text: ([range(12)] | map(
            $all[($i * 7 + . * 131) % $n]) | join(" \($i)\n"))}' |
        head -c 120000000 | sed '$d' >mixed.jsonl
    [ "$(stat -c %s mixed.jsonl)" -gt 100000000 ]
}

# back FOLDER: ids of the texts, and texts of the ids.
back() {
    medvl-tokenize -q -m "$1" mixed.jsonl |
        jq -c 'del(.text)' | medvl-tokenize -q --decode -m "$1" |
        jq -c '.text' >back
}

@test "a hundred megabytes of mixed text come back as they were" {
    need_data tokenizers/llama3
    use_release
    mixed_text
    jq -c '.text' mixed.jsonl >want
    zcat "$MEDVL_DATA/tokenizers/llama3/tokenizer.json.gz" >llama3.json
    back llama3.json
    cmp want back
    back "$MEDVL_DATA/tokenizers/mistral-spm/tokenizer.model"
    cmp want back
    # Qwen's comes back in normal form C, which most texts are in.
    zcat "$MEDVL_DATA/tokenizers/qwen3/tokenizer.json.gz" >qwen3.json
    back qwen3.json
    [ "$(diff want back | grep -c '^<')" -lt "$(($(wc -l <want) / 4))" ]
}
