# medvl-image: flips and the words for sides, synthetic anomalies.

load helper

# A 4 x 2 grey picture, as the record's own bytes.
PNG=iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAAAAABawyK/AAAAEklEQVR42mNk0NDQ\
YFhw4sN/AAsTA9GHkLCnAAAAAElFTkSuQmCC

# record ID REGIONS [REST]
record() {
    printf '{"id":"%s","images":[{"data":"%s","regions":[%s]}]%s}\n' \
        "$1" "$PNG" "$2" "${3:-}"
}

# What jq finds in the output.
found() {
    jq -rc "$1" <<<"$output"
}

# The bytes of each record's first picture.
pictures() {
    found '.images[0].path' | xargs sha256sum | cut -d' ' -f1
}

@test "a flip twice is the picture again, boxes and masks with it" {
    local r='{"label":"x","box":[0,0,1,1],"point":[0.5,1]},'
    r+='{"label":"y","mask":{"size":[2,4],"counts":"017"}}'
    for way in hflip vflip hflip=1,vflip; do
        record a "$r" >a.jsonl
        run_ok medvl-image --out a a.jsonl
        local before=$output was
        was=$(pictures)
        run_ok medvl-image --augment "$way=1" --out b <<<"$before"
        [ "$(pictures)" != "$was" ]
        [ "$(found '[.images[0].regions[]|.box,.mask.counts]')" != \
            "$(jq -c '[.images[0].regions[]|.box,.mask.counts]' \
                <<<"$before")" ]
        run_ok medvl-image --augment "$way=1" --out c <<<"$output"
        [ "$(pictures)" = "$was" ]
        [ "$(found .images[0].regions)" = \
            "$(jq -c .images[0].regions <<<"$before")" ]
    done
}

@test "boxes, points and masks are where the pixels went" {
    record a '{"box":[0,0,1,2],"point":[0.5,0.5],
        "mask":{"size":[2,4],"counts":"026"}}' | tr -d '\n ' >a.jsonl
    run_ok medvl-image --augment hflip=1 --out px a.jsonl
    [ "$(found '.images[0].regions[0]|[.box,.point]')" = \
        '[[3,0,4,2],[3.5,0.5]]' ]
    run_ok medvl-image --augment vflip=1 --out px <<<"$(cat a.jsonl)"
    [ "$(found '.images[0].regions[0]|[.box,.point]')" = \
        '[[0,0,1,2],[0.5,1.5]]' ]
}

@test "a text that says left is not flipped, and that is told" {
    {
        record a '' ',"question":"Is the LEFT lung clear?"'
        record b '' ',"question":"Is the lung clear?"'
        record c '{"label":"right lung","box":[0,0,1,2]}'
        record d '{"label":"x","side":"left","box":[0,0,1,2]}'
        record e '' ',"messages":[{"role":"user","content":[
            {"type":"image"},{"type":"text","text":"on the right"}]}]' |
            tr -d '\n'
        echo
        record f '' ',"choices":{"A":"yes","B":"the left"},"answer":"A"'
        record g '' ',"counts":{"left lung":2}'
        record h '' ',"laterality":"R"'
        record i '' ',"mine":{"deep":["a",{"b":"izquierda"}]}'
        record j '' ',"question":"肺在左边吗"'
    } >a.jsonl
    run_ok medvl-image --augment hflip=1 --out px a.jsonl
    [ "$(found .id)" = "$(printf '%s~1\n' a b c d e f g h i j)" ]
    local same
    same=$(pictures | sed -n 1p)
    [ "$(pictures | grep -c "$same")" -eq 9 ]
    [ "$(found 'select(.id=="c~1").images[0].regions[0].box')" = \
        '[0,0,1,2]' ]
    [[ "$stderr" == *"warning: 9 of 10 flips were not made"* ]]
    [[ "$stderr" == *"--sides swap"* ]]
}

