# medvl-import: layouts, volumes, and what damaged ones do.

load helper

# nifti FILE BYTES...: a volume of 3 x 4 x 2 bytes, 1 x 1 x 2 mm, with the
# given voxels in rising order of x, then y, then z (right, front, up).
nifti() {
    local file=$1 v
    shift
    {
        printf '\134\1\0\0'
        head -c 36 /dev/zero
        printf '\3\0\3\0\4\0\2\0\1\0\1\0\1\0\1\0'
        head -c 14 /dev/zero
        printf '\2\0\10\0\0\0'
        # pixdim: 1 1 1 2 0 0 0 0; vox_offset 352
        printf '\0\0\200\77\0\0\200\77\0\0\200\77\0\0\0\100'
        head -c 16 /dev/zero
        printf '\0\0\260\103'
        head -c 142 /dev/zero
        # sform_code 1 at 254
        printf '\1\0'
        head -c 24 /dev/zero
        printf '\0\0\200\77\0\0\0\0\0\0\0\0\0\0\0\0'
        printf '\0\0\0\0\0\0\200\77\0\0\0\0\0\0\0\0'
        printf '\0\0\0\0\0\0\0\0\0\0\0\100\0\0\0\0'
        head -c 16 /dev/zero
        printf 'n+1\0\0\0\0\0'
        # shellcheck disable=SC2059 # an octal number
        for v in "$@"; do printf "\\$(printf %o "$v")"; done
    } >"$file"
}

T1=$(seq 10 10 240)
LABELS='0 0 0 1 0 2 1 0 2 0 0 0 0 0 0 0 3 3 0 3 3 0 0 0'

volumes() {
    # shellcheck disable=SC2086 # a list
    nifti t1.nii $T1
    # shellcheck disable=SC2086
    nifti lab.nii $LABELS
    [ "$(wc -c <t1.nii)" -eq 376 ]
}

