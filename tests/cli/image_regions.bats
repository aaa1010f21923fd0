# medvl-image: what marks regions - read, moved, measured, drawn.

load helper

# A 4 x 2 grey picture, as the record's own bytes; and its columns 0 to 3 as
# values, for a mask.
PNG=iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAAAAABawyK/AAAAEklEQVR42mNk0NDQ\
YFhw4sN/AAsTA9GHkLCnAAAAAElFTkSuQmCC
MASK=iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAAAAABawyK/AAAAEklEQVR4nGNk\
YGRkZGJgYGAAAAAzAAcQNTu5AAAAAElFTkSuQmCC

# record ID REGIONS
record() {
    printf '{"id":"%s","images":[{"data":"%s","regions":[%s]}]}\n' \
        "$1" "$PNG" "$2"
}

field() {
    sed -E "s/.*\"$1\":(\"[^\"]*\"|\[\[[^a-z]*\]\]|\[[^]]*\]|[^,}]*).*/\1/" \
        <<<"$output"
}

# The same pictures in folders?
same() {
    cmp "$1"/*.png "$2"/*.png
}
differ() {
    run cmp -s "$1"/*.png "$2"/*.png
    [ "$status" -eq 1 ]
}

@test "polygons and points follow and are cut" {
    record a '{"polygons":[[0,0,4,0,4,2,0,2]],"area":8}' >a.jsonl
    run_ok medvl-image --resize 8x4 --out px a.jsonl
    [ "$(field polygons)" = "[[0,0,8,0,8,4,0,4]]" ]
    [ "$(field area)" = 32 ]
    run_ok medvl-image --crop 1,0,3,2 --out px a.jsonl
    [ "$(field polygons)" = "[[0,0,2,0,2,2,0,2]]" ]
    [ "$(field area)" = 4 ]
    record a '{"point":[1,1],"points":[[0.5,0.5],[3,1]]}' >a.jsonl
    run_ok medvl-image --crop 2,0,4,2 --resize 4 --fit stretch --out px a.jsonl
    [[ "$output" != *'"point":'* ]]
    [ "$(field points)" = "[[2,2]]" ]
    record a '{"point":[1,1]},{"polygons":[[0,0,1,0,1,1]]}' >a.jsonl
    run_ok medvl-image --crop 2,0,4,2 --out px a.jsonl
    [ "$(field regions)" = "[]" ]
}

@test "what a crop cuts off does not come back in the padding" {
    # all 8 pixels; the crop leaves 2 x 1, the padding is above and below
    record a '{"mask":{"size":[2,4],"counts":[0,8]},"box":[0,0,4,2]}' >a.jsonl
    run_ok medvl-image --crop 0,0,2,1 --resize 2 --out px a.jsonl
    # down the columns of 2 x 2: 1 on, 1 off, 1 on, 1 off
    [[ "$output" == *'"mask":{"size":[2,2],"counts":"01100"}'* ]]
    [ "$(field box)" = "[0,0,2,1]" ]
}

@test "a mask is a file, numbers, or a string, and becomes a string" {
    base64 -d <<<"$MASK" >m.png
    record a '{"mask":{"path":"m.png"}}' >a.jsonl
    run_ok medvl-image --out px a.jsonl
    # two pixels off, six on, down the columns
    [[ "$output" == *'"mask":{"size":[2,4],"counts":"26"}'* ]]
    [[ "$output" != *'"box"'* ]]
    record a '{"mask":{"path":"m.png","value":2}}' >a.jsonl
    run_ok medvl-image --boxes --out px a.jsonl
    [[ "$output" == *'"mask":{"size":[2,4],"counts":"422"}'* ]]
    [ "$(field box)" = "[2,0,3,2]" ]
    [ "$(field area)" = 2 ]
    record a '{"mask":{"size":[2,4],"counts":[4,2,2]}}' >a.jsonl
    run_ok medvl-image --out px a.jsonl
    [[ "$output" == *'"mask":{"size":[2,4],"counts":"422"}'* ]]
    mkdir top && mv m.png top
    record a '{"mask":{"path":"m.png"}}' >a.jsonl
    run_ok medvl-image --root top --out px a.jsonl
    run_code 1 medvl-image --out px a.jsonl
    [[ "$stderr" == *'region 1: "mask": m.png: no such file'* ]]
}

@test "a mask of another size is an error that names both" {
    record a '{"mask":{"size":[4,2],"counts":[8]}}' >a.jsonl
    run_code 1 medvl-image --out px a.jsonl
    [[ "$stderr" == *'a.jsonl:1: a: image 1: region 1: "mask": '* ]]
    [[ "$stderr" == *'a mask of 2 x 4 on a picture of 4 x 2'* ]]
}

@test "a bomb as a mask is refused in little memory" {
    use_release
    # 65535 x 32768, one byte of data; the check sums are right
    printf '%s' iVBORw0KGgoAAAANSUhEUgAA//8AAIAACAAAAABtio2CAAAACUlEQVR4nGMA \
        AAABAAFe/335AAAAAElFTkSuQmCC | base64 -d >big.png
    record a '{"mask":{"path":"big.png"}}' >a.jsonl
    (ulimit -v 500000 && medvl-image --out px a.jsonl) >out 2>err && return 1
    grep -q 'region 1: "mask": big.png: ' err
}

@test "boxes are made where there is none" {
    record a '{"polygons":[[1,0.5,2.5,0.5,2.5,2]]}' >a.jsonl
    run_ok medvl-image --boxes --out px a.jsonl
    [ "$(field box)" = "[1,0.5,2.5,2]" ]
    [ "$(field area)" = 1 ]
    record a '{"polygons":[[1,0,2,0,2,2]],"box":[0,0,4,2]}' >a.jsonl
    run_ok medvl-image --boxes --out px a.jsonl
    [ "$(field box)" = "[0,0,4,2]" ]
    [[ "$output" != *'"area"'* ]]
    record a '{"point":[1,1]}' >a.jsonl
    run_ok medvl-image --boxes --out px a.jsonl
    [[ "$output" != *'"box"'* ]]
}

@test "regions come in on other scales" {
    record a '{"box":[250,0,750,1000]}' >a.jsonl
    run_ok medvl-image --coordinates 999 --out px a.jsonl
    [ "$(field box)" = "[1,0,3,2]" ]
    run_ok medvl-image --coordinates 999 --resize 8x4 --out px a.jsonl
    [ "$(field box)" = "[2,0,6,4]" ]
    record a '{"polygons":[[25,0,75,0,75,100]],"point":[50,50]}' >a.jsonl
    run_ok medvl-image --coordinates 100 --out px a.jsonl
    [ "$(field polygons)" = "[[1,0,3,0,3,2]]" ]
    [ "$(field point)" = "[2,1]" ]
    run_code 1 medvl-image --coordinates 1 --out px a.jsonl
    [[ "$stderr" == *'"point" is not [x, y] of 0..1'* ]]
    run_code 2 medvl-image --coordinates 10 --out px a.jsonl
}

@test "a grid goes in and comes out of a prompt the same" {
    for n in 0,1,2,3 17,333,334,998 500,501,666,999; do
        record "g$n" "{\"box\":[$n]}"
    done >in.jsonl
    medvl-image --coordinates 999 --resize 337x211 --fit stretch --out px \
        in.jsonl |
        medvl-prompt --set 'b={% set i = images[0] %}{{ i.regions[0].box |
            coordinates(i.width, i.height, 999) | join(",") }}' >out.jsonl
    for n in 0,1,2,3 17,333,334,998 500,501,666,999; do
        grep -q "\"g$n\".*\"b\":\"$n\"" out.jsonl
    done
}

@test "drawing: frame, outline, points, blur and numbers" {
    local b='"box":[1,0,3,2],"d":true'

    record a "{$b}" >a.jsonl
    record b '{"polygons":[[1,0,3,0,3,2,1,2]],"d":true}' >b.jsonl
    record c '{"point":[1,1],"d":true}' >c.jsonl
    for n in a b c; do
        medvl-image --resize 64x32 --out plain$n $n.jsonl >/dev/null
        medvl-image --resize 64x32 --draw d --out box$n $n.jsonl >/dev/null
        medvl-image --resize 64x32 --draw d --shape outline --out line$n \
            $n.jsonl >/dev/null
        differ plain$n box$n
        same box$n line$n
    done
    same boxa boxb
    differ boxa boxc
    medvl-image --resize 64x32 --draw d --shape blur --out blur b.jsonl \
        >/dev/null
    differ blur plainb
    medvl-image --resize 64x32 --draw d --shape blur --blur 0.2 --out more \
        b.jsonl >/dev/null
    differ blur more
    run_code 1 medvl-image --draw d --shape blur --out px c.jsonl
    [[ "$stderr" == *'points have no inside'* ]]
    record a "{$b},{\"box\":[0,0,1,1]},{$b}" >a.jsonl
    run_ok medvl-image --resize 64x32 --draw d --numbers --out marks a.jsonl
    [[ "$output" == *'"mark":1},{'*'},{'*'"mark":2}]'* ]]
    differ marks boxa
    run_code 2 medvl-image --numbers --out px a.jsonl
}

@test "what has no shape passes, whatever becomes of the picture" {
    local none='{"label":"x","side":"q"},{"polygons":[]},{"l": 1,"box":null}'

    record a "$none" >a.jsonl
    for o in "" "--resize 8" "--crop 2,0,4,2" "--draw all" \
        "--draw all --resize 8" "--draw all --shape blur" --boxes; do
        # shellcheck disable=SC2086 # words
        run_ok medvl-image $o --out px a.jsonl
        [[ "$output" == *'"regions":['"$none"']'* ]]
    done
    # but what is marked to be drawn must be
    record a '{"d":true}' >a.jsonl
    for o in "" "--resize 8"; do
        # shellcheck disable=SC2086 # words
        run_code 1 medvl-image --draw d $o --out px a.jsonl
        [[ "$stderr" == *'no box, mask, polygons or points to draw'* ]]
    done
}

@test "blur leaves nothing sharp where there is no region" {
    cp "$BATS_TEST_DIRNAME/../golden/pictures/rgb.png" a.png
    with() { echo '{"id":"a","images":[{"path":"a.png"'"$1"'}]}'; }
    with '' >plain.jsonl
    medvl-image --out plain plain.jsonl >/dev/null
    set -- --draw d --shape blur --blur 0.2
    # an empty mask is what blurs all
    with ',"regions":[{"box":[0,0,1,1],"d":true}]' >one.jsonl
    medvl-image "$@" --out one one.jsonl >/dev/null
    for r in '' ',"regions":null' ',"regions":[]' ',"regions":[{"l":1}]' \
        ',"regions":[{"box":[0,0,9,9]}]' \
        ',"regions":[{"box":[-9,-9,-1,-1],"d":true}]'; do
        rm -rf none
        with "$r" >a.jsonl
        medvl-image "$@" --out none a.jsonl >/dev/null
        differ none plain
        differ none one
        [ ! -d first ] || same none first
        [ -d first ] || cp -r none first
    done
    with ',"regions":[{"box":[0,0,2,2],"d":true}]' >a.jsonl
    medvl-image "$@" --crop 4,4,12,12 --out left a.jsonl >/dev/null
    medvl-image --crop 4,4,12,12 --out cut a.jsonl >/dev/null
    differ left cut
}

@test "different drawings get files of their own" {
    record a '{"box":[0,0,4,2],"d":true}' >a.jsonl
    for n in 1 2 3; do
        medvl-image --resize 64 --draw d --thick $n --out px a.jsonl
    done >/dev/null
    [ "$(find px -name '*.png' | wc -l)" -eq 3 ]
}

@test "what is drawn is what is written, to 1/1000" {
    # 4 x 2 to 1000 x 500: two boxes, one edge 0.0002 pixels left and right
    # of a half, so that frames drawn from them would differ
    local at

    for at in 0.0419996 0.0420004; do
        record a "{\"box\":[$at,0.2,3,1],\"d\":true}" >$at.jsonl
        run_ok medvl-image --resize 1000x500 --draw d --out $at $at.jsonl
        [ "$(field box)" = "[10.5,50,750,250]" ]
    done
    same 0.0419996 0.0420004
    for at in 0.10499999 0.10500001; do
        record a "{\"box\":[$at,0.1,0.9,0.9],\"d\":true}" >$at.jsonl
        run_ok medvl-image --coordinates 1 --draw d --out $at $at.jsonl
        [ "$(field box)" = "[0.42,0.2,3.6,1.8]" ]
    done
    same 0.10499999 0.10500001
    record a '{"box":[0.12499,0.1,0.9,0.9],"d":true}' >a.jsonl
    record b '{"box":[0.12501,0.1,0.9,0.9],"d":true}' >b.jsonl
    for at in a b; do
        medvl-image --coordinates 1 --draw d --out scaled$at $at.jsonl
    done >/dev/null
    same scaleda scaledb
}

@test "numbers of an earlier run make way" {
    record a '{"box":[0,0,1,1],"mark":1},{"box":[1,0,3,2],"d":true}' >a.jsonl
    run_ok medvl-image --draw d --numbers --out px a.jsonl
    [ "$(grep -o '"mark":1' <<<"$output" | wc -l)" -eq 1 ]
    [[ "$output" == *'"d":true,"mark":1}'* ]]
    run_ok medvl-image --out px a.jsonl
    [[ "$output" == *'[0,0,1,1],"mark":1}'* ]]
}

@test "a crop is around polygons, a mask or a point" {
    record a '{"polygons":[[1,0,3,0,3,1]],"c":true}' >a.jsonl
    run_ok medvl-image --crop c --out px a.jsonl
    [ "$(field width) $(field height)" = "2 1" ]
    record a '{"mask":{"size":[2,4],"counts":[4,2,2]},"c":true}' >a.jsonl
    run_ok medvl-image --crop c --out px a.jsonl
    [ "$(field width) $(field height)" = "1 2" ]
    record a '{"point":[1,1],"c":true}' >a.jsonl
    run_ok medvl-image --crop c --out px a.jsonl
    [ "$(field width) $(field height)" = "1 1" ]
    # half of the shorter side on each side
    run_ok medvl-image --crop c --margin 0.5 --out px a.jsonl
    [ "$(field width) $(field height)" = "2 2" ]
    record a '{"l":1,"c":true}' >a.jsonl
    run_code 1 medvl-image --crop c --out px a.jsonl
    [[ "$stderr" == *'no region with "c" true to crop to'* ]]
}

@test "crops that leave the same map get files of their own" {
    # both are padded by one row above
    { record a '{"box":[0,0,4,2],"c":true}' &&
        record b '{"box":[0,0,4,1],"c":true}'; } >in.jsonl
    medvl-image --crop c --resize 4 --out px in.jsonl >/dev/null
    [ "$(find px -name '*.png' | wc -l)" -eq 2 ]
}

@test "a polygon of many places and a large mask end in time" {
    use_release
    awk 'BEGIN { printf "{\"id\":\"a\",\"images\":[{\"data\":\"'"$PNG"'\",";
        printf "\"regions\":[{\"polygons\":[[0,0"
        for (i = 0; i < 300000; i++)
            printf ",%d,%d", i % 4, i % 2 ? 1000000000 : -1000000000
        print "]]}]}]}" }' >a.jsonl
    (ulimit -v 1500000 -t 20 && medvl-image --boxes --resize 64 --out px \
        a.jsonl) >out
    grep -q '"box":\[0,16,40,48\]' out
    record b '{"mask":{"size":[65535,65535],"counts":"0"}}' >b.jsonl
    run_code 1 medvl-image --resize 64 --out px b.jsonl
    [[ "$stderr" == *'65535 x 65535 on a picture of 4 x 2'* ]]
}
