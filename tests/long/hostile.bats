#!/usr/bin/env bats
# Every reader of files against files that lie: an error that names the file,
# nothing half-written, and little memory, whatever the file asks for.

load ../cli/helper
load ../cli/train

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    use_release
}

# ---- what is measured -----------------------------------------------------

PEAK_MOST=500000 # KiB, which is 512 MB

# The largest of its processes by itself, as `time` tells it; `both` also
# looks at the command and its helper together, a hundred times a second.

# small CODE COMMAND...: it ends with that status and never was large.
small() {
    local code=$1 peak

    shift
    run_code "$code" timeout 100 /usr/bin/time -q -f %M -o peak "$@"
    peak=$(tail -n 1 peak)
    echo "$BATS_TEST_DESCRIPTION: $peak KiB" >>"${HOSTILE_LOG:-/dev/null}"
    if [ "$peak" -gt "$PEAK_MOST" ]; then
        echo "$*: $peak KiB at the most, over $PEAK_MOST"
        return 1
    fi
}

# The memory of a process and its children at this moment, in KiB.
memory_of() {
    local of sum=0 kib

    for of in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        kib=$(awk '/^VmRSS/ { print $2 }' "/proc/$of/status" 2>/dev/null)
        sum=$((sum + ${kib:-0}))
    done
    echo $sum
}

# both CODE COMMAND...: so, and the command and its helper never were large.
both() {
    local code=$1 rc=0 now peak=0

    shift
    "$@" >both.out 2>both.err &
    while kill -0 $! 2>/dev/null; do
        now=$(memory_of $!)
        peak=$((now > peak ? now : peak))
        sleep 0.01
    done
    wait $! || rc=$?
    stderr=$(cat both.err)
    echo "$BATS_TEST_DESCRIPTION: $peak KiB together" \
        >>"${HOSTILE_LOG:-/dev/null}"
    if [ $rc -ne "$code" ] || [ $peak -gt "$PEAK_MOST" ] || [ $peak -eq 0 ]
    then
        echo "$*: exit $rc, $peak KiB together: $stderr"
        return 1
    fi
}

# refused PLACE COMMAND...: exit 1, the error names the place.
refused() {
    local place=$1

    shift
    small 1 "$@"
    if [[ "$stderr" != *"$place"* ]]; then
        printf '%s: does not name %s: %s\n' "$*" "$place" "$stderr"
        return 1
    fi
}

absent() {
    for path; do
        [ ! -e "$path" ] || { ls -ld "$path" && return 1; }
    done
}

# ---- numbers and bytes ----------------------------------------------------

# Big-endian, and with the bytes reversed little-endian.
be32() { printf '%b' "$(printf '%08x' "$1" | sed 's/../\\x&/g')"; }
be16() { printf '%b' "$(printf '%04x' "$1" | sed 's/../\\x&/g')"; }
reversed() {
    printf '%b' "$(od -An -v -tx1 -w1 | tac | sed 's/ /\\x/' | tr -d '\n')"
}
le16() { be16 $(($1 & 0xffff)) | reversed; }
le32() { be32 "$1" | reversed; }
le64() { le32 $(($1 & 0xffffffff)) && le32 $(($1 >> 32)); }
zeros() { head -c "$1" /dev/zero; }
repeat() { head -c "$1" /dev/zero | tr '\0' "$2"; }

# ---- pictures -------------------------------------------------------------

# chunk TYPE <DATA: a chunk of a PNG, its check sum that of gzip.
chunk() {
    cat >chunk.data
    be32 "$(stat -c %s chunk.data)"
    { printf '%s' "$1" && cat chunk.data; } >chunk.body
    cat chunk.body
    gzip -c chunk.body | tail -c 8 | head -c 4 | reversed
}

# zlib <DATA: packed, with the check sum of as many zeros.
zlib() {
    tee >(wc -c >zlib.size) | gzip -9 -c >zlib.gz
    until [ -s zlib.size ]; do sleep 0.01; done
    printf '\x78\x9c'
    tail -c +11 zlib.gz | head -c -8
    be32 $(($(cat zlib.size) % 65521 << 16 | 1))
}

# png WIDTH HEIGHT BYTES [EXTRA]: grey, with so many bytes of zeros in it.
png() {
    printf '\x89PNG\r\n\x1a\n'
    { be32 "$1" && be32 "$2" && printf '\x08\0\0\0\0'; } | chunk IHDR
    [ -z "${4:-}" ] || "$4"
    zeros "$3" | zlib | chunk IDAT
    chunk IEND </dev/null
}

