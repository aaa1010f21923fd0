# medvl-image: what it does to pictures and to the records that hold them.

load helper

# A 4 x 2 grey picture, as the record's own bytes.
PNG=iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAAAAABawyK/AAAAEklEQVR42mNk0NDQ\
YFhw4sN/AAsTA9GHkLCnAAAAAElFTkSuQmCC

# record ID REGIONS [REST]
record() {
    printf '{"id":"%s","images":[{"data":"%s","regions":[%s]}]%s}\n' \
        "$1" "$PNG" "$2" "${3:-}"
}

# A PNG's width and height, from its header.
size_of() {
    od -An -tu1 -j16 -N8 "$1" | awk '{ print $3 * 256 + $4, $7 * 256 + $8 }'
}

field() {
    sed -E "s/.*\"$1\":(\"[^\"]*\"|\[[^]]*\]|[^,}]*).*/\1/" <<<"$output"
}

only_png() {
    [ "$(find "$1" -type f | wc -l)" -eq 1 ] || return 1
    find "$1" -name '*.png'
}

@test "resize writes a PNG of that size and says so" {
    record a '' >a.jsonl
    run_ok medvl-image --resize 12x6 --fit stretch --out px a.jsonl
    [ "$(field width)" = 12 ]
    [ "$(field height)" = 6 ]
    [ "$(field path)" = "\"$(only_png px)\"" ]
    [ "$(size_of px/*.png)" = "12 6" ]
    [[ "$output" != *'"data"'* ]]
}

@test "boxes follow crop, pad and stretch" {
    record a '{"label":"x","box":[1,0,3,2]}' >a.jsonl
    run_ok medvl-image --resize 8 --fit pad --out px a.jsonl
    [ "$(field box)" = "[2,2,6,6]" ]
    run_ok medvl-image --resize 8 --fit crop --out px a.jsonl
    [ "$(field box)" = "[0,0,8,8]" ]
    run_ok medvl-image --resize 8 --fit stretch --out px a.jsonl
    [ "$(field box)" = "[2,0,6,8]" ]
    run_ok medvl-image --crop 1,0,4,2 --out px a.jsonl
    [ "$(field box)" = "[0,0,2,2]" ]
    [ "$(field width)" = 3 ]
}

@test "other fields pass through, in their order" {
    record a '' ',"n":1.50,"t":{"b":[1, 2]}' >a.jsonl
    run_ok medvl-image --out px a.jsonl
    [[ "$output" == '{"id":"a","images":[{"regions":[],"path"'* ]]
    [[ "$output" == *'}],"n":1.50,"t":{"b":[1, 2]}}' ]]
}

@test "a record without pictures passes" {
    run_ok medvl-image --resize 8 --out px <<<'{"id":"a"}'
    [ "$output" = '{"id":"a"}' ]
    [ "$stderr" = 'medvl-image: warning: found a picture in none of 1 record' ]
}

@test "regions to draw of which there are none are warned of" {
    { record a '{"box":[0,0,2,2]}' && record b ''; } >in.jsonl
    run_ok medvl-image --draw lesoin --out px in.jsonl
    [ "$stderr" = "medvl-image: warning: --draw 'lesoin' found a region in \
none of 2 records" ]
    record c '{"box":[0,0,2,2],"lesoin":true}' >>in.jsonl
    run_ok medvl-image --draw lesoin --out px in.jsonl
    [ -z "$stderr" ]
    run_ok medvl-image --out px in.jsonl
    [ -z "$stderr" ]
}

