# medvl-tokenize: text to ids, ids to text, training.

load helper

GOLDEN=$BATS_TEST_DIRNAME/../golden/tokenizer

@test "text gets tokens and nothing else changes" {
    run_ok medvl-tokenize -m "$GOLDEN/llama3.json" \
        <<<'{"id":"a", "text":"!#a","other":[1.0, 2],"tokens":0}'
    [ "$output" = '{"id":"a","text":"!#a","other":[1.0, 2],"tokens":[0,2,64]}' ]
}

@test "ids are those of Hugging Face, added tokens included" {
    run_ok medvl-tokenize -m "$GOLDEN/flags.json" "$GOLDEN/flags.jsonl"
    [ "${#lines[@]}" -eq 700 ]
    sed 's/.*"ids": *//; s/,"tokens":/ /; s/, /,/g; s/}$//' <<<"$output" |
        awk '$1 != $2 { print NR ": " $0; bad = 1 } END { exit bad }'
}

@test "decoding gives the text back" {
    printf '{"id":"%s","text":"%s"}\n' a 'Röntgen, 12 mm: 胸部' b '' \
        c 'a\t\"b\"\\ 👍🏽' >in.jsonl
    medvl-tokenize -m "$GOLDEN/llama3.json" in.jsonl >ids.jsonl
    run_ok medvl-tokenize --decode -m "$GOLDEN/llama3.json" -f back ids.jsonl
    printf '%s\n' "$output" |
        sed 's/.*"text":\(.*\),"tokens":.*"back":\(.*\)}/\1 | \2/' |
        awk -F ' [|] ' '$1 != $2 { exit 1 }'
}

@test "another field is read with -f" {
    run_ok medvl-tokenize -m "$GOLDEN/llama3.json" -f answer \
        <<<'{"answer":"!","text":"a"}'
    [ "$output" = '{"answer":"!","text":"a","tokens":[0]}' ]
}

@test "--special puts begin and end around" {
    run_ok medvl-tokenize -m "$GOLDEN/flags.json" --special <<<'{"text":"!"}'
    [ "$output" = '{"text":"!","tokens":[400,0,401]}' ]
    run_ok medvl-tokenize -m "$GOLDEN/llama3.json" --special \
        <<<'{"text":"!"}'
    [ "$output" = '{"text":"!","tokens":[0]}' ]
}

# bats test_tags=tsan
@test "threads and parts give the same bytes" {
    for _ in 1 2 3 4 5 6 7 8; do
        cat "$GOLDEN/flags.jsonl"
    done >in.jsonl
    medvl-tokenize -j 1 -m "$GOLDEN/flags.json" in.jsonl >one.jsonl
    medvl-tokenize -j 2 -m "$GOLDEN/flags.json" in.jsonl >two.jsonl
    cmp one.jsonl two.jsonl
    for part in 1/3 2/3 3/3; do
        medvl-tokenize --part "$part" -m "$GOLDEN/flags.json" in.jsonl
    done >parts.jsonl
    cmp one.jsonl parts.jsonl
}

@test "a record without text stops the run, and -k sets it aside" {
    printf '{"id":"%s","text":%s}\n' a '"x"' b 3 c '"y"' >in.jsonl
    run_code 1 medvl-tokenize -m "$GOLDEN/llama3.json" in.jsonl
    [[ "$stderr" == *'in.jsonl:2: b: '*'"text"'* ]]
    run_code 3 medvl-tokenize -k --rejects bad.jsonl \
        -m "$GOLDEN/llama3.json" in.jsonl
    [ "${#lines[@]}" -eq 2 ]
    [ "$(wc -l <bad.jsonl)" -eq 1 ]
    run_code 1 medvl-tokenize -m "$GOLDEN/llama3.json" <<<'{"id":"a"}'
    [[ "$stderr" == *'"text"'* ]]
}

@test "bad ids are errors" {
    for tokens in '[400]' '[-1]' '[1.5]' '"x"' '[1e99]' '{}'; do
        run_code 1 medvl-tokenize --decode -m "$GOLDEN/llama3.json" \
            <<<"{\"id\":\"a\",\"tokens\":$tokens}"
        [[ "$stderr" == *'stdin:1: a: "tokens"'* ]]
    done
    run_code 1 medvl-tokenize --decode -m "$GOLDEN/llama3.json" \
        <<<'{"id":"a"}'
    [[ "$stderr" == *'"tokens": missing'* ]]
}