# A comment that unpacks to 256 MiB.
comment_bomb() {
    { printf 'Comment\0\0' && zeros $((256 << 20)) | zlib; } | chunk zTXt
}

# jpeg WIDTH HEIGHT BYTES: grey, all blocks the same, 2 bits each.
jpeg() {
    printf '\xff\xd8\xff\xdb\0\x43\0' && repeat 64 '\1'
    printf '\xff\xc0\0\x0b\x08' && be16 "$2" && be16 "$1"
    printf '\1\1\x11\0'
    for class in '\0' '\x10'; do # one code, of one bit, for 0
        printf '\xff\xc4\0\x14%b\1' "$class" && zeros 16
    done
    printf '\xff\xda\0\x08\1\1\0\0\x3f\0' && zeros "$3" && printf '\xff\xd9'
}

# picture_refused FILE: as a record's picture, and by itself.
picture_refused() {
    echo '{"id":"a","images":[{"path":"'"$1"'"}]}' >in.jsonl
    refused "in.jsonl:1: a: image 1: $1: " \
        medvl-image --out px -o out.jsonl in.jsonl
    absent out.jsonl out.jsonl.tmp
    [ -z "$(ls px)" ]
    refused "$1" medvl-inspect "$1"
}

@test "PNG: sides that no memory has" {
    png 4 4 20 >good.png
    echo '{"id":"a","images":[{"path":"good.png"}]}' >in.jsonl
    small 0 medvl-image --out good in.jsonl
    png 2147483648 2147483648 100 >2g.png
    picture_refused 2g.png
    png 2147483647 2147483647 100 >2g-1.png
    picture_refused 2g-1.png
    png 65535 65535 100000000 >64k.png
    picture_refused 64k.png
}

@test "PNG: bombs" {
    # As many pixels as are taken, and 2^26 bytes for a picture of 16.
    png 8192 8192 $((8193 * 8192)) >full.png
    echo '{"id":"a","images":[{"path":"full.png"}]}' >in.jsonl
    small 0 medvl-image --resize 8 --out px in.jsonl
    png 4 4 $((1 << 26)) >long.png
    echo '{"id":"a","images":[{"path":"long.png"}]}' >in.jsonl
    small 0 medvl-image --out px2 in.jsonl
    png 4 4 20 comment_bomb >comment.png
    echo '{"id":"a","images":[{"path":"comment.png"}]}' >in.jsonl
    small 0 medvl-image --out px3 in.jsonl
}

@test "PNG: cut short anywhere" {
    png 64 64 $((65 * 64)) >good.png
    for size in 0 1 8 20 33 40 60 $(($(stat -c %s good.png) - 13)); do
        head -c "$size" good.png >cut.png
        picture_refused cut.png
    done
}

@test "JPEG: huge or cut short" {
    jpeg 64 64 16 >good.jpg
    echo '{"id":"a","images":[{"path":"good.jpg"}]}' >in.jsonl
    small 0 medvl-image --out good in.jsonl
    jpeg 65500 65500 1000 >huge.jpg
    picture_refused huge.jpg
    jpeg 65500 65500 $((8188 * 8188 / 4)) >bomb.jpg
    picture_refused bomb.jpg
    for size in 3 60 130 140 150 154; do
        head -c "$size" good.jpg >cut.jpg
        picture_refused cut.jpg
    done
}

# ---- pictures that the helper reads -----------------------------------------

# tiff_page WIDTH HEIGHT BITS COMPRESSION AT BYTES NEXT [COUNT]: a directory of
# grey in one strip of BYTES bytes, or so many strips.
tiff_page() {
    local values=("256 4 1 $1" "257 4 1 $2" "258 3 1 $3" "259 3 1 $4"
        "262 3 1 1" "273 4 ${8:-1} $5" "278 4 1 $2" "279 4 ${8:-1} $6")

    le16 8
    printf '%s\n' "${values[@]}" |
        while read -r tag type count value; do
            le16 "$tag" && le16 "$type" && le32 "$count" && le32 "$value"
        done
    le32 "$7"
}