@test "only the region that is marked is drawn" {
    record a '{"box":[0,0,2,2],"drawn":true},{"box":[2,0,4,2]}' >a.jsonl
    run_ok medvl-image --draw drawn --colour 1,2,3 --resize 8x4 --out px a.jsonl
    record b '{"box":[0,0,2,2]}' >b.jsonl
    run_ok medvl-image --draw drawn --resize 8x4 --out none b.jsonl
    run_ok medvl-image --resize 8x4 --out plain b.jsonl
    cmp none/*.png plain/*.png
    run cmp -s px/*.png plain/*.png
    [ "$status" -eq 1 ]
}

@test "a drawn region that leaves the picture makes its record bad" {
    record a '{"box":[0,0,1,1],"drawn":true}' >a.jsonl
    run_code 1 medvl-image --crop 2,0,4,2 --out px a.jsonl
    [[ "$stderr" == *'a.jsonl:1: a: image 1: region 1: '* ]]
    [[ "$stderr" == *'marked "drawn" left the picture'* ]]
    record a '{"box":[0,0,1,1]}' >a.jsonl
    run_ok medvl-image --crop 2,0,4,2 --out px a.jsonl
    [ "$(field regions)" = "[]" ]
}

@test "geometry on a record whose messages speak of boxes is an error" {
    turn() { printf ',"messages":[{"role":"user","content":"%s"}]' "$1"; }
    record a '' "$(turn 'where? [10, 20,30 ,40.5]')" >a.jsonl
    run_code 1 medvl-image --resize 8 --out px a.jsonl
    [[ "$stderr" == *'speaks of a box'* ]]
    run_ok medvl-image --window 100,50 --out px a.jsonl
    record a '' "$(turn '[1,2,3] [x]')" >a.jsonl
    run_ok medvl-image --resize 8 --out px a.jsonl
}

@test "augmentation gives K records, the same for one seed and any -j" {
    local spec=shift=0.1,scale=0.1,rotate=20,contrast=0.2,noise=0.05
    { record a '' && record b ''; } >in.jsonl
    set -- --augment $spec --copies 3 --out px
    run_ok medvl-image "$@" --seed 5 in.jsonl
    [ "${#lines[@]}" -eq 6 ]
    [[ "${lines[0]}" == '{"id":"a~1",'* ]]
    [[ "${lines[5]}" == '{"id":"b~3",'* ]]
    [ "$(find px -name '*.png' | wc -l)" -eq 6 ]
    printf '%s\n' "$output" >first
    cp -r px px1
    medvl-image -j 2 "$@" --seed 5 in.jsonl | cmp - first
    diff -r px px1
    { record b '' && record a ''; } |
        medvl-image -j 1 "$@" --seed 5 | sort | cmp - <(sort first)
    medvl-image "$@" --seed 6 in.jsonl >other
    run cmp -s other first
    [ "$status" -eq 1 ]
}

@test "noise is another one for each record and each of its pictures" {
    for id in a b; do
        echo '{"id":"'$id'","images":[{"data":"'"$PNG"'"},{"data":"'"$PNG"'"}]}'
    done >in.jsonl
    run_ok medvl-image --augment noise=0.1 --out px in.jsonl
    [ "$(find px -name '*.png' | wc -l)" -eq 4 ]
    medvl-image --augment noise=0.1 --seed 5 --out px in.jsonl >/dev/null
    [ "$(find px -name '*.png' | wc -l)" -eq 8 ]
    # the hash that is written is that of the file that is there
    for f in px/*.png; do
        cp "$f" "copy.${f##*/}"
    done
    medvl-image --augment noise=0.1 --out px in.jsonl | cmp - <(echo "$output")
    for f in px/*.png; do
        cmp "$f" "copy.${f##*/}"
    done
}