@test "a tokenizer that is not there or not built in is named" {
    run_code 1 medvl-tokenize -m nowhere <<<'{"text":"x"}'
    [[ "$stderr" == *nowhere* ]]
    mkdir -p above/model hub/snapshots/abc
    touch {above/model,hub/snapshots/abc}/config.json
    run_code 1 medvl-tokenize -m above <<<'{"text":"x"}'
    [[ "$stderr" == *"; the model's folder is above/model" ]]
    run_code 1 medvl-tokenize -m hub <<<'{"text":"x"}'
    [[ "$stderr" == *"; the model's folder is hub/snapshots/abc" ]]
    sed 's/"BPE"/"Maximal"/' "$GOLDEN/llama3.json" >other.json
    run_code 1 medvl-tokenize -m other.json <<<'{"text":"x"}'
    [[ "$stderr" == *'other.json: model "Maximal"'* ]]
    echo '{"normalizer":{"type":"Latin"},"pre_tokenizer":
        {"type":"Whitespace"},"model":{"type":"WordPiece","vocab":{}}}' \
        >other.json
    run_code 1 medvl-tokenize -m other.json <<<'{"text":"x"}'
    [[ "$stderr" == *'other.json: normalizer: "Latin"'* ]]
}

@test "wrong use is exit 2" {
    run_code 2 medvl-tokenize <<<''
    run_code 2 medvl-tokenize --train 300 <<<''
    run_code 2 medvl-tokenize --train 100 -o x <<<''
    run_code 2 medvl-tokenize --train 300 -o x -m y <<<''
    run_code 2 medvl-tokenize --train 300 -o x --part 1/2 <<<''
    run_code 2 medvl-tokenize -m x --decode --special <<<''
    run_code 2 medvl-tokenize -m x --pattern gpt2 <<<''
}

@test "training learns what Hugging Face learns" {
    sed 's/.*/{"text":"&"}/' "$GOLDEN/texts.txt" >texts.jsonl
    for pattern in llama3 qwen2 gpt2; do
        run_ok medvl-tokenize --train 400 --pattern "$pattern" \
            -o own.json texts.jsonl
        [ -z "$output" ]
        diff <(grep -o '"vocab":.*' own.json) \
            <(grep -o '"vocab":.*' "$GOLDEN/$pattern.json")
    done
}

@test "training reads messages and named fields" {
    sed 's/.*/{"text":"&"}/' "$GOLDEN/texts.txt" >texts.jsonl
    sed 's/.*/{"caption":"&","text":"x"}/' "$GOLDEN/texts.txt" >named.jsonl
    parts='[{"type":"image"},{"type":"text","text":"&"}]'
    turns='[{"role":"user","content":'$parts'},{"content":"&"}]'
    sed 's/.*/{"messages":'"$turns"'}/' "$GOLDEN/texts.txt" >messages.jsonl
    medvl-tokenize --train 400 -o a.json texts.jsonl
    medvl-tokenize --train 400 -f caption -o b.json named.jsonl
    medvl-tokenize --train 400 -o c.json messages.jsonl
    cmp a.json b.json
    cmp a.json c.json # every count is twice as large
}

@test "training that cannot be done writes nothing" {
    run_code 1 medvl-tokenize --train 5000 -o own.json <<<'{"text":"lung"}'
    [[ "$stderr" == *'give 259 entries'* ]]
    run_code 1 medvl-tokenize --train 300 -o own.json <<<'{"text":3}'
    run_code 1 medvl-tokenize --train 300 -o own.json </dev/null
    run_code 1 medvl-tokenize --train 300 -o own.json \
        <<<'{"medvl_failed":"medvl-x: no"}'
    [ ! -e own.json ]
}

@test "the captions of ROCO give a vocabulary of 4096" {
    need_data bench/captions_roco/captions.jsonl
    captions=$MEDVL_DATA/bench/captions_roco/captions.jsonl
    medvl-tokenize --train 4096 -f caption -o own.json "$captions"
    medvl-tokenize -m own.json -f caption "$captions" >ids.jsonl
    medvl-tokenize --decode -m own.json -f back ids.jsonl |
        sed 's/.*"caption": *\(".*"\),"tokens":.*,"back":\(".*"\)}$/\1\n\2/' |
        awk 'NR % 2 { text = $0; next } $0 != text { exit 1 }'
    # Hugging Face's trainer: 0.2336 tokens a character, to 1 % of it.
    sed 's/.*"caption": *"\(.*\)","tokens":\(.*\)}$/\1\t\2/' ids.jsonl |
        awk -F '\t' '{ chars += length($1); tokens += gsub(/,/, "", $2) + 1 }
            END { r = tokens / chars; exit !(r > 0.2313 && r < 0.236) }'
}

# A model folder with a chat template.
chat_model() {
    mkdir model
    cp "$GOLDEN/flags.json" model/tokenizer.json
    cat >model/chat_template.jinja <<'T'
{% for m in messages -%}
<s>{{ m.role }}:{{ m.content }}</s>
{%- endfor -%}
{% if add_generation_prompt %}<s>assistant:{% endif %}
T
}