@test "names of things are no text" {
    record left '' ',"source":"right","license":"left","group":"left",
        "provenance":{"answer":{"author":"left"}},"split":"left"' |
        tr -d '\n' >a.jsonl
    run_ok medvl-image --augment hflip=1 --out left a.jsonl
    local flipped=$output
    [ -z "$stderr" ]
    run_ok medvl-image --augment hflip=1 --sides swap --out left a.jsonl
    [ "$output" = "$flipped" ]
    [ "$(found .source)" = right ]
    [[ "$(found '.images[0].path')" == left/* ]]
}

@test "swap turns the words round in every text" {
    record a '{"label":"left lung","side":"Right","box":[0,0,1,2]}' \
        ',"messages":[{"role":"user","content":"Is the LEFT lung clear?"},
        {"role":"assistant","content":[{"type":"text","text":"R\u0069ght"}]}],
        "question":"on the left?","answer":["on the left","bright"],
        "choices":{"A":"left","B":"right"},"caption":"links und rechts",
        "text":"左肺","prompt":"leftmost","view":"Right lateral",
        "laterality":"L","body_part":"left hand","other":"caf\u00e9"' |
        tr -d '\n' >a.jsonl
    run_ok medvl-image --augment hflip=1 --sides swap --out px a.jsonl
    [ "$(found '[.images[0].regions[0]|.label,.side,.box]')" = \
        '["right lung","Left",[3,0,4,2]]' ]
    [ "$(found '[.messages[].content]')" = \
        '["Is the RIGHT lung clear?",[{"type":"text","text":"Left"}]]' ]
    [ "$(found '[.question,.answer,.choices]')" = \
        '["on the right?",["on the right","bright"],{"A":"right","B":"left"}]' ]
    [ "$(found '[.caption,.text,.prompt,.view,.laterality,.body_part]')" = \
'["rechts und links","右肺","rightmost","Left lateral","R","right hand"]' ]
    [[ "$output" == *'"other":"caf\u00e9"'* ]]
    [ -z "$stderr" ]
}

@test "who made a text stays, and what swapped it is told" {
    record a '' ',"question":"left lung?","answer":"yes","caption":"left",
        "provenance":{"question":{"author":"human"},
        "answer":{"author":"human"}}' | tr -d '\n' >a.jsonl
    run_ok medvl-image --augment hflip=1 --sides swap --out px a.jsonl
    [ "$(found .question,.caption)" = $'right lung?\nright' ]
    [ "$(found '.provenance.question|[.author,.command,(.options|length)]')" \
        = '["human","medvl-image",32]' ]
    [ "$(found '.provenance|keys,.answer')" = \
        $'["answer","question"]\n{"author":"human"}' ]
}

@test "without a picture there is nothing to flip" {
    echo '{"id":"a","images":[],"question":"left"}' >a.jsonl
    run_ok medvl-image --augment hflip=1 --sides swap --out px a.jsonl
    [ "$(found .question)" = left ]
}

@test "swap leaves what it cannot turn round" {
    {
        record a '' ',"question":"That is right away the left lung"'
        record b '' ',"question":"poumon gauche"'
        record c '' ',"mine":"left"'
        record d '' ',"choices":{"L":"a","R":"b"},"answer":"L"'
        record e '' ',"prediction":"left"'
        record f '' ',"question":"left","tokens":[1,2]'
    } >a.jsonl
    run_ok medvl-image --augment hflip=1 --sides swap --out px a.jsonl
    [ "$(pictures | sort -u | wc -l)" -eq 1 ]
    [ "$(found 'del(.images)|del(.id)')" = \
        "$(jq -c 'del(.images)|del(.id)' a.jsonl)" ]
    [[ "$stderr" == *"6 of 6 flips were not made"*"cannot be swapped"* ]]
}

@test "left hinders no flip of top and bottom, upper one of left and right" {
    {
        record a '' ',"question":"left"'
        record b '' ',"question":"upper lobe"'
    } >a.jsonl
    run_ok medvl-image --augment hflip=1,vflip=1 --out px a.jsonl
    [ "$(pictures | sort -u | wc -l)" -eq 2 ]
    [[ "$stderr" == *"2 of 2 flips"* ]]
    run_ok medvl-image --augment hflip=1,vflip=1 --sides swap --out px a.jsonl
    [ "$(found .question)" = "$(printf 'right\nlower lobe\n')" ]
    [ "$(pictures | sort -u | wc -l)" -eq 1 ]
}

@test "copies that are not flipped keep their text's bytes" {
    record a '' ',"question":"Is the left l\u0075ng clear\u003f"' >a.jsonl
    run_ok medvl-image --augment hflip=0.5 --sides swap --copies 20 --out px \
        a.jsonl
    grep -c 'Is the left l\\u0075ng clear\\u003f' <<<"$output" >same
    grep -c 'Is the right lung clear?' <<<"$output" >turned
    [ "$(($(cat same) + $(cat turned)))" -eq 20 ]
    [ "$(cat same)" -gt 3 ]
    [ "$(cat turned)" -gt 3 ]
    # the words and the picture always agree
    [ "$(found '[.question,.images[0].path]' | sort -u | wc -l)" -eq 2 ]
}

@test "all pictures of a record are flipped together" {
    local one='{"data":"'$PNG'","regions":[{"box":[0,0,1,2]}]}'
    printf '{"id":"a","images":[%s,%s,%s]}\n' "$one" "$one" "$one" >a.jsonl
    run_ok medvl-image --augment hflip=0.5 --copies 10 --out px a.jsonl
    [ "$(found '[.images[].regions[0].box[0]]' | sort -u)" = \
        "$(printf '[0,0,0]\n[3,3,3]\n')" ]
}

@test "a flip under boxes in any text is an error that says what to do" {
    local text
    for text in '"messages":[{"role":"user","content":"[0, 0, 1, 2]"}]' \
        '"answer":"[10, 20, 30, 40]"' '"answer":[10,20,30,40]' \
        '"question":"what is in [-1, 0.5, 3, 4]?"' \
        '"choices":{"A":"[[10,20],[30,40]]"}' '"text":"(10,20,30,40)"' \
        '"caption":"<box>10 20</box>"' '"prompt":"\u003cbox>"' \
        '"answer":"[1,\n2,\t3, 4]"'; do
        record a '' ",$text" >a.jsonl
        run_code 1 medvl-image --augment hflip=1 --out px a.jsonl
        [[ "$stderr" == *'"'*'" speaks of a box'*medvl-prompt* ]]
        run_ok medvl-image --window 100,200 --out px a.jsonl
    done
    for text in '"answer":"[10, 20, 30]"' '"answer":"[1,2,3,4,5]"' \
        '"answer":"(see 1, 2, 3, 4)"' '"answer":"[10, 20"' \
        '"mine":"[10, 20, 30, 40]"' '"text":"[[[[[[1,2,3,4"'; do
        record a '' ",$text" >a.jsonl
        run_ok medvl-image --augment hflip=1 --out px a.jsonl
    done
}

@test "options that make no sense are refused" {
    run_code 2 medvl-image --sides swap --out px
    [[ "$stderr" == *"hflip"* ]]
    run_code 2 medvl-image --augment hflip=2 --out px
    run_code 2 medvl-image --anomaly cut --out px
    [[ "$stderr" == *"cutpaste, gaussian, source, sink"* ]]
    run_code 2 medvl-image --anomaly sink:2 --out px
    run_code 2 medvl-image --anomaly sink --draft --resize 8 --out px
}

# A gradient of 64 x 48.
gradient() {
    record a '{"label":"x","box":[1,0,3,2]}' |
        medvl-image --resize 64x48 --fit stretch --out g
}

@test "an anomaly has a region that follows the picture" {
    gradient >a.jsonl
    run_ok medvl-image --anomaly cutpaste,gaussian,source,sink --copies 12 \
        --out px a.jsonl
    [ "$(found '.images[0].regions[0].label' | sort -u)" = x ]
    [ "$(found '.images[0].regions[1].label' | sort -u)" = anomaly ]
    [ "$(found '.images[0].regions[1].kind' | sort -u | wc -l)" -ge 3 ]
    [ "$(found '.images[0].regions[1]|keys_unsorted' | sort -u)" = \
        '["label","kind","box","mask","area","author"]' ]
    [ "$(pictures | sort -u | wc -l)" -eq 12 ]
    found '.images[0].regions[1]|[.mask.size,.area,
        (.box[2]-.box[0])*(.box[3]-.box[1])]' >sizes
    jq -se 'all(.[0] == [48,64] and .[1] >= 1 and .[1] <= .[2])' sizes
    run_ok medvl-image --anomaly gaussian --resize 32x24 --out px a.jsonl
    [ "$(found '.images[0].regions[1].mask.size')" = '[24,32]' ]
    jq -e '.images[0].regions[1].area > 0' <<<"$output"
}

@test "an anomaly is in the crop, whatever the scale of coordinates" {
    gradient >a.jsonl
    run_ok medvl-image --crop 32,24,64,48 --anomaly sink --copies 5 \
        --out px a.jsonl
    [ "$(found '.images[0].regions[-1].label' | sort -u)" = anomaly ]
    [ "$(found '.images[0].regions[-1].mask.size' | sort -u)" = '[24,32]' ]
    jq -e '.images[0].regions[-1].box | .[2] <= 32 and .[3] <= 24' \
        <<<"$output"
    record a '{"label":"x","box":[0.1,0,0.5,1]}' |
        medvl-image --coordinates 1 --resize 64 --fit stretch --out g >b.jsonl
    run_ok medvl-image --anomaly sink --out px b.jsonl
    local here
    here=$(found '.images[0].regions[1]|[.box,.area]')
    jq -c '.images[0].regions[0].box = [0.1,0,0.5,1]' b.jsonl >c.jsonl
    run_ok medvl-image --anomaly sink --coordinates 1 --out px c.jsonl
    [ "$(found '.images[0].regions[1]|[.box,.area]')" = "$here" ]
}

@test "a share of the copies gets one, and only their names are new" {
    gradient >a.jsonl
    run_ok medvl-image --anomaly gaussian:0.3 --copies 40 --out px a.jsonl
    local with
    with=$(found '.images[0].regions|length' | grep -c 2)
    [ "$with" -ge 5 ]
    [ "$with" -le 20 ]
    [ "$(pictures | sort -u | wc -l)" -eq "$((with + 1))" ]
    [ "$(find px -type f | wc -l)" -eq "$((with + 1))" ]
}

@test "the same seed gives the same bytes, whatever the threads" {
    for i in 1 2 3 4 5 6; do
        record "r$i" '' ',"question":"left"' |
            medvl-image --resize 40x30 --out g
    done >a.jsonl
    local all=hflip=0.5,vflip=0.5,blur=2,rotate=10,noise=0.02
    for j in 1 4; do
        run_ok medvl-image --augment "$all" --sides swap --copies 4 -j "$j" \
            --anomaly cutpaste,source:0.5 --out px a.jsonl
        echo "$output" >"$j.jsonl"
        sha256sum px/* >"$j.sums"
        rm -r px
    done
    cmp 1.jsonl 4.jsonl
    cmp 1.sums 4.sums
    run_ok medvl-image --augment "$all" --sides swap --copies 4 --seed 1 \
        --anomaly cutpaste,source:0.5 --out px a.jsonl
    [ "$output" != "$(cat 1.jsonl)" ]
}

@test "a picture without a place for an anomaly is a bad record" {
    printf '%s\n%s\n' "$(record a '')" "$(record b '')" |
        medvl-image --window 1000,1 --out g >a.jsonl
    run_code 1 medvl-image --anomaly source --out px a.jsonl
    [[ "$stderr" == *"anomal"* ]]
}
