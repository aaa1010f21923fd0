# TIFF, WebP and BMP through the commands; what they decode to is test_load's.

load helper

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    formats=$ROOT/tests/golden/formats
}

# images FILE [MEMBERS]: a record with that picture.
images() {
    printf '{"id":"%s","images":[{"path":"%s"%s}]}\n' "${1##*/}" "$1" \
        "${2:+,$2}"
}

@test "one line says what a file holds" {
    cd "$formats"
    run_ok medvl-inspect pages.tif float32.tif moving.webp turned6.webp \
        runs8.bmp grey16.tif
    while read -r want; do
        [[ $output == *"$want"* ]] || { echo "no $want" && return 1; }
    done <<'END'
"pages.tif","width":11,"height":9,"channels":1,"depth":8,"frames":3,"bytes":1112
"float32.tif","width":23,"height":17,"channels":1,"depth":32,"type":"float32",
"moving.webp","width":11,"height":9,"channels":3,"depth":8,"frames":3,
"turned6.webp","width":17,"height":23,"channels":3,"depth":8,"bytes":
"runs8.bmp","width":9,"height":6,"channels":3,"depth":8,"bytes":152,
"grey16.tif","width":23,"height":17,"channels":1,"depth":16,"bytes":
END
}

@test "pictures come out upright, whatever the format" {
    images "$formats/turned6_rgb.tif" >in.jsonl
    images "$formats/turned6.webp" >>in.jsonl
    run_ok medvl-image -O px in.jsonl
    [ "$(jq -r '.images[0] | "\(.width)x\(.height)"' <<<"$output" |
        sort -u)" = 17x23 ]
    # Both hold the same pixels.
    [ "$(jq -r '.images[0].hash' <<<"$output" | sort -u | wc -l)" -eq 1 ]
}

@test "a frame is chosen by the record" {
    for i in 0 1 2; do images "$formats/pages.tif" '"frame":'$i; done >in.jsonl
    run_code 3 medvl-image -k -O px --window 5,20 in.jsonl
    # A window is for grey; the second page has colours.
    [[ $stderr == *'in.jsonl:2: pages.tif: image 1: '*'to grey, not'* ]]
    [ "$(jq -r '.images[0] | "\(.width)x\(.height)"' <<<"$output" |
        tr '\n' ' ')" = '11x9 6x5 ' ]
    [[ $output != *frame* ]]
    images "$formats/pages.tif" '"frame":3' >in.jsonl
    run_code 1 medvl-image -O px in.jsonl
    [[ $stderr == *'pages.tif: frame 4 of 3'* ]]
}

@test "grey of 16 bits is rescaled for its window" {
    images "$formats/grey16.tif" '"rescale":[1,-32768]' >in.jsonl
    images "$formats/big_endian.tif" '"rescale":[1,-32768]' >>in.jsonl
    run_ok medvl-image -O a --window lung in.jsonl
    [ "$(jq -c '.images[0].window' <<<"$output" | sort -u)" = '[-600,1500]' ]
    [[ $output != *rescale* ]]
    sed 's/,"rescale":[^]]*]//' in.jsonl >bare.jsonl
    medvl-image -O b --window lung --rescale 1,-32768 bare.jsonl >b.jsonl
    [ "$(jq -r '.images[0].hash' <<<"$output")" = \
        "$(jq -r '.images[0].hash' b.jsonl)" ]
    medvl-image -O c --window 32168,1500 bare.jsonl >c.jsonl
    [ "$(jq -r '.images[0].hash' c.jsonl)" = \
        "$(jq -r '.images[0].hash' b.jsonl)" ]
    png=$ROOT/tests/golden/pictures/grey16.png
    images "$png" '"rescale":[1,-32768]' >in.jsonl
    run_ok medvl-image -O d --window lung in.jsonl
    [ "$(jq -c '.images[0].window' <<<"$output")" = '[-600,1500]' ]
    images "$png" >in.jsonl
    medvl-image -O e --window 32168,1500 in.jsonl >e.jsonl
    [ "$(jq -r '.images[0].hash' e.jsonl)" = \
        "$(jq -r '.images[0].hash' <<<"$output")" ]
    run_code 1 medvl-image -O f in.jsonl
    [[ $stderr == *'needs a window'* ]]
}

@test "a folder of them is imported, a record for each frame" {
    mkdir scans
    for f in pages.tif moving.webp grey.bmp turned6.tif; do
        cp "$formats/$f" scans
    done
    cp scans/turned6.tif scans/again.TIFF
    run_ok medvl-import images scans
    [ "$(jq -r '[.id, (.images[0] | .frame, .width, .height)] | @csv' \
        <<<"$output")" = '"scans/again.TIFF",,17,23
"scans/grey.bmp",,23,17
"scans/moving.webp#0",0,11,9
"scans/moving.webp#1",1,11,9
"scans/moving.webp#2",2,11,9
"scans/pages.tif#0",0,11,9
"scans/pages.tif#1",1,5,7
"scans/pages.tif#2",2,6,5
"scans/turned6.tif",,17,23' ]
    head -c 300 "$formats/pages.tif" >scans/cut.tif
    run_code 1 medvl-import images scans
    [[ $stderr == *'scans/cut.tif: TIFF: '* ]]
    run_code 3 medvl-import -k images scans
    [ "${#lines[@]}" -eq 9 ]
}

@test "damage is an error that names the file" {
    for f in tiled.tif planes_tiled.tif rgb_jpeg.tif lossy.webp moving.webp \
        runs8.bmp rgb.bmp; do
        size=$(stat -c %s "$formats/$f")
        for n in 3 9 30 60 $((size / 2)) $((size * 9 / 10)); do
            head -c "$n" "$formats/$f" >"cut-$f"
            run_code 1 medvl-inspect "cut-$f"
            [[ $stderr == *"cut-$f: "* ]]
        done
    done
}

@test "training and generation say where to go with them" {
    sizes='"hidden_size":16,"intermediate_size":24'
    sizes=$sizes',"num_hidden_layers":2,"num_attention_heads":2'
    echo "{\"text_config\":{$sizes,\"max_position_embeddings\":256}," \
        "\"vision_config\":{$sizes,\"image_size\":16,\"patch_size\":8}}" \
        >llava.json
    medvl-merge --init llava.json --chat chatml -o seeing --tokenizer \
        "$ROOT/tests/golden/tokenizer/llama3.json"
    for f in grey16.tif lossy.webp grey.bmp; do
        images "$formats/$f" | sed 's/}$/,"prompt":"<image>is it"}/' >in.jsonl
        run_code 1 medvl-generate -m seeing --max-tokens 2 in.jsonl
        [[ $stderr == *"in.jsonl:1: $f: "*' file, not PNG or JPEG: run it '\
'through medvl-image first'* ]]
        medvl-tokenize -m seeing -f prompt in.jsonl >t.jsonl
        run_code 1 medvl-train -q -m seeing --data t.jsonl -o run
        [[ $stderr == *'run it through medvl-image first'* ]]
    done
}