# A record with a question and an answer.
turns() {
    printf '{"id":"a","messages":[{"role":"user","content":"%s"},' "$1"
    printf '{"role":"assistant","content":"%s"}],"x":1}\n' "$2"
}

# The text of the tokens whose mask is 1.
learned() {
    sed 's/.*"tokens":\[\(.*\)\],"loss_mask":\[\(.*\)\]}/\1;\2/' |
        awk -F ';' '{ n = split($1, id, ","); if (split($2, m, ",") != n) exit 1
            for (i = 1; i <= n; i++) if (m[i]) s = s "," id[i]
            print "{\"tokens\":[" substr(s, 2) "]}"; s = "" }' |
        medvl-tokenize --decode -m model | sed 's/.*"text"://'
}

@test "messages give tokens and the mask of the assistant's turns" {
    chat_model
    turns 'left?' 'no, right' >in.jsonl
    run_ok medvl-tokenize -m model in.jsonl
    [[ "$output" == '{"id":"a",'*'"x":1,"tokens":['*'],"loss_mask":['*']}' ]]
    [ "$(learned <<<"$output")" = '"no, right</s>"}' ]
    run_ok medvl-tokenize --decode -m model <<<"$output"
    [[ "$output" == *'"text":"<s>user:left?</s><s>assistant:no, right</s>"}' ]]
}

@test "a record cannot end its own turn" {
    chat_model
    turns 'a</s><s>' 'b</s>c' >in.jsonl
    count() {
        grep -o '"tokens":.*\],"loss' | tr -c '0-9' '\n' | grep -c '^40[01]$'
    }
    [ "$(medvl-tokenize -m model in.jsonl | count)" -eq 4 ]
    [ "$(medvl-tokenize --parse-special -m model in.jsonl | count)" -eq 7 ]
    run_ok medvl-tokenize -m model in.jsonl
    [ "$(learned <<<"$output")" = '"b</s>c</s>"}' ]
}

@test "--explain prints a table instead of records" {
    run_ok medvl-tokenize -m "$GOLDEN/flags.json" --explain \
        <<<'{"id":"a\n","text":"<s> !\t\\\u00e9\u200b<image>","x":1}'
    [ "${lines[0]}" = 'a\n: 11 tokens' ]
    [ "${lines[1]}" = '      id       bytes  piece' ]
    [ "${lines[2]}" = '     400         0-3  <s>  special' ]
    [ "${lines[3]}" = '     220         3-4  ␣' ]
    [ "${lines[4]}" = '       0         4-5  !' ]
    [ "${lines[5]}" = '     197         5-6  \t' ]
    [ "${lines[6]}" = "      59         6-7  \\\\" ]
    [ "${lines[7]}" = '     127         7-8  \xc3' ]
    [ "${lines[12]##* }" = added ]
    [ "${#lines[@]}" -eq 13 ]
}

@test "--explain leaves a line between records and marks what is learned" {
    chat_model
    turns 'left?' 'no, right' >in.jsonl
    turns 'why?' 'so' >>in.jsonl
    run_ok medvl-tokenize -m model --explain in.jsonl
    [ "$(grep -c '^a: .* learned (\*)$' <<<"$output")" -eq 2 ]
    [ "$(grep -c '^$' <<<"$output")" -eq 1 ]
    sed '/^$/q' <<<"$output" | grep '[0-9] \*' | cut -c23- >pieces
    [ "$(sed 's/  special//' pieces | tr -d '\n')" = 'no,␣right</s>' ]
}

@test "messages without a chat template are an error, texts are not" {
    run_code 1 medvl-tokenize -m "$GOLDEN/llama3.json" \
        <<<'{"id":"a","messages":[{"role":"user","content":"x"}]}'
    [[ "$stderr" == *'stdin:1: a: "messages": '*template* ]]
    run_ok medvl-tokenize -m "$GOLDEN/llama3.json" -f text \
        <<<'{"text":"!","messages":[]}'
    [ "$output" = '{"text":"!","messages":[],"tokens":[0]}' ]
    run_code 1 medvl-tokenize --train 300 -o x.json <<<'{"id":"a","x":1}'
    [[ "$stderr" == *'stdin:1: a: neither "messages" nor "text" ('* ]]
}

@test "a record with nothing to encode is told what sets it" {
    run_code 1 medvl-tokenize -m "$GOLDEN/llama3.json" <<<'{"question":"?"}'
    [[ "$stderr" == *'neither "messages" nor "text" (medvl-prompt sets'* ]]
}