# tiff ARGUMENT...: a file with one page, its strip after 110 bytes.
tiff() {
    printf 'II*\0' && le32 8 && tiff_page "$1" "$2" "$3" "$4" 110 "$5" 0 \
        "${6:-1}"
}

@test "TIFF: sizes that lie" {
    tiff 60000 60000 8 1 50 >large.tif
    picture_refused large.tif
    tiff 4294967295 4294967295 64 1 50 >huge.tif
    picture_refused huge.tif
    tiff 8192 8192 8 1 67108864 >empty.tif
    picture_refused empty.tif
    { tiff 8192 8192 8 5 1000 && zeros 1000; } >lzw.tif
    picture_refused lzw.tif
    { tiff 8192 8192 8 1 50 1073741823 && zeros 1000; } >strips.tif
    picture_refused strips.tif
    { printf 'II*\0' && le32 8 && le16 65535 && zeros 786420; } >tags.tif
    picture_refused tags.tif
    { printf 'II+\0' && le16 8 && le16 0 && le64 16 && le64 $((1 << 60)) &&
        zeros 1000; } >tags64.tif
    picture_refused tags64.tif
}

@test "TIFF: a bomb, and a thousand of them on the same bytes" {
    zeros 67108864 | zlib >whole.zlib
    size=$(stat -c %s whole.zlib)
    { tiff 8192 8192 8 8 "$size" && cat whole.zlib; } >full.tif
    echo '{"id":"a","images":[{"path":"full.tif"}]}' >in.jsonl
    small 0 medvl-image --resize 8 --out px in.jsonl
    small 0 medvl-inspect full.tif
    tiff_page 8192 8192 8 8 8 "$size" 0 >page
    page=$(stat -c %s page)
    {
        printf 'II*\0' && le32 $((8 + size)) && cat whole.zlib
        for ((i = 1; i <= 1000; i++)); do
            head -c -4 page
            le32 $((i < 1000 ? 8 + size + i * page : 0))
        done
    } >many.tif
    refused many.tif medvl-inspect many.tif
    { printf 'II*\0' && le32 8 && tiff_page 4 4 8 1 8 16 8; } >loop.tif
    small 0 medvl-inspect loop.tif
}

@test "WebP and BMP: sizes that lie, and the largest" {
    { printf 'RIFF' && le32 18 && printf 'WEBPVP8L' && le32 5 &&
        printf '\x2f\xfe\xbf\xff\x0f\0'; } >large.webp
    picture_refused large.webp
    bmp() { # WIDTH HEIGHT BITS COMPRESSION
        printf 'BM' && le32 0 && le32 0 && le32 1078
        le32 40 && le32 "$1" && le32 "$2" && le16 1 && le16 "$3"
        le32 "$4" && zeros 1044
    }
    bmp 60000 60000 24 0 >large.bmp
    picture_refused large.bmp
    bmp 8192 8192 24 0 >empty.bmp
    picture_refused empty.bmp
    bmp 8192 2147483648 8 1 >negative.bmp
    picture_refused negative.bmp
    { bmp 8192 8192 8 1 && repeat 2000000 '\1'; } >runs.bmp
    picture_refused runs.bmp
    { bmp 8192 8192 8 1 && printf '\0\1'; } >zero.bmp
    small 0 medvl-inspect zero.bmp
}

# ---- volumes --------------------------------------------------------------

# nifti X Y Z TYPE BITS [DIMENSIONS]: a header; voxels a millimetre apart.
nifti() {
    le32 348 && zeros 36
    for v in "${6:-3}" "$1" "$2" "$3" 1 1 1 1; do le16 "$v"; done
    zeros 14 && le16 "$4" && le16 "$5" && zeros 2
    for ((i = 0; i < 8; i++)); do le32 $((0x3f800000)); done
    le32 $((0x43b00000)) # voxels at 352
    zeros 140 && le16 0 && le16 1 && zeros 24
    for row in 0 1 2; do
        for ((i = 0; i < 4; i++)); do
            le32 $((i == row ? 0x3f800000 : 0))
        done
    done
    zeros 16 && printf 'n+1\0' && zeros 4
}

volume_refused() {
    refused "medvl-import: $1: " medvl-import -o out.jsonl --window 1,2 \
        --out px nifti "$1"
    absent out.jsonl out.jsonl.tmp
    [ -z "$(ls px)" ]
}

