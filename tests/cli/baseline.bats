# medvl-score --predict: what needs no picture.

load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    cat >train.jsonl <<'END'
{"kind":"side","plane":"axial","answer":"left"}
{"kind":"side","plane":"axial","answer":["right","r"]}
{"kind":"side","plane":"axial","answer":"right"}
{"kind":"side","plane":"sagittal","answer":"left"}
{"kind":"where","plane":"axial","answer":"[0,10,20,30]"}
{"kind":"where","plane":"axial","answer":"[10,10,20,41]"}
{"kind":"where","plane":"axial","answer":"[1,11,90,32]"}
{"kind":"where","plane":"axial","answer":"[2,9,20,31]"}
END
    cat >test.jsonl <<'END'
{"kind":"side","plane":"axial","x":1.0}
{"kind":"side","plane":"sagittal"}
{"kind":"where","plane":"axial"}
{"kind":"where","plane":"coronal"}
END
}

said() {
    sed -E 's/.*"prediction":"([^"]*)".*/\1/' <<<"$output" | paste -sd' ' -
}

@test "the commonest answer of the cell, the first among equals" {
    run_ok medvl-score --predict commonest --from train.jsonl \
        --by kind,plane test.jsonl
    [ "${lines[0]}" = \
        '{"kind":"side","plane":"axial","x":1.0,"prediction":"right"}' ]
    [ "$(said)" = 'right left [0,10,20,30] left' ]
    [[ $stderr == *'1 records are in a cell that train.jsonl lacks'* ]]
    run_ok medvl-score --predict commonest --from train.jsonl test.jsonl
    [ "$(said)" = 'left left left left' ]
    [ -z "$stderr" ]
}

@test "the median box, the commonest answer where there is none" {
    run_ok medvl-score --predict median-box --from train.jsonl \
        --by kind test.jsonl
    [ "$(said)" = 'left left [2,10,20,32] [2,10,20,32]' ]
    sed -i 's/\[1,11/[1.5,11/' train.jsonl
    run_ok medvl-score --predict median-box --from train.jsonl \
        --by kind test.jsonl
    [[ $(said) == *'[1.75,10,20,31.5]' ]]
}

# bats test_tags=tsan
@test "it is a filter: threads change nothing" {
    yes test.jsonl | head -n 200 | xargs cat >many.jsonl
    medvl-score --predict commonest --from train.jsonl --by kind -j 1 \
        many.jsonl >one
    medvl-score --predict commonest --from train.jsonl --by kind -j 2 \
        many.jsonl >two
    cmp one two
}

@test "what cannot be learnt from is an error" {
    run_code 1 medvl-score --predict commonest --from none test.jsonl
    run_code 1 medvl-score --predict commonest --from /dev/null test.jsonl
    run_code 1 medvl-score --predict commonest --from test.jsonl test.jsonl
    [[ $stderr == *test.jsonl:1:*answer* ]]
    run_code 2 medvl-score --predict commonest test.jsonl
    run_code 2 medvl-score --predict best --from train.jsonl test.jsonl
}
