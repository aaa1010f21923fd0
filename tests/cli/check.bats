# medvl-inspect --check: each kind of finding, and records without any.

load helper

# A picture of 4 x 2 and what it says of itself.
picture() {
    base64 -d >a.png <<<'iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAAAAABawyK/AAAAEklE
QVR42mNk0NDQYFhw4sN/AAsTA9GHkLCnAAAAAElFTkSuQmCC'
    hash=$(medvl-inspect a.png | sed 's/.*"hash":"\([0-9a-f]*\)".*/\1/')
    IMAGE='"images":[{"path":"a.png","width":4,"height":2,"hash":"'$hash'"}]'
}

# found KIND...: these findings and no others, in this order; status 1.
found() {
    run_code 1 medvl-inspect --check records.jsonl
    [ "$(printf '%s\n' "${lines[@]}" |
        sed -n 's/^{"problem":"\([a-z_]*\)".*/\1/p' | tr '\n' ' ')" = "$* " ]
    for kind in "$@"; do
        count=$(printf '%s\n' "$@" | grep -cx "$kind")
        [[ ${lines[-1]} =~ \"$kind\":${count}[^0-9] ]]
    done
}

# Regions on the picture.
regions() {
    picture
    echo '{"id":"a","images":[{"path":"a.png","regions":['"$1"']}]}' \
        >records.jsonl
}

@test "records without a problem: nothing but the summary, status 0" {
    picture
    region='{"label":"x","box":[0,0,4,2],"point":[4,2],
        "polygons":[[0,0,4,0,4,2]],"mask":{"size":[2,4],"counts":"08"}}'
    cat >records.jsonl <<END
{"id":"a","split":"train","group":"p","question":"q","answer":"Yes",\
"answer_type":"CLOSED",$IMAGE}
{"id":"b","split":"train","group":"p","question":"q","answer":" yes",$IMAGE}
{"id":"c","question":"r","answer":["x","y"],"choices":{"A":"x"},\
"images":[{"path":"a.png","regions":[$(tr -d '\n' <<<"$region")]}]}
{"id":"d","messages":[{"role":"user","content":[{"type":"image"},\
{"type":"text","text":"?"}]},{"role":"assistant","content":"!"}],$IMAGE}
{"id":"e","caption":"no picture"}
{"id":"f","question":"q","messages":[{"role":"user","content":"q"},\
{"role":"assistant","content":"a"}]}
END
    run_ok medvl-inspect --check records.jsonl
    [ "$output" = '{"records":6,"images":4,"problems":{},'\
'"answers":{"yes":2,"x":1},"answers_distinct":2,'\
'"answer_types":{"closed":1},"answer_types_distinct":1,'\
'"splits":{"train":2},"splits_distinct":1,"groups":1}' ]
}

@test "no records are none" {
    run_ok medvl-inspect --check </dev/null
    [[ $output == '{"records":0,"images":0,"problems":{},'* ]]
}

@test "a finding says what, where, which record, and details" {
    picture
    echo '{"id":"a"}' >one.jsonl
    echo '{"id":"é","images":[{"path":"none.png"}]}' >two.jsonl
    run_code 1 medvl-inspect --check one.jsonl two.jsonl
    [[ ${lines[0]} == '{"problem":"picture_missing","where":"two.jsonl:1",'\
'"id":"é","detail":"image 1: none.png: no such file'*'"}' ]]
    [[ ${lines[1]} == '{"records":2,"images":1,"problems":'\
'{"picture_missing":1}'* ]]
    [ -z "$stderr" ]
    run_code 1 medvl-inspect --check <two.jsonl
    [[ ${lines[0]} == *'"where":"stdin:1"'* ]]
}

@test "not_a_record: the others are looked at all the same" {
    printf '{"id":"a"}\n{"id":\n\n{"id":"a"}\n' >records.jsonl
    found not_a_record not_a_record id_double
    [[ ${lines[0]} == *'"where":"records.jsonl:2"'* ]]
    [[ ${lines[2]} == *'"detail":"first at records.jsonl:1"'* ]]
    [[ ${lines[3]} == '{"records":4,'* ]]
}

@test "id_missing, id_double" {
    printf '%s\n' '{"id":"a"}' '{"id":""}' '{}' '{"id":7}' >records.jsonl
    echo '{"id":"\u0061"}' >>records.jsonl
    found id_missing id_missing id_missing id_double
}

@test "images_malformed, picture_missing, picture_damaged" {
    picture
    head -c 70 a.png >cut.png
    printf '%s\n' '{"id":"a","images":{"path":"a.png"}}' \
        '{"id":"b","images":[{"path":"none.png"},{"path":"a.png"}]}' \
        '{"id":"c","images":[{"path":"cut.png"}]}' \
        '{"id":"d","images":[{"path":"cut.png"},{}]}' \
        '{"id":"e","image":"a.png"}' \
        '{"id":"f","image":"a.png","images":[{"path":"a.png"}]}' >records.jsonl
    found images_malformed picture_missing picture_damaged picture_damaged \
        picture_missing images_malformed
    [[ ${lines[2]} == *cut.png* ]]
}

@test "an entry that is no object, or cannot be held, is a finding" {
    picture
    printf '%s\n' '{"id":"a","images":["a.png"]}' \
        '{"id":"b","images":[{"path":"a.png","x":"\u0000"}]}' >records.jsonl
    found images_malformed images_malformed
}

@test "size_differs, hash_differs" {
    picture
    printf '%s\n' '{"id":"a","images":[{"path":"a.png","width":2}]}' \
        '{"id":"b","images":[{"path":"a.png","height":"2"}]}' \
        '{"id":"c","images":[{"path":"a.png","hash":"00"}]}' >records.jsonl
    found size_differs size_differs hash_differs
    [[ ${lines[0]} == *"2 x 2 in the record, 4 x 2 in the file"* ]]
}

@test "region_malformed: what is no box, point, polygon or mask" {
    regions '{"box":[1,2,3]},{"point":["a",2]},{"polygons":[[0,0,1,1]]},
{"mask":{"size":[2,4],"counts":"09"}},7'
    tr -d '\n' <records.jsonl >r && echo >>r && mv r records.jsonl
    found region_malformed region_malformed region_malformed \
        region_malformed region_malformed
    echo '{"id":"a","images":[{"path":"a.png","regions":{}}]}' >records.jsonl
    found region_malformed
}

@test "region_empty: a box without area, a mask without pixels" {
    regions '{"box":[2,0,2,2]},{"box":[0,1,4,1]},
{"mask":{"size":[2,4],"counts":[8]}},{"box":[0,0,1,2]},
{"mask":{"size":[2,4],"counts":[7,1]}}'
    tr -d '\n' <records.jsonl >r && echo >>r && mv r records.jsonl
    found region_empty region_empty region_empty
    [[ ${lines[0]} == *"region 1: [2, 0, 2, 2] in 4 x 2"* ]]
    [[ ${lines[1]} == *"region 2: [0, 1, 4, 1] in 4 x 2"* ]]
    [[ ${lines[2]} == *"region 3: a mask of no pixels"* ]]
}

@test "box_upside_down, box_outside, point_outside, polygon_outside" {
    regions '{"box":[3,0,1,2]},{"box":[0,2,4,1]},{"box":[0,0,5,2]}'
    found box_upside_down box_upside_down box_outside
    [[ ${lines[2]} == *"region 3: [0, 0, 5, 2] in 4 x 2"* ]]
    regions '{"point":[-1,0]},{"points":[[1,1],[1,3]]},
{"polygons":[[0,0,4,0,4,9]]}'
    tr -d '\n' <records.jsonl >r && echo >>r && mv r records.jsonl
    found point_outside point_outside polygon_outside
}

@test "mask_size: the mask of another picture" {
    regions '{"mask":{"size":[4,2],"counts":"08"}}'
    found mask_size
}

@test "regions of a picture that is lost are held against its record's size" {
    echo '{"id":"a","images":[{"path":"x","width":9,"height":9,'\
'"regions":[{"box":[0,0,9,10]}]}]}' >records.jsonl
    found picture_missing box_outside
}

@test "question_missing, question_empty, answer_missing, answer_empty" {
    printf '%s\n' '{"id":"a","answer":"x"}' \
        '{"id":"b","question":" \n","answer":"x"}' \
        '{"id":"c","question":"q"}' '{"id":"d","question":"q","answer":""}' \
        '{"id":"e","question":"q","answer":[]}' \
        '{"id":"f","question":"q","answer":["x"," "]}' \
        '{"id":"g","question":"q","answer":null}' >records.jsonl
    found question_missing question_empty answer_missing answer_empty \
        answer_empty answer_empty answer_missing
}

@test "a text of which nothing is seen is empty" {
    printf '%s\n' '{"id":"a","question":"q","answer":"\u00a0\u200b"}' \
        '{"id":"b","question":"\u3000\ufeff","answer":"a"}' \
        '{"id":"c","question":"q","answer":"\u200bx"}' >records.jsonl
    echo '{"id":"d","messages":[{"role":"user","content":"\u2003"}]}' \
        >>records.jsonl
    found answer_empty question_empty turn_empty
}

@test "a member that is null is not there" {
    for name in images regions choices answer_type split group messages; do
        echo '{"id":"'$name'","question":"q","answer":"a","'$name'":null}'
    done >records.jsonl
    echo '{"id":"m","messages":null,"question":null,"answer":null}' \
        >>records.jsonl
    run_ok medvl-inspect --check records.jsonl
    [[ $output == '{"records":8,"images":0,"problems":{},'* ]]
    [[ $output == *'"answer_types":{},'*'"splits":{},'*'"groups":0}' ]]
}

@test "answer_no_choice: neither a letter nor the text of a choice" {
    printf '%s\n' \
        '{"id":"a","question":"q","choices":{"A":"x","B":"y"},"answer":"A"}' \
        '{"id":"b","question":"q","choices":{"A":"x","B":"y"},"answer":"y"}' \
        '{"id":"c","question":"q","choices":{"A":"x","B":"y"},"answer":"C"}' \
        >records.jsonl
    found answer_no_choice
    [[ ${lines[0]} == *'"id":"c"'* ]]
    printf '%s\n' \
        '{"id":"a","question":"q","choices":{"A":"x"},"answer":["Z"]}' \
        '{"id":"b","question":"q","choices":{"A":"x"},"answer":["Z","A"]}' \
        '{"id":"c","question":"q","choices":{"A":"x"},"answer":["Z","Y"]}' \
        >records.jsonl
    found answer_no_choice answer_no_choice
    [[ ${lines[0]} == *'answer \"Z\" is none of 1 choices'* ]]
    [[ ${lines[1]} == *'"id":"c"'* ]]
}

@test "messages_malformed, messages_empty, turn_empty" {
    printf '%s\n' '{"id":"a","messages":{}}' '{"id":"b","messages":[]}' \
        '{"id":"c","messages":[{"role":"bot","content":"x"}]}' \
        '{"id":"d","messages":[{"role":"user","content":[{"type":"x"}]}]}' \
        '{"id":"e","messages":[{"role":"assistant","content":" "}]}' \
        '{"id":"f","messages":[{"role":"user","content":[]}]}' >records.jsonl
    found messages_malformed messages_empty messages_malformed \
        messages_malformed turn_empty turn_empty
    [[ ${lines[4]} == *"the assistant says nothing"* ]]
}

@test "part_without_image, image_unused" {
    picture
    echo '{"id":"a","messages":[{"role":"user","content":[{"type":"image"},'\
'{"type":"image"}]}],'"$IMAGE}" >records.jsonl
    found part_without_image
    echo '{"id":"a","messages":[{"role":"user","content":"?"}],'"$IMAGE}" \
        >records.jsonl
    found image_unused
    echo '{"id":"a","messages":[{"role":"user","content":[{"type":"image",'\
'"index":1}]}],"images":[{"path":"a.png"},{"path":"a.png"}]}' >records.jsonl
    found image_unused
    [[ ${lines[0]} == *"image 1 of 2"* ]]
}

@test "answers_differ: to one question about one picture" {
    picture
    cp a.png copy.png
    printf '%s\n' \
        '{"id":"a","question":"Q?","answer":"x","images":[{"path":"a.png"}]}' \
        '{"id":"b","question":"r","answer":"y","images":[{"path":"a.png"}]}' \
        '{"id":"c","question":"q? ","answer":"y",'\
'"images":[{"path":"copy.png"}]}' \
        '{"id":"d","question":"q?","answer":"y"}' >records.jsonl
    found answers_differ
    [[ ${lines[0]} == *'"id":"c"'*"at records.jsonl:1"* ]]
}

# asked MEMBERS ANSWER [REGIONS]: one more record about the picture.
asked() {
    echo '{"id":"'$((++n))'",'"$1"',"answer":'"$2"',"images":[{"path":'\
'"a.png","regions":['"${3-}"']}]}' >>records.jsonl
}

@test "answers_differ: choices are part of the question" {
    picture
    asked '"question":"q"' '"x"'
    asked '"question":"q","choices":{"A":"y"}' '"y"'
    asked '"question":"q","choices":{"A":"z"}' '"z"'
    run_ok medvl-inspect --check records.jsonl
    asked '"question":"q","choices":null' '"y"'
    found answers_differ
}

@test "answers_differ: the letter of a choice and its text are one answer" {
    picture
    asked '"question":"q","choices":{"A":"x","B":"y"}' '"A"'
    asked '"question":"q","choices":{"A":"x","B":"y"}' '"x"'
    asked '"question":"q","choices":{"A":"x","B":"y"}' '["A","x"]'
    run_ok medvl-inspect --check records.jsonl
    asked '"question":"q","choices":{"A":"x","B":"y"}' '"B"'
    asked '"question":"q","choices":{"A":"x","B":"y"}' '"y"'
    found answers_differ answers_differ
}

@test "answers_differ: a question about a region is about that region" {
    picture
    left='"box":[0,0,2,2]' right='"box":[2,0,4,2]'
    mask='"mask":{"size":[2,4],"counts":'
    asked '"question":"q"' '"x"' "{$left,\"drawn\":true},{$right}"
    asked '"question":"q"' '"y"' "{$left},{$right,\"drawn\":true}"
    asked '"question":"q"' '"z"' "{$left},{$right}"
    asked '"question":"q"' '"u"' "{${mask}[4,4]},\"drawn\":true}"
    asked '"question":"q"' '"v"' "{${mask}[3,5]},\"drawn\":true}"
    run_ok medvl-inspect --check records.jsonl
    asked '"question":"q"' '"n"' '{"drawn":true,"box":[0.0, 0, 2, 2]}'
    asked '"question":"q"' '"n"' "{${mask}[3,4,1]},\"drawn\":true}"
    asked '"question":"q"' '"n"' "{${mask}\"44\"},\"drawn\":true}"
    found answers_differ answers_differ
    [[ ${lines[0]} == *'"id":"6"'*"at records.jsonl:1"* ]]
    [[ ${lines[1]} == *'"id":"8"'*"at records.jsonl:4"* ]]
}

@test "answers_differ: what cannot be read is not compared" {
    picture
    for answer in x y; do
        asked '"question":"q"' '"'$answer'"' '{"box":[1],"drawn":true}'
    done
    found region_malformed region_malformed
    for file in none other; do
        echo '{"id":"'$file'","question":"q","answer":"'$file'","images":['\
'{"path":"a.png"},{"path":"'$file'"}]}'
    done >records.jsonl
    found picture_missing picture_missing
}

@test "answers_differ: in messages, to the same turns about one picture" {
    picture
    say() { # TEXT ANSWER [TEXT ANSWER]
        printf '{"id":"%s","images":[{"path":"a.png"}],"messages":[' $((++n))
        printf '{"role":"user","content":[{"type":"image"},'
        printf '{"type":"text","text":"%s"}]},' "$1"
        printf '{"role":"assistant","content":"%s"}' "$2"
        [ $# -le 2 ] ||
            printf ',{"role":"user","content":"%s"},
{"role":"assistant","content":"%s"}' "$3" "$4" | tr -d '\n'
        printf ']}\n'
    }
    {
        say q x && say r y && say Q ' X' && say q x s u && say q y t u
    } >records.jsonl
    run_ok medvl-inspect --check records.jsonl
    { say q y && say q x s v; } >>records.jsonl
    found answers_differ answers_differ
    [[ ${lines[0]} == *'"id":"6"'*"at records.jsonl:1"* ]]
    [[ ${lines[1]} == *'"id":"7"'*"at records.jsonl:4"* ]]
}

@test "val, validation and dev are one split" {
    picture
    for split in val dev validation VAL; do
        echo '{"id":"'$split'","split":"'$split'","group":"p",'"$IMAGE}"
    done >records.jsonl
    run_ok medvl-inspect --check records.jsonl
    [[ $output == *'"splits":{"val":2,"dev":1,"validation":1},'* ]]
    echo '{"id":"t","split":"test","group":"p",'"$IMAGE}" >>records.jsonl
    found picture_in_two_splits group_in_two_splits
}

@test "a folder of shards is looked over by its records" {
    picture
    echo '{"id":"a","tokens":[1,2],'"$IMAGE}" >records.jsonl
    medvl-shard -o train records.jsonl
    run_code 1 medvl-inspect --check train
    [[ $stderr == *"train: is a folder"* ]]
    [[ $output != *records* ]]
    medvl-inspect train >records.jsonl
    run_ok medvl-inspect --check records.jsonl
    [[ $output == '{"records":1,"images":1,"problems":{},'* ]]
}

@test "picture_in_two_splits, group_in_two_splits: once for each split" {
    picture
    cp a.png copy.png
    for split in train train test test dev; do
        echo '{"id":"'$((++n))'","split":"'$split'","group":"p",'\
'"images":[{"path":"'"$([ $n = 3 ] && echo copy.png || echo a.png)"'"}]}'
    done >records.jsonl
    found picture_in_two_splits group_in_two_splits picture_in_two_splits \
        group_in_two_splits
    [[ ${lines[0]} == *'"where":"records.jsonl:3"'*"at records.jsonl:1"* ]]
    [[ ${lines[2]} == *'"where":"records.jsonl:5"'* ]]
}

@test "answers_unbalanced: above 80 % of ten or more closed questions" {
    ask() {
        seq "$1" | sed 's/.*/{"id":"'"$2"'&","question":"&","answer":"'"$2"\
'","answer_type":"closed"}/'
    }
    (ask 8 yes && ask 2 no) >records.jsonl
    run_ok medvl-inspect --check records.jsonl
    ask 9 yes >records.jsonl
    run_ok medvl-inspect --check records.jsonl
    (ask 9 yes && ask 2 no) >records.jsonl
    found answers_unbalanced
    [ "${lines[0]}" = '{"problem":"answers_unbalanced",'\
'"detail":"\"yes\" answers 9 of 11 closed questions"}' ]
}

@test "the ten most frequent answers are exact, however many there are" {
    for i in $(seq 30); do
        seq "$i" | sed 's/.*/{"id":"'"$i"'-&","question":"q","answer":"a'"$i"\
'"}/'
    done | shuf --random-source=<(yes) >records.jsonl
    run_ok medvl-inspect --check records.jsonl
    [[ $output == *'"answers":{"a30":30,"a29":29,"a28":28,"a27":27,'\
'"a26":26,"a25":25,"a24":24,"a23":23,"a22":22,"a21":21},'\
'"answers_distinct":30,'* ]]
}

@test "the lines do not depend on threads, nor on who shares a picture" {
    picture
    head -c 70 a.png >cut.png
    for i in $(seq 700); do
        file=a.png
        [ $((i % 7)) != 0 ] || file=cut.png
        echo '{"id":"'"$i"'","images":[{"path":"'$file'","width":'$((i % 9))\
',"height":2},{"path":"a.png"}]}'
    done >records.jsonl
    run_code 1 medvl-inspect -j 1 --check records.jsonl
    one=$output
    [ "${#lines[@]}" -eq $((700 - 78 + 11 + 1)) ]
    run_code 1 medvl-inspect -j 4 --check records.jsonl
    [ "$output" = "$one" ]
}

@test "one record cannot take all memory with what is wrong with it" {
    picture
    {
        printf '{"id":"a","images":[{"path":"a.png","regions":[7'
        seq 5000 | sed 's/.*/,7/' | tr -d '\n'
        printf ']}]}\n{"id":"b","messages":[7'
        seq 5000 | sed 's/.*/,7/' | tr -d '\n'
        printf ',{"role":"user","content":["x"'
        seq 5000 | sed 's/.*/,{"type":"image"}/' | tr -d '\n'
        printf ']}]}\n{"id":"c","messages":[{"role":"user","content":['
        printf '{"type":"image","index":7}'
        seq 5000 | sed 's/.*/,{"type":"image"}/' | tr -d '\n'
        printf ']}]}\n{"id":"d","messages":[{"role":"user","content":"q"}],'
        printf '"images":[{"path":"a.png"}'
        seq 2000 | sed 's/.*/,{"path":"a.png"}/' | tr -d '\n'
        printf ']}\n'
    } >records.jsonl
    run_code 1 medvl-inspect --check records.jsonl
    problems=$(grep -o '"problems":{[^}]*}' <<<"${lines[-1]}")
    [ "$problems" = '"problems":{"region_malformed":1001,'\
'"messages_malformed":1001,"part_without_image":1001,"image_unused":1001}' ]
    [ "$(grep -c 'were not looked at' <<<"$output")" -eq 2 ]
    grep -q 'turn 1: and further parts without one' <<<"$output"
    grep -q 'and further images that no part shows' <<<"$output"
}

@test "paths are below --root, and grey of 16 bits needs no window" {
    picture
    mkdir below
    mv a.png below
    echo '{"id":"a","images":[{"path":"a.png"}]}' >records.jsonl
    found picture_missing
    run_ok medvl-inspect --check --root below records.jsonl
    cp "$BATS_TEST_DIRNAME/../golden/pictures/grey16.png" below/a.png
    run_ok medvl-inspect --check --root below records.jsonl
}

@test "what cannot be read, and a failed stream, end it without a summary" {
    run_code 1 medvl-inspect --check none.jsonl
    [[ $stderr == *none.jsonl* ]]
    [[ $output != *records* ]]
    echo '{"medvl_failed":"medvl-x: broke"}' >records.jsonl
    run_code 1 medvl-inspect --check records.jsonl
    [[ $stderr == *"an earlier command failed: medvl-x: broke"* ]]
    run_code 2 medvl-inspect --check --values records.jsonl
    run_code 2 medvl-inspect --root x records.jsonl
}
