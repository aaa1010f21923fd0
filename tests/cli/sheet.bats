# medvl-image --sheet: pictures side by side.

load helper

# A picture of 4 x 2.
picture() {
    base64 -d >a.png <<<'iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAAAAABawyK/AAAAEklE
QVR42mNk0NDQYFhw4sN/AAsTA9GHkLCnAAAAAElFTkSuQmCC'
}

# size FILE: "WIDTHxHEIGHT".
size() {
    medvl-inspect "$1" |
        sed 's/.*"width":\([0-9]*\),"height":\([0-9]*\).*/\1x\2/'
}

# records N: N records with the picture.
records() {
    seq "$1" | sed 's/.*/{"id":"r&","images":[{"path":"a.png"}],"question":'\
'"Is this number &?","answer":"yes"}/'
}

@test "a sheet of pictures: nothing on stdout, the same bytes each time" {
    picture
    records 5 >in.jsonl
    run_ok medvl-image --sheet one.png in.jsonl
    [ -z "$output" ]
    [ -z "$stderr" ]
    run_ok medvl-image -j 3 --sheet two.png in.jsonl
    cmp one.png two.png
    [ ! -e one.png.tmp ]
    # 3 x 2 cells with 3 lines each: 14 between, 5 above the text
    [ "$(size one.png)" = $((14 + 3 * 270))x$((14 + 2 * (256 + 5 + 33 + 14))) ]
}

@test "more pictures than fit go on further sheets" {
    picture
    records 41 | medvl-image --sheet out.png
    [ "$(size out-2.png)" = 284x322 ] # one cell, three lines
    [ ! -e out-3.png ]
    records 40 >in.jsonl
    mkdir a.png.b
    run_ok medvl-image --sheet a.png.b/x.png in.jsonl
    [ "$(ls a.png.b)" = x.png ]
    records 41 | medvl-image --sheet a.png.b/x.png
    [ "$(printf '%s ' a.png.b/*)" = 'a.png.b/x-2.png a.png.b/x.png ' ]
    cmp a.png.b/x-2.png out-2.png
}

@test "a sheet replaces no other file: not what it reads, no device" {
    picture
    records 2 >in.jsonl
    cp in.jsonl kept
    for name in in.jsonl .png /dev/full none; do
        run_code 2 medvl-image --sheet $name in.jsonl
        [[ "$stderr" == *"sheet '$name': want a name in .png"* ]]
    done
    cmp in.jsonl kept
    mkfifo pipe.png
    mkdir folder.png
    ln -s /dev/full device.png
    for name in pipe folder device; do
        run_code 1 medvl-image --sheet $name.png in.jsonl
        [[ "$stderr" == *"$name.png: not a regular file"* ]]
    done
    [ -p pipe.png ] && [ -d folder.png ] && [ -L device.png ]
    mkfifo out-2.png
    records 41 >in.jsonl
    run_code 1 medvl-image --sheet out.png in.jsonl
    [[ "$stderr" == *"out-2.png: not a regular file"* ]]
    [ -p out-2.png ]
    [ ! -e out.png ] && [ ! -e out.png.tmp ]
}

@test "without a record there is no sheet, and it says so" {
    run_code 1 medvl-image --sheet out.png </dev/null
    [[ "$stderr" == *"no record to show"* ]]
    [ ! -e out.png ]
}

@test "cells have the size of --resize" {
    picture
    records 1 >in.jsonl
    run_ok medvl-image --sheet out.png --resize 64 in.jsonl
    [[ $(size out.png) == $((64 + 28))x* ]]
    run_ok medvl-image --sheet out.png --resize 512 in.jsonl
    [[ $(size out.png) == $((512 + 56))x* ]]
    for bad in 16 5000 64x32 x; do
        run_code 2 medvl-image --sheet out.png --resize $bad in.jsonl
    done
}

@test "each picture is a cell, and a record without one has one too" {
    picture
    echo '{"id":"a","images":[{"path":"a.png"},{"path":"a.png"}]}' >two.jsonl
    echo '{"id":"a","caption":"no picture at all"}' >none.jsonl
    run_ok medvl-image --sheet two.png two.jsonl
    [ "$(size two.png)" = 554x300 ]
    run_ok medvl-image --sheet none.png none.jsonl
    [ "$(size none.png)" = 284x311 ]
    [[ $stderr == *"found a picture in none of 1 record"* ]]
}

