# medvl-prompt: templates over records.

load helper

# holds TEXT...: stdout holds the texts, put together.
holds() {
    local IFS=

    [[ $output == *"$*"* ]] || { printf 'not in: %s\n' "$output"; return 1; }
}

says() {
    [[ $stderr == *"$1"* ]] || { printf 'not in: %s\n' "$stderr"; return 1; }
}

@test "a question, its answer, and who made them" {
    run_ok medvl-prompt -e 'Normal or pneumonia?' --answer '{{answer}}' \
        <<<'{"id":"a", "answer":"normal","images":[{"path":"a"}],"n":1.0}'
    holds '{"id":"a","answer":"normal","images":[{"path":"a"}],"n":1.0,' \
        '"messages":[{"role":"user","content":[{"type":"image"},' \
        '{"type":"text","text":"Normal or pneumonia?"}]},' \
        '{"role":"assistant","content":"normal"}],' \
        '"provenance":{"messages":{"author":"template",' \
        '"command":"medvl-prompt","version":"'
    run_ok medvl-prompt --author human -e 'Well?' <<<'{}'
    holds '"author":"human"'
}

@test "more turns, a system turn, a template from a file" {
    run_ok medvl-prompt --system S -e '{{q}}1' -a A1 -e '{{q}}2' -a A2 \
        <<<'{"q":"Q"}'
    holds '[{"role":"system","content":"S"},' \
        '{"role":"user","content":"Q1"},{"role":"assistant","content":"A1"},' \
        '{"role":"user","content":"Q2"},{"role":"assistant","content":"A2"}]'
    printf '{%% if q %%}\n{{ q }}\n{%% endif %%}\nend\n' >t.jinja
    run_ok medvl-prompt -t t.jinja <<<'{"q":"Q"}'
    holds '"content":"Q\nend"}]'
}

@test "one record for each region, and none is lost" {
    printf '{"id":"%s","images":[{"regions":[%s]}]}\n' \
        a '{"label":"x"},{"label":"y"}' b '' >in.jsonl
    run_code 1 medvl-prompt --each regions -e '{{region.label}}?' in.jsonl
    says 'in.jsonl:2: b: no regions'
    run_code 3 medvl-prompt -k --rejects bad.jsonl --each regions \
        -e '{{region.label}}?' in.jsonl
    [ "${#lines[@]}" -eq 2 ]
    holds '{"id":"a#2","images":[{"regions":[{"label":"x"},' \
        '{"label":"y","drawn":true}]}],"messages":'
    holds '"text":"y?"'
    grep -q '"id":"b"' bad.jsonl
}

@test "a hole in a question is an error, in an answer it is none" {
    run_code 1 medvl-prompt -e 'Is it {{ modality }}?' <<<'{"id":"a"}'
    says 'a: question 1: line 1, column 7: "modality" is undefined'
    run_ok medvl-prompt -e 'Is it?' -a 'It is {{ answer }}.' <<<'{"id":"a"}'
    holds '"messages":[{"role":"user","content":"Is it?"}]'
}

@test "an answer, or a field, that no record gave is warned of" {
    printf '%s\n' '{"id":"a","x":""}' '{"id":"b","x":" "}' >in.jsonl
    run_ok medvl-prompt -e Q -a '{{ x }}' --set 'y={{ z }}' in.jsonl
    [ "${#lines[@]}" -eq 2 ]
    says "medvl-prompt: warning: --answer '{{ x }}' gave text in none of 2"
    says "--set 'y={{ z }}' gave text in none of 2 records: line 1, \
column 1: \"z\" is undefined"
    echo '{"id":"c","x":"yes","z":1}' >>in.jsonl
    run_ok medvl-prompt -e Q -a '{{ x }}' --set 'y={{ z }}' in.jsonl
    [ -z "$stderr" ]
}

@test "errors of templates name line and column" {
    run_code 1 medvl-prompt -e '{{ a | nofilter }}' </dev/null
    says 'question 1: line 1, column 8: no filter "nofilter"'
    printf 'a\n{%% if %%}' >t.jinja
    run_code 1 medvl-prompt -t t.jinja </dev/null
    says 't.jinja: question: line 2, column 7'
}

@test "a template that loops for ever ends" {
    local loop='{% for i in range(99999) %}'

    run_code 1 medvl-prompt -e "$loop$loop{% endfor %}{% endfor %}" \
        <<<'{"id":"a"}'
    says 'a: question 1: line 1, column '
}

@test "misuse is exit 2" {
    run_code 2 medvl-prompt
    run_code 2 medvl-prompt -e a -t b
    run_code 2 medvl-prompt -e a -a b -a c
    run_code 2 medvl-prompt -e a --each images
}

@test "one thread and two, whole and in parts, give the same bytes" {
    local odd='{{ n }} is {{ "odd" if n is odd else "even" }}'

    seq 3000 | sed 's/.*/{"id":"r&","n":&}/' >in.jsonl
    medvl-prompt -j 1 -e "$odd" in.jsonl >one
    medvl-prompt -j 2 -e "$odd" in.jsonl >two
    cmp one two
    medvl-prompt --part 1/2 -e "$odd" in.jsonl >parts
    medvl-prompt --part 2/2 -e "$odd" in.jsonl >>parts
    cmp one parts
}

@test "a template file that is not there is named once" {
    run_code 1 medvl-prompt -t none.jinja <<<'{}'
    [ "$stderr" = 'medvl-prompt: none.jinja: No such file or directory' ]
}