@test "spacing follows resizing and turning" {
    picture() { # SPACING
        echo '{"id":"a","images":[{"data":"'"$PNG"'","spacing":'"$1"'}]}'
    }
    picture '[0.5,3,7]' >a.jsonl
    run_ok medvl-image --resize 8x2 --fit stretch --out px a.jsonl
    [ "$(field spacing)" = "[0.25,3,7]" ]
    run_ok medvl-image --augment hflip=1 --out px a.jsonl
    [ "$(field spacing)" = "[0.5,3,7]" ]
    run_ok medvl-image --out px a.jsonl
    [ "$(field spacing)" = "[0.5,3,7]" ]
    # A turn by any angle: of columns 5 mm apart and rows 0.5 mm, the sum of
    # the squares stays, and a large enough one brings both near each other.
    picture '[0.5,5]' >a.jsonl
    medvl-image --augment rotate=180 --copies 200 --out turned a.jsonl |
        jq -c '.images[0].spacing' >all
    jq -se 'all(.[]; (.[0] * .[0] + .[1] * .[1] - 25.25) | fabs < 1e-9)' all
    jq -se 'map(.[0]) | min < 0.6 and max > 4.9' all
    jq -se 'map(.[1]) | min < 0.6 and max > 4.9' all
    picture null >a.jsonl
    run_ok medvl-image --resize 8 --out px a.jsonl
    [ "$(field spacing)" = null ]
    for bad in '["a","b"]' '[1]' '[1,2,3,4]' '{}' '[1,null]'; do
        picture "$bad" >a.jsonl
        run_code 1 medvl-image --resize 8 --out px a.jsonl
        [[ "$stderr" == *'image 1: "spacing" is not 2 or 3 numbers'* ]]
    done
}

@test "null is no pictures, no regions" {
    run_ok medvl-image --resize 8 --out px <<<'{"id":"a","images":null}'
    [ "$output" = '{"id":"a","images":null}' ]
    echo '{"id":"a","images":[{"data":"'"$PNG"'","regions":null}]}' >a.jsonl
    run_ok medvl-image --resize 8 --draw all --out px a.jsonl
    [ "$(field regions)" = null ]
}

@test "an anomaly joins regions that are a list, and no others" {
    cp "$BATS_TEST_DIRNAME/../golden/pictures/grey8.png" a.png
    with() { echo '{"id":"a","images":[{"path":"a.png","regions":'"$1"'}]}'; }
    for none in null '[]' '[ ]'; do
        with "$none" >a.jsonl
        run_ok medvl-image --anomaly sink --out px a.jsonl
        jq -e '.images[0].regions | length == 1 and .[0].kind == "sink"' \
            <<<"$output"
    done
    with '[ {"label":"x","box":[0,0,9,9]} , {"label":"y"} ]' >a.jsonl
    run_ok medvl-image --anomaly sink --out px a.jsonl
    jq -e '[.images[0].regions[].label] == ["x", "y", "anomaly"]' \
        <<<"$output"
    for bad in 5 '{"a":1}' '"x]"' true; do
        with "$bad" >a.jsonl
        run_code 1 medvl-image --anomaly sink --out px a.jsonl
        [[ "$stderr" == *'a.jsonl:1: a: image 1: "regions": '* ]]
        run_code 1 medvl-image --out px a.jsonl
        [[ "$stderr" == *'a.jsonl:1: a: image 1: "regions": '* ]]
    done
}

@test "copies of a record need an id" {
    run_code 1 medvl-image --augment shift=0.1 --out px \
        <<<"{\"images\":[{\"data\":\"$PNG\"}]}"
    [[ "$stderr" == *id* ]]
}

@test "masks follow and stay whole run lengths" {
    # the right half of 4 x 2: 4 pixels off, 4 on, by column
    record a '{"mask":{"size":[2,4],"counts":"44"},"box":[2,0,4,2]}' >a.jsonl
    run_ok medvl-image --resize 8x4 --fit stretch --out px a.jsonl
    # shellcheck disable=SC2016 # not an expansion
    [[ "$output" == *'"mask":{"size":[4,8],"counts":"`0`0"}'* ]]
    [ "$(field box)" = "[4,0,8,4]" ]
    record a '{"mask":{"size":[2,4],"counts":"4"}}' >a.jsonl
    run_code 1 medvl-image --resize 8 --out px a.jsonl
    [[ "$stderr" == *'"mask": the runs cover 4'* ]]
}

@test "wrong options are exit 2" {
    for o in '--resize 0' '--resize 4x' '--resize axb' '--background pink!' \
        '--window 3' '--augment turn=3' '--crop 1,2,1,4' '--copies 2' \
        '--fit squash' '--colour 1,2'; do
        # shellcheck disable=SC2086 # two words
        run_code 2 medvl-image --out px $o <<<''
    done
    run_code 2 medvl-image --resize 8 <<<''
}