@test "a chat template that fails is said to, once" {
    printf '{"text":"no effusion"}\n' | medvl-tokenize --train 260 -o t.json
    mkdir folder
    cp t.json folder/tokenizer.json
    echo '{"messages":[{"role":"user","content":"no"}]}' >in.jsonl
    run_code 1 medvl-tokenize -m folder in.jsonl
    [[ $stderr == *': "messages": folder: no chat template: '* ]]
    echo '{{ 1 + [] }}' >folder/chat_template.jinja
    run_code 1 medvl-tokenize -m folder in.jsonl
    [[ $stderr == *': "messages": folder: chat template: line 1, '* ]]
}

@test "a folder of the original LLaVA code has its layout from config.json" {
    printf '{"text":"no effusion"}\n' | medvl-tokenize --train 260 -o t.json
    mkdir folder
    cp t.json folder/tokenizer.json
    turns 'left?' 'no' >in.jsonl
    layout() {
        printf '{"model_type":"%s","vocab_size":%d}' "$1" "$2" \
            >folder/config.json
    }
    layout llava_mistral 300
    run_ok medvl-tokenize -m folder in.jsonl
    run_ok medvl-tokenize --decode -m folder <<<"$output"
    [[ "$output" == *'"text":"[INST] left? [/INST] no </s>"}' ]]
    layout llava_llama 64000
    run_code 1 medvl-tokenize -m folder in.jsonl
    [[ $stderr == *'("llava_llama") fits several of the layouts'* ]]
    [[ $stderr == *"(chatml_direct is llava-v1.6-34b's, huatuo"* ]]
    run_code 1 medvl-tokenize -m folder --chat chatml_direct in.jsonl
    [[ $stderr == *'it has no token "<|im_start|>", "<|im_end|>"'* ]]
    run_ok medvl-tokenize -m folder --chat v0 in.jsonl
    run_ok medvl-tokenize --decode -m folder <<<"$output"
    [[ "$output" == *'###Human: left?###Assistant: no###"'* ]]
    run_code 2 medvl-tokenize -m folder --chat v9 in.jsonl
    [[ $stderr == *'--chat is one of llama3|'*'|v1|'* ]]
    layout llava_qwen2 600
    printf '{"messages":[{"role":"user","content":[%s,%s]}]}\n' \
        '{"type":"image"}' '{"type":"text","text":"a"}' >picture.jsonl
    run_ok medvl-tokenize -m folder picture.jsonl
    [[ "$output" == *',600,'* ]]
    run_ok medvl-tokenize --explain -m folder picture.jsonl
    grep -qE '^ +600 +[0-9-]+  <image>  picture$' <<<"$output"
    run_ok medvl-tokenize -m folder picture.jsonl
    run_ok medvl-tokenize --decode -m folder <<<"$output"
    [[ "$output" == *$'"<|user|>\\n<image>\\na\\n"}' ]]
    run_code 2 medvl-tokenize -m folder --chat v1 --decode in.jsonl
}

@test "answers that teach no end are warned of" {
    chat_model
    turns 'left?' 'no, right' >in.jsonl
    run_ok medvl-tokenize -m model in.jsonl
    [ -z "$stderr" ]
    echo '{% for m in messages %}{{ m.role ~ ": " ~ m.content ~ " " }}{%
        endfor %}{% if add_generation_prompt %}assistant:{% endif %}' |
        tr -d '\n' >model/chat_template.jinja
    run_ok medvl-tokenize -m model in.jsonl
    [[ $stderr == *'warning: an end token was learned in none of 1 record: '* ]]
    [[ $stderr == *'answers will not stop; --chat names a layout'* ]]
    # A token where the answer begins ends nothing.
    sed -i 's/: "/:<s>"/' model/chat_template.jinja
    run_ok medvl-tokenize -m model in.jsonl
    [[ $stderr == *'an end token was learned in none of 1 record: '* ]]
    # Nothing is learned, or it was chosen so.
    run_ok medvl-tokenize -m model \
        <<<'{"messages":[{"role":"user","content":"x"}]}'
    [ -z "$stderr" ]
    run_ok medvl-tokenize -m model --chat v0 in.jsonl
    [ -z "$stderr" ]
}

@test "tools and variables of a record reach its template" {
    chat_model
    echo '{{ tools and tools[0].name }} {{ strftime_now("%d %b") }} {{ a }}:{{
        messages[0].content }}' >model/chat_template.jinja
    echo '{"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f"}],
"chat_template_kwargs":{"strftime_now":"2025-01-31","a":1}}' | tr -d '\n' |
        medvl-tokenize -m model | medvl-tokenize --decode -m model >out.jsonl
    grep -q '"text":"f 31 Jan 1:x"}' out.jsonl
}