@test "boxes, points, polygons and masks are drawn" {
    picture
    echo '{"id":"a","images":[{"path":"a.png"}]}' >plain.jsonl
    medvl-image --sheet plain.png plain.jsonl
    for region in '"box":[1,0,3,2]' '"point":[1,1]' \
        '"polygons":[[0,0,4,0,4,2]]' \
        '"mask":{"size":[2,4],"counts":"08"}'; do
        echo '{"id":"a","images":[{"path":"a.png","regions":[{'"$region"\
'}]}]}' >in.jsonl
        run_ok medvl-image --sheet out.png in.jsonl
        run_code 1 cmp -s plain.png out.png
        # one line more: the label and its colour
        [ "$(size plain.png)" = 284x300 ]
        [ "$(size out.png)" = 284x311 ]
    done
}

@test "what cannot be read stops it and leaves no sheet" {
    picture
    (records 3 && echo '{"id":"bad","images":[{"path":"none.png"}]}') >in.jsonl
    run_code 1 medvl-image --sheet out.png in.jsonl
    [[ $stderr == *"in.jsonl:4: bad: none.png"* ]]
    echo '{"id":"bad","images":[{"path":"a.png","regions":[{"box":[1]}]}]}' \
        >in.jsonl
    run_code 1 medvl-image --sheet out.png in.jsonl
    [[ $stderr == *'region 1: "box"'* ]]
    records 45 | sed '44s/a.png/x.png/' >in.jsonl
    run_code 1 medvl-image --sheet out.png in.jsonl
    [ "$(echo out*)" = 'out*' ]
    records 1 | run_code 1 medvl-image --sheet none/out.png
}

@test "with -k it is set aside, and its cell shows a cross and why" {
    picture
    (echo '{"id":"bad","images":[{"path":"none.png"},{"path":"no.png"}]}' &&
        records 2) >in.jsonl
    run_code 3 medvl-image -k --rejects bad.jsonl --sheet out.png in.jsonl
    [[ $(cat bad.jsonl) == '{"error":"image 1: none.png'*'"id":"bad"'* ]]
    [ "$(wc -l <bad.jsonl)" -eq 1 ]
    [[ $stderr == *"1 of 3 records set aside"* ]]
    records 4 | medvl-image --sheet four.png
    [ "$(size out.png | cut -dx -f1)" = "$(size four.png | cut -dx -f1)" ]
    run_code 1 cmp -s out.png four.png
}

@test "grey of 16 bits is shown through --window, or its whole range" {
    cp "$BATS_TEST_DIRNAME/../golden/pictures/grey16.png" a.png
    records 1 >in.jsonl
    run_ok medvl-image --sheet own.png in.jsonl
    run_ok medvl-image --sheet narrow.png --window p40,p60 in.jsonl
    run_code 1 cmp -s own.png narrow.png
}

@test "options that change pictures do not go with a sheet" {
    for bad in "-O x" "--crop 0,0,1,1" "--draw all" "--fit crop" \
        "--augment hflip=1" "--copies 2" "--colour red" "--boxes"; do
        # shellcheck disable=SC2086
        run_code 2 medvl-image --sheet out.png $bad </dev/null
        [[ $stderr == *"--sheet"* ]]
    done
    run_code 2 medvl-image </dev/null
    run_code 2 medvl-image --sheet out.png -o out.jsonl </dev/null
}

@test "hostile texts are drawn, not obeyed" {
    picture
    word=$(head -c 5000 /dev/zero | tr '\0' w)
    printf '%s\n' '{"id":"\u001b[2J\n'"$word"'","question":"'"$word"'",'\
'"answer":["é","\u202e"],"prediction":"\ud83d\ude00","images":'\
'[{"path":"a.png","regions":[{"label":"'"$word"'","box":[0,0,4,2]}]}]}' \
        >in.jsonl
    run_ok medvl-image --sheet out.png in.jsonl
    [[ $(size out.png) == 284x* ]]
    echo '{"id":"a","question":"\u0000","images":[{"path":"a.png"}]}' \
        >in.jsonl
    run_code 1 medvl-image --sheet out.png in.jsonl
    run_code 3 medvl-image -k --sheet out.png in.jsonl
}

@test "real pictures with boxes" {
    need_data images/bccd
    medvl-import bccd "$MEDVL_DATA/images/bccd/test.jsonl" | head -4 >in.jsonl
    run_ok medvl-image --sheet out.png in.jsonl
    [[ $(size out.png) == 824x* ]]
    run_ok medvl-inspect --check in.jsonl
}