@test "NIfTI: sizes that lie" {
    { nifti 2 3 4 4 16 && zeros 48; } >good.nii
    [ "$(stat -c %s good.nii)" -eq 400 ]
    small 0 medvl-import --window 1,2 --out good nifti good.nii
    { nifti 30000 30000 30000 4 16 && zeros 48; } >large.nii
    volume_refused large.nii
    { nifti -2 3 4 4 16 && zeros 48; } >negative.nii
    volume_refused negative.nii
    { nifti 32767 8192 1 64 64 && zeros 48; } >short.nii
    volume_refused short.nii
    { nifti 32767 32767 1 4 16 7 && zeros 48; } >seven.nii
    volume_refused seven.nii
    nifti 512 512 768 4 16 | gzip >packed.nii.gz
    volume_refused packed.nii.gz
    { nifti 512 512 512 4 16 && zeros 200000000; } | gzip >cut.nii.gz
    volume_refused cut.nii.gz
    { head -c 108 good.nii && printf '\xca\xf2\x49\x71' &&
        tail -c +113 good.nii; } >offset.nii # 1e30
    volume_refused offset.nii
    [[ "$stderr" == *vox_offset* ]]
}

@test "NIfTI: a gzip bomb behind a small header" {
    { nifti 2 3 4 4 16 && zeros 1000000000; } | gzip -1 >bomb.nii.gz
    volume_refused bomb.nii.gz
}

@test "NIfTI: the largest volume that is taken" {
    { nifti 512 512 768 4 16 && printf abcdefgh && zeros $((400 << 20)); } |
        head -c $((352 + 2 * 512 * 512 * 768)) >large.nii
    small 0 medvl-import --window p1,p99 --slices 0-1 --out px nifti large.nii
    { nifti 768 512 512 256 8 && printf abcdefgh &&
        zeros $((768 * 512 * 512 - 8)); } >signed.nii
    small 0 medvl-import --window p1,p99 --slices 0-1 --out px nifti signed.nii
}

# ---- DICOM ----------------------------------------------------------------

