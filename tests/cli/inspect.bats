# medvl-inspect: shards and pictures to JSON Lines.

load helper

@test "shards that streaming wrote are printed" {
    run_ok medvl-inspect "$BATS_TEST_DIRNAME/../golden/mds_streaming"
    [ "${#lines[@]}" -eq 9 ]
    [ "${lines[0]}" = '{"id":"s0","question":"caf\u00e9 0?",'\
'"tokens":[0],"loss_mask":[1]}' ]
    [[ ${lines[8]} == '{"id":"s8",'*'"tokens":[63352,'* ]]
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