@test "a damaged picture is its record's error, and -k sets it aside" {
    { record a '' && echo '{"id":"b","images":[{"data":"AAAA"}]}' &&
        record c ''; } >in.jsonl
    run_code 1 medvl-image --out px in.jsonl
    [[ "$stderr" == *'in.jsonl:2: b: image 1: neither PNG, JPEG'* ]]
    echo '{"id":"d","images":[{"path":"none.png"}]}' >>in.jsonl
    run_code 3 medvl-image -k --rejects bad.jsonl --out px in.jsonl
    [ "${#lines[@]}" -eq 2 ]
    [ "$(wc -l <bad.jsonl)" -eq 2 ]
    grep -q '"b"' bad.jsonl
    grep -q 'none.png: no such file.*"d"' bad.jsonl
}

@test "a picture that cannot be written is not its record's fault" {
    { record a '' && record b ''; } >in.jsonl
    # Files may have 0 KiB: that is a full disk, but for the errno.
    run bash -c 'ulimit -f 0; medvl-image -k --out px in.jsonl 2>&1'
    [ "$status" -eq 1 ]
    [[ "${lines[0]}" == *'in.jsonl:1: a: image 1: px/'*': File too large' ]]
    [ -z "$(ls px)" ]
}

@test "a PNG of 2^31 pixels is refused in little memory" {
    use_release
    # 65535 x 32768, one byte of data; the check sums are right
    printf '%s' iVBORw0KGgoAAAANSUhEUgAA//8AAIAACAAAAABtio2CAAAACUlEQVR4nGMA \
        AAABAAFe/335AAAAAElFTkSuQmCC | base64 -d >big.png
    echo '{"id":"a","images":[{"path":"big.png"}]}' >a.jsonl
    (ulimit -v 500000 && medvl-image --out px a.jsonl) >out 2>err && return 1
    grep -q 'a.jsonl:1: a: image 1: .*over the limit' err
    [ "$(find px -type f | wc -l)" -eq 0 ]
}

@test "pictures that cannot be written fail the run" {
    record a '' >a.jsonl
    touch px
    run_code 1 medvl-image --out px a.jsonl
    [ "${#lines[@]}" -eq 1 ]
    [[ "$stderr" == *px* ]]
}

@test "--part gives the whole run's bytes" {
    for i in 1 2 3 4 5 6 7; do record "r$i" ''; done >in.jsonl
    medvl-image --resize 8 --out px in.jsonl >whole
    for p in 1/2 2/2; do
        medvl-image --resize 8 --out px --part $p in.jsonl
    done | cmp - whole
}