# element GROUP ELEMENT VR TEXT, of even length
element() {
    le16 "$1" && le16 "$2" && printf '%s' "$3" && le16 ${#4} && printf '%s' "$4"
}
word() { le16 "$1" && le16 "$2" && printf US && le16 2 && le16 "$3"; }

# dicom SYNTAX FRAMES ROWS COLUMNS BITS: all before the pixels.  FRAMES is of
# even length, SYNTAX of 20 bytes.
dicom() {
    zeros 128 && printf DICM
    le16 2 && le16 0 && printf UL && le16 4 && le32 28
    element 2 16 UI "$1"
    word 40 2 1 && element 40 4 CS 'MONOCHROME2 ' && element 40 8 IS "$2"
    word 40 16 "$3" && word 40 17 "$4" && word 40 256 "$5"
    word 40 257 "$5" && word 40 258 $(($5 - 1)) && word 40 259 0
    element 40 4176 DS '0 ' && element 40 4177 DS '2 '
}

# pixels ELEMENT VR BYTES: the head of so many.
pixels() { le16 0x7fe0 && le16 "$1" && printf '%s\0\0' "$2" && le32 "$3"; }

NATIVE='1.2.840.10008.1.2.1 '

@test "DICOM: frames of 1500 MB are read one by one" {
    size=$((1500 << 20))
    { dicom "$NATIVE" 1500 512 512 32 && pixels 8 OF $size; } >floats.dcm
    { dicom "$NATIVE" '10' 1024 1024 1 && pixels 16 OB $size; } >bits.dcm
    truncate -s +$size floats.dcm bits.dcm
    for file in floats.dcm bits.dcm; do
        both 0 medvl-inspect $file
    done
}

@test "DICOM: a file of 240 MB and its helper" {
    size=$((240 << 20))
    { dicom "$NATIVE" 1920 256 256 16 && pixels 16 OW $size; } >large.dcm
    truncate -s +$size large.dcm
    for frame in 0 1919; do
        printf '{"id":"%s","images":[{"path":"large.dcm","frame":%s}]}\n' \
            $frame $frame
    done >in.jsonl
    both 0 medvl-image -j 1 --window file --out px -o out.jsonl in.jsonl
}

@test "DICOM: a picture that takes much to decode" {
    { dicom '1.2.840.10008.1.2.4.90' '1 ' 11000 11000 8; } >large.dcm
    { le16 0x7fe0 && le16 16 && printf 'OB\0\0\xff\xff\xff\xff' &&
        printf '\xfe\xff\0\xe0' && le32 0 &&
        printf '\xfe\xff\0\xe0' && le32 4 && printf '\xff\x4f\0\0' &&
        printf '\xfe\xff\xdd\xe0' && le32 0; } >>large.dcm
    refused large.dcm medvl-inspect large.dcm
    [[ "$stderr" == *"over the decoder's limit"* ]]
}

# ---- safetensors ----------------------------------------------------------

# tensors HEADER [BYTES]
tensors() { le64 ${#1} && printf '%s' "$1" && zeros "${2:-0}"; }

tensors_refused() {
    refused "$1" medvl-inspect "$1"
    [[ "$output" != *'"shape"'* ]]
}

# entry NAME FROM TO [SHAPE]
entry() {
    printf '"%s":{"dtype":"F32","shape":[%s],"data_offsets":[%s,%s]}' \
        "$1" "${4:-$((($3 - $2) / 4))}" "$2" "$3"
}

@test "safetensors: headers that lie" {
    tensors "{$(entry a 0 8)}" 8 >good.safetensors
    small 0 medvl-inspect good.safetensors
    { le64 1000000 && printf '{}'; } >beyond.safetensors
    tensors_refused beyond.safetensors
    { le64 $((1 << 62)) && printf '{}'; } >2e62.safetensors
    tensors_refused 2e62.safetensors
    zeros 7 >seven.safetensors
    tensors_refused seven.safetensors
    tensors "{$(entry a 0 8),$(entry b 4 12)}" 12 >overlap.safetensors
    tensors_refused overlap.safetensors
    tensors "{$(entry a 0 8 1)}" 8 >misaligned.safetensors
    tensors_refused misaligned.safetensors
    tensors "{$(entry a 2 10)}" 10 >gap.safetensors
    tensors_refused gap.safetensors
    tensors "{$(entry a 0 8),$(entry a 8 16)}" 16 >twice.safetensors
    tensors_refused twice.safetensors
    tensors "{$(entry a 0 8000)}" 8 >data.safetensors
    tensors_refused data.safetensors
    tensors "{$(entry a 0 8 4294967296,4294967296,2)}" 8 >product.safetensors
    tensors_refused product.safetensors
    tensors "{$(entry a 0 8 -2,-1)}" 8 >negative.safetensors
    tensors_refused negative.safetensors
}

@test "safetensors: a great many tensors" {
    seq 500000 | awk 'BEGIN { printf "{" }
        { printf "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[1],", sep, $1
          printf "\"data_offsets\":[0,4]}"; sep = "," }
        END { printf "}" }' >header
    { le64 "$(stat -c %s header)" && cat header && zeros 4; } \
        >many.safetensors
    tensors_refused many.safetensors
    { le64 90000000 && repeat 90000000 '['; } >deep.safetensors
    tensors_refused deep.safetensors
}

# ---- shards ---------------------------------------------------------------

# A folder s of one shard.
shard() {
    seq 5 | sed 's/.*/{"id":"r&","text":"some words","tokens":[&]}/' |
        medvl-shard -o s
    file=$(ls s/*.mds*)
    [ "$(wc -w <<<"$file")" -eq 1 ]
}

@test "shards: wrong bytes and short files" {
    shard
    cp -r s whole
    small 0 medvl-shard --check s
    size=$(stat -c %s "$file")
    printf 'X' | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc 2>&1
    refused "${file##*/}: xxh64" medvl-shard --check s
    for size in 0 3 10 $((size - 1)); do
        truncate -s "$size" "$file"
        refused "${file##*/}" medvl-shard --check s
        refused "${file##*/}" medvl-inspect s
    done
    rm "$file"
    refused s/shard.00000.mds medvl-inspect s
}

@test "shards: an index that lies" {
    shard
    cp s/index.json index.json
    for change in '.shards[0].samples = 4000000000' \
        '.shards[0].samples = -1' '.shards[0].raw_data.bytes = 1e15' \
        '.shards[0].raw_data.bytes = 1' '.shards[0].samples = 1e308' \
        '.shards = {}' '.shards[0] = null' '.shards[0].column_names = []' \
        '.shards[0].column_sizes = [9e15]' \
        '.shards[0].raw_data.basename = "../../etc/passwd"'; do
        jq -c "$change" index.json >s/index.json
        refused s/ medvl-inspect s
    done
    head -c 100 index.json >s/index.json
    refused s/index.json medvl-inspect s
    repeat 1000000 '[' >s/index.json
    refused s/index.json medvl-inspect s
}

@test "shards: a zstd bomb" {
    shard
    zeros 4000000000 | zstd -q >bomb.zst
    mv bomb.zst "$file"
    for bytes in 1000 100000000 1000000000 4000000000; do
        jq -c --argjson zip "$(stat -c %s "$file")" --argjson raw $bytes \
            '.shards[] |= (.zip_data.bytes = $zip | .zip_data.hashes = {} |
                .raw_data.bytes = $raw)' s/index.json >index.json
        mv index.json s/index.json
        refused "${file##*/}" medvl-inspect s
        refused "${file##*/}" medvl-shard --check s
    done
}

# ---- models ---------------------------------------------------------------

@test "tokenizer.json: cut short, deep, huge" {
    tiny_text
    echo '{"id":"a","text":"b"}' >in.jsonl
    size=$(stat -c %s tokenizer.json)
    for cut in 0 1 100 $((size / 2)) $((size - 3)); do
        head -c "$cut" tokenizer.json >cut.json
        refused cut.json medvl-tokenize -m cut.json -o out in.jsonl
    done
    { printf '{"model":' && repeat 1000000 '['; } >deep.json
    refused deep.json medvl-tokenize -m deep.json -o out in.jsonl
    { printf '{"model":"' && repeat 300000000 a && printf '"}'; } >huge.json
    refused huge.json medvl-tokenize -m huge.json -o out in.jsonl
    jq -c '.model.vocab."a" = 4000000000' tokenizer.json >id.json
    refused id.json medvl-tokenize -m id.json -o out in.jsonl
    absent out out.tmp
}

@test "config.json: sizes of no model" {
    tiny_text
    cp config.json good.json
    for change in '.num_attention_heads = 3' '.hidden_size = -16' \
        '.hidden_size = 1e308' '.vocab_size = 2147483648' '.head_dim = 0' \
        '.num_hidden_layers = 1e9' '.rms_norm_eps = -1' \
        '.hidden_size = "16"' '.num_key_value_heads = 5' \
        '.rope_scaling = []' '.max_position_embeddings = 1e18'; do
        jq -c "$change" good.json >config.json
        refused config.json medvl-merge --init config.json \
            --tokenizer tokenizer.json --chat chatml -o fresh
        cp config.json model/config.json
        refused model/config.json medvl-generate -m model -o out text.jsonl
        absent fresh fresh.tmp out out.part
    done
    # In bounds each for itself, but not together.
    jq -c '.hidden_size = 1048576 | .intermediate_size = 1048576 |
        .num_hidden_layers = 1024 | .vocab_size = 16777216' good.json \
        >config.json
    small 1 medvl-merge --init config.json --tokenizer tokenizer.json \
        --chat chatml -o fresh
    absent fresh fresh.tmp
}

@test "weights that are no numbers end the training" {
    tiny_text
    weights=model/model.safetensors
    header=$(od -An -tu8 -N8 $weights)
    size=$(stat -c %s $weights)
    { head -c $((header + 8)) $weights &&
        repeat $((size - header - 8)) '\377'; } >nan
    mv nan $weights
    refused 'step 1: ' medvl-train -q -m model --data tokens.jsonl \
        --steps 3 -o run
    [[ "$stderr" == *'not finite'* ]]
    [ -z "$(find run -name 'step-*' 2>/dev/null)" ]
    absent run/model.safetensors run/config.json
}

# ---- templates ------------------------------------------------------------

@test "templates that loop or call themselves for ever" {
    echo '{"id":"a"}' >in.jsonl
    for template in \
        '{% for i in range(1000000000) %}x{% endfor %}' \
        '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}
            {% endfor %}' \
        '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}' \
        '{% set s = namespace(t="x") %}{% for i in range(60) %}
            {%- set s.t = s.t + s.t %}{% endfor %}{{ s.t }}' \
        '{{ "x" * 100000000000 }}'; do
        refused in.jsonl:1: medvl-prompt -e "$template" -o out in.jsonl
        absent out out.tmp
    done
    { repeat 1000000 '(' && echo; } >deep
    printf '{{ %s }}' "$(cat deep)" >deep.jinja
    refused deep.jinja medvl-prompt -t deep.jinja -o out in.jsonl
    absent out out.tmp
}

# ---- streams --------------------------------------------------------------

@test "records: a million levels deep" {
    { printf '{"id":"a","x":' && repeat 1000000 '[' && echo; } >deep.jsonl
    { printf '{"id":"a","x":' && repeat 1000000 '[' &&
        repeat 1000000 ']' && echo '}'; } >closed.jsonl
    for file in deep.jsonl closed.jsonl; do
        refused $file:1: medvl-prompt -e x -o out $file
        refused $file:1: medvl-shard -o s $file
        refused $file:1: medvl-split --where id -o out $file
        absent out out.tmp s s.tmp
    done
}

@test "records: a line of 300 MB" {
    { printf '{"id":"a","x":"' && repeat 300000000 a && echo '"}'; } \
        >long.jsonl
    refused long.jsonl:1: medvl-prompt -e x -o out long.jsonl
    refused long.jsonl:1: medvl-split --where id -o out long.jsonl
    refused stdin:1: medvl-shard -o s <long.jsonl
    absent out out.tmp s s.tmp
}

@test "records: the longest that is taken" {
    { printf '{"id":"a","tokens":[1],"x":"' && repeat 67108834 a &&
        echo '"}'; } >most.jsonl
    [ "$(stat -c %s most.jsonl)" -eq $(((64 << 20) + 1)) ]
    small 0 medvl-prompt -e x -o out most.jsonl
    small 0 medvl-prompt -e '{{ x }}' -o out most.jsonl
    small 0 medvl-split --where id -o out most.jsonl
    small 0 medvl-shard -o s most.jsonl
}

# A record whose text or answer is a string repeated to so many bytes.
text_of() { # BYTES STRING
    printf '{"id":"a","text":"'
    yes "$2" | tr -d '\n' | head -c "$1"
    echo '"}'
}

messages_of() { # BYTES STRING
    printf '{"id":"a","messages":[{"role":"user","content":"b"},'
    printf '{"role":"assistant","content":"'
    yes "$2" | tr -d '\n' | head -c "$1"
    echo '"}]}'
}

@test "tokens: a text of 63 MB" {
    tiny_text
    medvl-tokenize --train 270 -o words.json \
        <<<'{"text":"seen no effusion seen no effusion"}'
    text_of 63000000 'no effusion seen ' >words.jsonl
    small 0 medvl-tokenize -m words.json -o out words.jsonl
    small 0 medvl-tokenize -m words.json --max-record 200000000 --decode \
        -o back out
    rm out back
    for text in a no0 '0 ' 'a '; do
        text_of 63000000 "$text" >in.jsonl
        refused 'in.jsonl:1: a: "text": ' \
            medvl-tokenize -m words.json -o out in.jsonl
        absent out out.tmp
    done
    text_of 63000000 a >in.jsonl
    refused '63000000 bytes without a place to split them' \
        medvl-tokenize -m words.json -o out in.jsonl
    { text_of 8388608 a && text_of 4000001 no; } >in.jsonl
    small 0 medvl-tokenize -m words.json -o out in.jsonl
}

@test "tokens: messages of many megabytes" {
    tiny_text
    for text in a '0 ' 'no effusion seen '; do
        messages_of 60000000 "$text" >in.jsonl
        refused 'in.jsonl:1: a: "messages": ' \
            medvl-tokenize -m model -o out in.jsonl
        absent out out.tmp
    done
    messages_of 16000000 '0 ' >in.jsonl
    small 0 medvl-tokenize -m model -o out in.jsonl
    messages_of 8000000 a >in.jsonl
    small 0 medvl-tokenize -m model -o out in.jsonl
}

@test "records: a zstd bomb" {
    zeros 4000000000 | zstd -q >bomb.jsonl.zst
    refused bomb.jsonl.zst:1: medvl-prompt -e x -o out bomb.jsonl.zst
    repeat 1000000000 '\n' | zstd -q >lines.zst
    refused lines.zst:1: medvl-prompt -e x -o out lines.zst
    refused lines.zst:1: medvl-split --where id -o out lines.zst
    zstd -q <<<'{"id":"a"}' | head -c 12 >cut.zst
    refused cut.zst medvl-prompt -e x -o out cut.zst
    absent out out.tmp
}