# line N PART...: that line of the output, from 0, has the parts in order.
line() {
    local left=${lines[$1]} part
    shift
    for part in "$@"; do
        if [[ "$left" != *"$part"* ]]; then
            echo "no $part in $left"
            return 1
        fi
        left=${left#*"$part"}
    done
}

@test "a volume becomes slices with their place" {
    volumes
    run_ok medvl-import nifti t1.nii --axis all --out px
    [ "${#lines[@]}" -eq 9 ]
    line 1 '{"id":"t1:axial:1","images":[{"path":"px/' \
        '.png","width":3,"height":4,"slice":1,"axis":"axial",' \
        '"orientation":"RP","position":2,"spacing":[1,1,2],"hash":"' \
        '"}],"plane":"axial","source":"t1","group":"t1"}'
    line 2 '"id":"t1:coronal:0"' '"width":3,"height":2,' '"spacing":[1,2,1]'
    [ "$(find px -name '*.png' | wc -l)" -eq 9 ]
}

@test "labels become regions, equal names one of them" {
    volumes
    printf '1 left side=L\n2 right side=R 2001\n3 - \n' >names
    set -- medvl-import nifti t1.nii --labels lab.nii --out px
    run_ok "$@" --names names
    # rows from the front: y 3, 2, 1, 0; label 1 at (0,1), (0,2)
    line 0 '"regions":[{"label":"left","side":"L","box":[0,1,1,3],"area":2,' \
        '"mask":{"size":[4,3],"counts":"129"},"author":"human"},' \
        '{"label":"right","side":"R","box":[2,1,3,3],"area":2,'
    line 1 '"regions":[]'
    line 0 '"provenance":{"images":{"author":"human","command":"medvl-import"'
    printf '1 both\n2 both\n3 up\n' >names
    run_ok "$@" --names names
    line 0 '"regions":[{"label":"both","box":[0,1,3,3],"area":4,'
    run_ok "$@" --min-area 3
    line 0 '"regions":[]'
    line 1 '"label":"3"'
    printf '1 a\n2 b\n' >names
    run_code 1 "$@" --names names
    [[ "$stderr" == *'label 3 is not in names'* ]]
    printf '1 a\n1 b\n' >names
    run_code 1 "$@" --names names
    [[ "$stderr" == *'names:2: number 1 twice'* ]]
    printf '1 a box=3\n' >names
    run_code 1 "$@" --names names
}

@test "labels that a float does not tell apart are told apart" {
    volumes
    # scl_slope 1, scl_inter 2^24
    printf '\0\0\200\77\0\0\200\113' |
        dd of=lab.nii bs=1 seek=112 conv=notrunc status=none
    printf '16777216 ground\n16777217 one\n16777218 two\n16777219 three\n' \
        >names
    run_ok medvl-import nifti t1.nii --labels lab.nii --names names --out px
    line 0 '"label":"ground"' '"area":8' '"label":"one"' '"area":2' \
        '"label":"two"' '"area":2'
    line 1 '"label":"ground"' '"area":8' '"label":"three"' '"area":4'
}

@test "a canvas is square, in mm, with the content in its middle" {
    volumes
    run_ok medvl-import nifti t1.nii --labels lab.nii --axis coronal \
        --canvas 8 --out px
    line 0 '"width":8,"height":8,' '"spacing":[1,1,1]'
    # y 1: label 1 at x 0, 2 at x 2 below (z 0); 3 x 2 voxels of 1 x 2 mm
    line 1 '{"label":"1","box":[3,4,4,6],' '{"label":"2","box":[5,4,6,6],'
    run_code 1 medvl-import nifti t1.nii --canvas 3 --out px
    [[ "$stderr" == *'content is 4.0 mm high in axial slices, the canvas 3'* ]]
}

@test "slices are chosen by number and by content" {
    volumes
    run_ok medvl-import nifti t1.nii --axis coronal --slices 1-3:2 --out px
    [ "${#lines[@]}" -eq 2 ]
    [[ "${lines[1]}" == *'"slice":3'* ]]
    # 4 of 12 pixels in both
    run_ok medvl-import nifti lab.nii --content 0.33 --out px
    [ "${#lines[@]}" -eq 2 ]
    run_ok medvl-import nifti lab.nii --content 0.34 --out px
    [ -z "$output" ]
    for bad in 3-1 50%-20% 3: -3 0 101% 1-2:0 20%:2 most; do
        run_code 2 medvl-import nifti t1.nii --slices $bad --out px
    done
}

# chosen WANT ARG...: the numbers of the slices that come out.
chosen() {
    local want=$1
    shift
    run_ok medvl-import nifti t1.nii --axis coronal --out px "$@"
    [ "$(jq -r '.images[0].slice' <<<"$output" | paste -sd ' ')" = "$want" ]
}

@test "slices are chosen by share, in equal steps, and by labels" {
    volumes
    chosen '1 2' --slices 20%-80%
    chosen '2' --slices 50%
    chosen '0 3' --slices 0%-100%:3
    chosen '2 3' --slices 50%-9
    chosen '0 2' --slices 2 # step 4 / 2
    chosen '0 1 2' --slices 3 # step 4 / 3, rounded down
    chosen '0 1 2 3' --slices 99
    # y 1 has 3 at z 1 (2 voxels), 1 and 2 at z 0; y 2 the same
    chosen '1 2' --slices labelled --labels lab.nii
    chosen '1' --slices largest --labels lab.nii
    chosen '1 2' --slices labelled --labels lab.nii --min-area 2
    chosen '' --slices labelled --labels lab.nii --min-area 3
    chosen '' --slices largest --labels lab.nii --min-area 3
    run_code 2 medvl-import nifti t1.nii --slices largest --out px
    [[ $stderr == *'--slices largest wants a label volume'* ]]
}

@test "slices and regions of which there are none are warned of" {
    local none='in none of 1 volume'

    volumes
    run_ok medvl-import nifti t1.nii --slices 90-99 --out px
    [ -z "$output" ]
    [ "$stderr" = "medvl-import: warning: --slices and --content kept a \
slice $none" ]
    run_ok medvl-import nifti t1.nii --labels lab.nii --min-area 99 --out px
    [[ "$stderr" == *"--labels and --min-area gave a region $none" ]]
    run_ok medvl-import nifti t1.nii --labels lab.nii --out px
    [ -z "$stderr" ]
}

@test "values of more than 8 bits need a window" {
    volumes
    # datatype 4 (int16), 16 bits: half as many rows
    { head -c 42 t1.nii && printf '\3\0\2\0' && head -c 70 t1.nii |
        tail -c 24 && printf '\4\0\20\0' && tail -c +75 t1.nii; } >t16.nii
    run_code 1 medvl-import nifti t16.nii --out px
    [[ "$stderr" == *'t16.nii: values of more than 8 bits need a window'* ]]
    run_ok medvl-import nifti t16.nii --window 30000,60000 --out px
    [[ "$output" == *'"window":[30000,60000]'* ]]
}

@test "damaged volumes are their own errors, and -k goes on" {
    volumes
    head -c 370 t1.nii >cut.nii
    echo not a volume >text.nii
    gzip -c t1.nii >good.nii.gz
    head -c 60 good.nii.gz >cut.nii.gz
    for f in cut.nii text.nii cut.nii.gz none.nii; do
        run_code 1 medvl-import nifti $f --out px
        [[ "$stderr" == "medvl-import: $f: "* ]]
        [[ "$output" == '{"medvl_failed":"medvl-import: '$f* ]]
    done
    run_code 3 medvl-import -k --rejects bad --out px \
        nifti cut.nii good.nii.gz text.nii
    [ "${#lines[@]}" -eq 2 ]
    [ "$(wc -l <bad)" -eq 2 ]
    [[ "$stderr" == *'cut.nii: '*'text.nii: '* ]]
}

# names FILE...: what the ids of their slices begin with.
names() {
    run_ok medvl-import nifti "$@" --out px --slices 0-0 --axis axial
    [ "$(printf '%s\n' "${lines[@]}" |
        sed 's/.*"id":"\([^:]*\):axial:0".*"group":"\([^"]*\)".*/\1=\2/' |
        tr '\n' ' ')" = "$want" ]
}

@test "volumes of one name take in the folders that tell them apart" {
    volumes
    mkdir -p p1/a p1/b p2/a
    for folder in p1 p1/a p1/b p2 p2/a; do cp t1.nii $folder; done
    gzip -c t1.nii >p2/x.nii.gz
    want='t1=t1 x=x ' names p1/t1.nii p2/x.nii.gz
    want='p2/t1=p2/t1 lab=lab p1/t1=p1/t1 ' \
        names p2/t1.nii lab.nii p1/t1.nii
    want='t1=t1 p1/t1=p1/t1 ' names ./t1.nii .//p1/./t1.nii
    want='p1/a/t1=p1/a/t1 p1/b/t1=p1/b/t1 p2/a/t1=p2/a/t1 ' \
        names p1/a/t1.nii p1/b/t1.nii p2/a/t1.nii
    cp t1.nii p1/.nii
    want='.nii=.nii ' names p1/.nii
    run_code 1 medvl-import nifti p1/ p2/ '' --out px
    [[ $stderr == "medvl-import: p1/: "* ]]
}

@test "volumes that no folder tells apart are an error, before any is read" {
    volumes
    gzip -c t1.nii >t1.nii.gz
    for other in t1.nii ./t1.nii .//t1.nii t1.nii.gz; do
        run_code 1 medvl-import -k nifti t1.nii $other --out px -o out.jsonl
        [[ $stderr == *"t1.nii and $other: both have ids that begin with"* ]]
        [ ! -e out.jsonl ] && [ -z "$(ls px)" ]
    done
}

@test "pairs of --names that a region has itself are refused" {
    volumes
    for key in label box point points polygons mask area mark drawn author; do
        printf '1 a\n2 b %s=x\n3 c\n' $key >names
        run_code 1 medvl-import nifti t1.nii --labels lab.nii --names names \
            --out px
        [[ $stderr == *"names:2: '$key' is no key for a region"* ]]
    done
}

@test "slices that cannot be written are not their volume's fault" {
    volumes
    run bash -c 'ulimit -f 0
        medvl-import -k --out px nifti t1.nii lab.nii 2>&1'
    [ "$status" -eq 1 ]
    [[ "${lines[0]}" == 'medvl-import: px/'*': File too large' ]]
    [ -z "$(ls px)" ]
}

@test "records and rejects of an import are kept apart" {
    volumes
    run_code 1 medvl-import -k -o all --rejects ./all --out px nifti t1.nii
    [[ "$stderr" == *'(all)'*'(./all)'*'would be one file'* ]]
    [ ! -e all ] && [ ! -e all.tmp ]
}

# moved FILE BYTES: that volume with srow_x[3], a float's bytes, changed.
moved() {
    head -c 292 "$1"
    # shellcheck disable=SC2059
    printf "$2"
    tail -c +297 "$1"
}

@test "labels on another grid follow the affines" {
    volumes
    moved lab.nii '\0\0\200\77' >moved.nii # 1 mm to the right
    run_ok medvl-import nifti t1.nii --labels moved.nii --out px
    line 0 '"regions":[{"label":"1","box":[1,1,2,3],"area":2,' '}]'
    [[ ${lines[0]} != *'"label":"2"'* ]]
    line 1 '{"label":"3","box":[2,1,3,3],"area":2,'
    moved lab.nii '\0\0\100\100' >apart.nii # 3 mm
    run_code 1 medvl-import nifti t1.nii --labels apart.nii --out px
    [[ $stderr == *'apart.nii and t1.nii lie apart'* ]]
}

@test "cubes along the patient's axes take the place of voxels" {
    volumes
    run_ok medvl-import nifti t1.nii --labels lab.nii --resample 1 \
        --axis all --out px
    # 3 x 4 x 4 of 1 mm: 4 axial, 4 coronal, 3 sagittal slices
    [ "${#lines[@]}" -eq 11 ]
    line 1 '"id":"t1:axial:1"' '"position":0.5,"spacing":[1,1,1]' \
        '{"label":"1","box":[0,1,1,3],"area":2,'
    line 2 '"position":1.5' '{"label":"3","box":[1,1,3,3],"area":4,'
    line 4 '"id":"t1:coronal:0"' '"width":3,"height":4'
    run_ok medvl-import nifti t1.nii --resample 2 --axis sagittal --out px
    [ "${#lines[@]}" -eq 2 ]
    line 0 '"width":2,"height":2' '"spacing":[2,2,2]'
    run_code 1 medvl-import nifti t1.nii --resample 0.0001 --out px
    [[ $stderr == *'t1.nii: cubes of 0.0001 mm: '*'over'* ]]
}

@test "constant fields and origin are set" {
    volumes
    run_ok medvl-import nifti t1.nii --out px --set species=human \
        --set note=a=b --source set --license MIT --group p1 --split train \
        --modality MR --body-part brain --slices 0-0
    line 0 '"modality":"MR","body_part":"brain"' \
        '"source":"set","license":"MIT","split":"train","group":"p1",' \
        '"species":"human","note":"a=b"}'
    run_code 2 medvl-import nifti t1.nii --out px --set species
    run_code 2 medvl-import dicom t1.nii --out px
    run_code 2 medvl-import nifti
    run_code 2 medvl-import nifti t1.nii
}

@test "-o leaves a whole file or none" {
    volumes
    run_ok medvl-import nifti t1.nii --out px -o all.jsonl
    [ -z "$output" ] && [ "$(wc -l <all.jsonl)" -eq 2 ]
    head -c 370 t1.nii >cut.nii
    run_code 1 medvl-import nifti t1.nii cut.nii --out px -o two.jsonl
    [ ! -e two.jsonl ] && [ ! -e two.jsonl.tmp ]
}

@test "medmnist gives the pictures of the arrays" {
    need_data images/pneumoniamnist
    use_release
    run_ok medvl-import medmnist "$MEDVL_DATA/images/pneumoniamnist" --out px
    [ "${#lines[@]}" -eq 5856 ]
    [ "$(find px -type f | wc -l)" -eq 5856 ]
    line 0 '{"id":"pneumoniamnist:train:0",' \
        '"answer":"pneumonia","choices":{"A":"normal","B":"pneumonia"}' \
        '"split":"train"'
    [ "$(grep -c '"split":"test"' <<<"$output")" -eq 624 ]
    grep '"split":"test"' <<<"$output" >test.jsonl
    [ "$(grep -c '"answer":"normal"' test.jsonl)" -eq 234 ]
}

@test "the brain atlas of mricron-data becomes regions" {
    local t=/usr/share/mricron/templates
    [ -e $t/aal.nii.gz ] || skip "no mricron-data"
    use_release
    run_ok medvl-import nifti $t/ch2bet.nii.gz --labels $t/aal.nii.gz \
        --names $t/aal.nii.txt --axis axial --out slices
    [ "${#lines[@]}" -eq 181 ]
    # the left is on the left
    line 89 '{"label":"Precentral_L","box":[32,84,43,93],"area":59,' \
        '{"label":"Precentral_R","box":[146,75,159,88],'
}

# voxels LABELS ARG...: how many labels, and voxels that have one, ch2bet gets.
voxels() {
    local t=/usr/share/mricron/templates labels=$1
    shift
    medvl-import nifti $t/ch2bet.nii.gz --labels "$t/$labels.nii.gz" \
        --out slices "$@" |
        jq -r '.images[].regions[] | "\(.label) \(.area)"' |
        awk '{ of[$1] += $2; all += $2 } END { print length(of), all }'
}

@test "atlases of other grids give what nibabel and numpy count" {
    [ -e /usr/share/mricron/templates/aal.nii.gz ] || skip "no mricron-data"
    use_release
    # tests/golden/atlas.py: voxels of 2 mm; flipped and shifted; cubes
    [ "$(voxels JHU-WhiteMatter-labels-2mm)" = '48 168944' ]
    [ "$(voxels HarvardOxford-cort-maxprob-thr0-1mm)" = '48 1689547' ]
    [ "$(voxels aal --resample 2)" = '116 185405' ]
}

@test "a folder without pictures is an error" {
    mkdir -p scans/deeper
    run_code 1 medvl-import images scans
    [ "$output" = '{"medvl_failed":"medvl-import: scans: holds no .png, .jpg,'\
' .jpeg, .tif, .tiff, .webp or .bmp (folders in it are not looked into)"}' ]
}


@test "dicom: files without what identifies" {
    need_data dicom
    use_release
    local d=$MEDVL_DATA/dicom n
    printf 'sixteen bytes...' >key
    run_code 2 medvl-import --deidentify --key key dicom "$d/modalities"
    [[ $stderr == *"(--out)"* ]]
    run_code 2 medvl-import --out px --key key dicom "$d/modalities"
    run_code 2 medvl-import --deidentify --out px nifti x.nii
    cp -r "$d/modalities" "$d/ct_all_syntaxes" .
    medvl-import --deidentify --out clean --key key \
        dicom modalities ct_all_syntaxes 2>err >all.jsonl
    grep -q 'modalities/examples_ybr_color.dcm: words may be burned' err
    n=$(find clean -type f | wc -l)
    [ "$n" -eq 49 ]
    [ "$(jq -r '.images[0].path' all.jsonl | sort -u | wc -l)" -eq 49 ]
    [ "$(grep -cE 'modalities|ct_|_small' all.jsonl)" -eq 0 ]
    n=$(find clean -type f | grep -cE '^clean/[0-9a-f]{12}-[0-9a-f]{20}\.dcm$')
    [ "$n" -eq 49 ]
    # Names and places of the originals: they are there, and gone.
    for n in CompressedSamples Lestrade TOSHIBA Philips Riesmeier HIGASHI; do
        LC_ALL=C grep -qaF "$n" modalities/*.dcm
        [ "$(LC_ALL=C cat clean/*.dcm | grep -caF "$n")" -eq 0 ]
    done
    # The same again is the same, whatever files are called.
    mkdir other
    cp modalities/MR_small.dcm other/Mustermann
    medvl-import --deidentify --out again --key key dicom other >mr.jsonl
    cmp again/*.dcm "clean/$(basename again/*.dcm)"
    [ "$(grep -c Muster mr.jsonl)" -eq 0 ]
    # Another key, other names.
    printf 'sixteen other...' >key
    medvl-import --deidentify --out other2 --key key dicom other >mr2.jsonl
    [ "$(ls again)" != "$(ls other2)" ]
    run cmp -s again/*.dcm other2/*.dcm
    [ "$status" -eq 1 ]
}

@test "dicom: what medvl-image makes of a file is the same without names" {
    need_data dicom
    local d=$MEDVL_DATA/dicom/modalities f
    printf 'sixteen bytes...' >key
    for f in MR_small_jp2klossless vlut_04 OBXXXX1A_rle emri_small_RLE \
        examples_ybr_color RG3_J2KR; do
        medvl-import --key key dicom "$d/$f.dcm" 2>/dev/null | head -n 1 |
            medvl-image --window p1,p99 --out a >a.jsonl
        medvl-import --deidentify --out b --key key dicom "$d/$f.dcm" \
            2>/dev/null | head -n 1 |
            medvl-image --window p1,p99 --out b >b.jsonl
        cmp "$(jq -r '.images[0].path' a.jsonl)" \
            "$(jq -r '.images[0].path' b.jsonl)"
    done
}

# What waits for a pipe's other end would wait for ever.
soon() {
    timeout 60 "$@"
}

@test "pipes and devices in the place of files are refused at once" {
    volumes
    mkdir ff
    mkfifo ff/pipe pipe.nii
    printf 'sixteen bytes...' >key
    run_code 1 soon medvl-import dicom --key key ff
    [[ $stderr == *'ff/pipe: not a regular file'* ]]
    run_code 3 soon medvl-import dicom -k --key key ff
    run_code 1 soon medvl-import dicom-volumes --key key --out px ff
    [[ $stderr == *'ff/pipe: not a regular file'* ]]
    run_code 1 soon medvl-import nifti --out px pipe.nii
    [[ $stderr == *'pipe.nii: not a regular file'* ]]
    run_code 1 soon medvl-import nifti --out px --labels pipe.nii t1.nii
    [[ $stderr == *'pipe.nii: not a regular file'* ]]
    run_code 1 soon medvl-import images ff/pipe
    [[ $stderr == *'ff/pipe: not a regular file'* ]]
    for f in ff/pipe /dev/zero; do
        printf '{"id":"a","images":[{"path":"%s"}]}\n' "$f" >in
        run_code 1 soon medvl-image --out px in
        [[ $stderr == *"$f: not a regular file"* ]]
    done
    # A command's own input may be a pipe, and so may its key.
    printf '\211PNG' >bad.png
    run_code 1 soon medvl-image --out px <(sed 's,/dev/zero,bad.png,' in)
    [[ $stderr == *'bad.png'* ]]
    rm ff/pipe
    run_ok soon medvl-import dicom --key <(cat key) ff
}

@test "dicom: folders in a ring and folders too deep" {
    need_data dicom
    local deep=in
    mkdir in
    printf 'sixteen bytes...' >key
    cp "$MEDVL_DATA/dicom/modalities/CT_small.dcm" in
    ln -s . in/a
    ln -s ../in in/b
    run_ok timeout 60 medvl-import dicom --key key in in/a
    [ "${#lines[@]}" -eq 1 ]
    for _ in {1..65}; do deep+=/d; done
    mkdir -p "$deep"
    run_code 1 medvl-import dicom --key key in
    [[ $stderr == *'in/d/'*': over 64 folders deep'* ]]
    run_code 3 medvl-import dicom -k --rejects bad --key key in
    [ "${#lines[@]}" -eq 1 ] && [ "$(wc -l <bad)" -eq 1 ]
}

@test "dicom: damaged files leave nothing half written" {
    need_data dicom
    local d=$MEDVL_DATA/dicom
    printf 'sixteen bytes...' >key
    run_code 3 medvl-import -k --rejects bad --deidentify --out clean \
        --key key dicom "$d/malformed"
    [ "$(find clean -name '*.tmp' | wc -l)" -eq 0 ]
    [ "$(find clean -type f | wc -l)" -eq \
        "$(jq -r '.images[0].path' <<<"$output" | sort -u | wc -l)" ]
    run bash -c "ulimit -f 1; medvl-import --deidentify --out full \
        --key key dicom '$d/modalities/CT_small.dcm' 2>&1"
    [ "$status" -eq 1 ]
    [[ "${lines[0]}" == 'medvl-import: full/'*': File too large' ]]
    [ -z "$(ls full)" ]
}

@test "dicom: a file that unpacks to more than there is room for" {
    use_release # sanitizers want memory without a limit
    {
        head -c 128 /dev/zero
        printf 'DICM\2\0\0\0UL\4\0\36\0\0\0\2\0\20\0UI\26\0'
        printf '1.2.840.10008.1.2.1.99'
        {
            printf '\50\0\20\0US\2\0\10\0\50\0\21\0US\2\0\10\0'
            printf '\340\177\20\0OB\0\0\0\0\200\45' # 600 MiB
            head -c 600M /dev/zero
        } | gzip -1 | tail -c +11 | head -c -8
    } >bomb.dcm
    printf 'sixteen bytes...' >key
    run_code 1 medvl-import dicom --key key bomb.dcm
    [[ $stderr == *'bomb.dcm: to open it takes more memory than'* ]]
    run_code 3 medvl-import -k dicom --key key bomb.dcm
}

@test "dicom: ordered, under pseudonyms, and ready for medvl-image" {
    need_data dicom
    run_code 2 medvl-import dicom "$MEDVL_DATA/dicom/modalities"
    [[ $stderr == *"--key KEY"* ]]
    printf 'sixteen bytes...' >key
    medvl-import dicom --key key "$MEDVL_DATA/dicom/modalities" \
        2>err >a.jsonl
    [ "$(jq -r .id a.jsonl | sort -u | wc -l)" -eq "$(wc -l <a.jsonl)" ]
    [ "$(jq -c '.images[0] | select(.frame != null)' a.jsonl | wc -l)" \
        -eq 50 ]
    grep -q 'examples_ybr_color.dcm: words may be burned' err
    medvl-import dicom --key key --ask modality \
        "$MEDVL_DATA/dicom/modalities/CT_small.dcm" |
        jq -e '.answer == "CT" and .provenance.answer.author == "dicom"'
    medvl-split --where 'modality=MRI' a.jsonl | head -n 3 |
        medvl-image --window p1,p99 --resize 32 --out px |
        jq -e '.images[0].width == 32'
    run_code 1 medvl-import dicom --key key "$MEDVL_DATA/dicom/malformed"
    run_code 3 medvl-import dicom -k --rejects bad --key key \
        "$MEDVL_DATA/dicom/malformed"
    [ "$(wc -l <bad)" -eq 14 ]
}

# series Z...: CT_small.dcm in folder ct at these places, -Z.699997 mm.
series() {
    local file=$MEDVL_DATA/dicom/modalities/CT_small.dcm z
    rm -rf ct
    mkdir ct
    printf 'sixteen bytes...' >key
    for z in "$@"; do
        LC_ALL=C sed "s/-75[.]699997/-$z.699997/" "$file" >"ct/$z.dcm"
    done
}

@test "a DICOM series becomes slices like any volume" {
    local dicom
    need_data dicom
    series 75 70 65 60 55
    set -- medvl-import --key key --out px dicom-volumes ct
    run_ok "$@" --window p1,p99 --axis all
    # 128 x 128 of 0.66 mm, 5 slices
    [ "${#lines[@]}" -eq 261 ]
    line 4 ':axial:4","images":[{"path":"px/' '"width":128,"height":128,' \
        '"modality":"CT",' '"slice":4,"axis":"axial","orientation":"LP",' \
        '"position":-55.699997,' \
        '"spacing":[0.661468,0.661468,5],' '"hash":' \
        '}],"modality":"CT","plane":"axial","series":"' '"study":"' \
        '"source":"dicom","group":"'
    line 5 ':coronal:0"' '"width":128,"height":5,' \
        '"spacing":[0.661468,5,0.661468]'
    dicom=$(medvl-import dicom --key key ct | head -n 1)
    [ "$(jq -c '[.series, .study, .group, .modality]' <<<"$dicom")" = \
        "$(jq -c '[.series, .study, .group, .modality]' <<<"${lines[0]}")" ]
    run_ok "$@" --window -500,1500 --resample 5 --slices 50%
    [ "${#lines[@]}" -eq 1 ]
    line 0 '"width":17,"height":17,' '"slice":2' '"position":-65.699997' \
        '"spacing":[5,5,5],"window":[-500,1500]'
    run_code 1 "$@"
    [[ $stderr == *'series of ct/'*'need a window'* ]]
    run_code 1 "$@" --window file
    [[ $stderr == *'series of ct/'*': --window file: the files have no'* ]]
    run_code 2 "$@" --ask modality --window 0,100
    run_code 2 medvl-import dicom-volumes ct --out px
    [[ $stderr == *'dicom-volumes wants a key'* ]]
}

@test "a series that is no stack is set aside with its reason" {
    need_data dicom
    series 75 70 60 55
    set -- medvl-import --key key --out px --window 0,100 dicom-volumes
    run_code 1 "$@" ct
    [[ $stderr == *'1 missing between ct/70.dcm and ct/60.dcm, 10 mm'* ]]
    run_code 1 "$@" ct/60.dcm
    [[ $stderr == *'ct/60.dcm is the only picture'* ]]
    mv ct/55.dcm twice.dcm
    run_code 1 "$@" ct/60.dcm ct/70.dcm twice.dcm ct/60.dcm
    [[ $stderr == *'ct/60.dcm frame 1 and ct/60.dcm frame 1 lie at one'* ]]
    cp "$MEDVL_DATA/dicom/modalities/emri_small.dcm" ct
    run_code 3 "$@" -k --rejects bad ct
    [ "${#lines[@]}" -eq 0 ] && [ "$(wc -l <bad)" -eq 2 ]
    grep -q 'emri_small.dcm: frame 1 does not say where it lies' bad
    rm ct/60.dcm
    run_code 3 "$@" -k ct
    [ "${#lines[@]}" -eq 2 ]
}

@test "labels follow a DICOM series through the patient" {
    need_data dicom
    series 75 70 65
    # one voxel of 1 x 1 x 2 mm in each of two slices
    # shellcheck disable=SC2086
    nifti lab.nii 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0
    run_code 1 medvl-import --key key --out px --window 0,100 \
        dicom-volumes ct --labels lab.nii
    [[ $stderr == *'lab.nii and series of ct/'*' lie apart'* ]]
    {
        head -c 292 lab.nii
        printf '\0\0\240\102' # 80 mm to the right
        tail -c +297 lab.nii | head -c 12
        printf '\0\0\310\102' # 100 mm to the front
        tail -c +313 lab.nii | head -c 12
        printf '\0\0\226\302' # 75 mm below
        tail -c +329 lab.nii
    } >near.nii
    run_ok medvl-import --key key --out px --window 0,100 \
        dicom-volumes ct --labels near.nii
    # Label 1 is at x 81 +- 0.5: columns (158.135803 - x) / 0.661468, that is
    # 116 and 117 of 128; y 101 +- 0.5: row 118 alone.
    line 0 '"position":-75.699997' '{"label":"1","box":[116,118,118,119],'
    line 1 '"regions":[]'
    cp "$MEDVL_DATA/dicom/modalities/MR_small.dcm" ct
    run_code 1 medvl-import --key key --out px --window 0,100 \
        dicom-volumes ct --labels near.nii
    [[ $stderr == *'--labels go with one volume: the files are 2 series'* ]]
}

@test "slices of DICOM lie as DICOM's own pictures, unless told otherwise" {
    local dicom
    need_data dicom
    series 75 70 65
    run_ok medvl-import dicom --key key ct
    line 0 '"axis":"axial"' '"orientation":"LP"'
    set -- medvl-import --key key --out px --window 0,100 dicom-volumes ct
    run_ok "$@"
    line 0 '"orientation":"LP"'
    dicom=$(jq -c '.images[0] | [.orientation, .hash]' <<<"${lines[0]}")
    run_ok "$@" --convention neurological --axis all
    line 0 '"orientation":"RP"'
    line 3 '"orientation":"RF"'
    line 131 '"orientation":"AF"'
    # The same pixels, mirrored back.
    [ "$(medvl-image --augment hflip=1 --out px <<<"${lines[0]}" |
        jq -c '.images[0] | [.orientation, .hash]')" = "$dicom" ]
    run_code 2 medvl-import dicom --key key ct --convention neurological
}