@test "paths are below --root, read and written" {
    mkdir -p top/in
    base64 -d <<<"$PNG" >top/in/a.png
    echo '{"id":"a","images":[{"path":"in/a.png"}]}' >a.jsonl
    run_code 1 medvl-image --out px a.jsonl
    [[ "$stderr" == *'in/a.png: no such file below the current'*'--root'* ]]
    run_ok medvl-image --root top --out px a.jsonl
    [ -f "top/$(field path | tr -d '"')" ]
    [[ "$(field path)" == '"px/'* ]]
}

@test "DICOM: window of the file, by name, in units; frames by number" {
    need_data dicom
    ct=$MEDVL_DATA/dicom/ct_all_syntaxes/ct_rle.dcm
    mr=$MEDVL_DATA/dicom/modalities/emri_small_RLE.dcm
    printf '{"id":"ct","images":[{"path":"%s"}]}\n' "$ct" >ct.jsonl
    run_ok medvl-image --window file --out px ct.jsonl
    [ "$(field window)" = "[40,400]" ]
    [ "$(size_of "$(only_png px)")" = "512 512" ]
    medvl-image --window 40,400 --out same ct.jsonl >/dev/null
    cmp px/*.png same/*.png
    run_ok medvl-image --window lung --out lung ct.jsonl
    [ "$(field window)" = "[-600,1500]" ]
    for f in 0 3 9; do
        printf '{"id":"%s","images":[{"path":"%s","frame":%s}]}\n' \
            $f "$mr" $f
    done >mr.jsonl
    run_ok medvl-image -j 2 --window p1,p99 --out frames mr.jsonl
    [ "$(find frames -name '*.png' | wc -l)" -eq 3 ]
}

@test "DICOM: wide grey without a window, a frame that is not there" {
    need_data dicom
    mr=$MEDVL_DATA/dicom/modalities/emri_small_RLE.dcm
    printf '{"id":"a","images":[{"path":"%s","frame":10}]}\n' "$mr" >a.jsonl
    run_code 1 medvl-image --out px a.jsonl
    [[ $stderr == *"--window"* || $stderr == *"frame 11 of 10"* ]]
    run_code 1 medvl-image --window 1,2 --out px a.jsonl
    [[ $stderr == *emri_small_RLE.dcm*"frame 11 of 10"* ]]
    run_code 1 medvl-image --window file --out px \
        <<<"{\"images\":[{\"path\":\"$mr\"}]}"
    [[ $stderr == *"has no window"* ]]
}

@test "--draft shrinks JPEG while decoding; boxes know where they are" {
    need_data
    f=$MEDVL_DATA/images/cxr_ccby/images
    f=$(find "$f" -name '*.jp*g' -size +100k | sort | head -n 1)
    [ -n "$f" ]
    w=$(medvl-inspect "$f" | jq .width)
    h=$(medvl-inspect "$f" | jq .height)
    r='{"label":"all","box":[0,0,'"$w,$h"']}'
    echo '{"id":"a","images":[{"path":"'"$f"'","regions":['"$r"']}]}' >a.jsonl
    medvl-image --resize 64 --fit stretch --out px a.jsonl >exact.jsonl
    medvl-image --resize 64 --fit stretch --draft --out px a.jsonl >draft.jsonl
    # The last column of the shrunk picture may reach outside the file's.
    jq -e '.images[0].regions[0].box | .[2] > 63 and .[2] <= 64' draft.jsonl
    [ "$(jq '.images[0].hash' exact.jsonl)" != \
        "$(jq '.images[0].hash' draft.jsonl)" ]
    run_code 2 medvl-image --draft --resize 64 --crop 0,0,9,9 --out px a.jsonl
    run_code 2 medvl-image --draft --out px a.jsonl
}

@test "--draft keeps a mask's last column and row" {
    # 40 x 29 becomes 10 x 8, of which the last row is a quarter of blocks
    cp "$BATS_TEST_DIRNAME/../golden/pictures/rgb444.jpg" a.jpg
    echo '{"id":"a","images":[{"path":"a.jpg","regions":[{"area":1,"mask":'\
'{"size":[29,40],"counts":[0,1160]}}]}]}' >a.jsonl
    for o in "" --draft; do
        # shellcheck disable=SC2086 # none or one
        run_ok medvl-image --resize 7 --fit stretch $o --out px a.jsonl
        [ "$(field area)" = 49 ]
    done
    [ "$(find px -name '*.png' | wc -l)" -eq 2 ]
}

@test "options that would do nothing are mistakes" {
    : >none.jsonl
    for o in "--shape outline" "--thick 3" "--colour blue" --numbers \
        "--draw all --blur 0.1" "--margin 1" "--crop 0,0,9,9 --margin 1" \
        "--fit crop" "--copies 2" "--sides swap" "--background red" \
        "--background red --resize 8 --fit crop" \
        "--background red --augment hflip=1" \
        "--draw all --shape blur --colour blue" \
        "--draw all --shape blur --thick 2"; do
        # shellcheck disable=SC2086  # an option and its value
        run_code 2 medvl-image --out px $o none.jsonl
    done
    medvl-image --out px --draw all --shape blur --blur 0.1 none.jsonl
    medvl-image --out px --draw all --shape blur --numbers --colour blue \
        none.jsonl
    medvl-image --out px --background red --resize 8 none.jsonl
    medvl-image --out px --background red --augment rotate=9 none.jsonl
}
