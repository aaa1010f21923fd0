# medvl-shard: records to shards, and their check.

load helper

# records N: that many, with tokens, some with masks.
records() {
    seq "$1" | awk '{
        printf "{\"id\":\"r%d\",\"x\":[1.0, 2],\"tokens\":[%d", $1, $1
        for (i = 0; i < $1 * 7 % 30; i++) printf ",%d", i * $1
        print "]}"
    }'
}

# picture NAME: a PNG of one pixel, whose file has this hash.
HASH=4729e459d46c6a48fa5ca9198158c469
picture() {
    base64 -d >"$1" <<<'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQ
VR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=='
}

@test "what goes in comes out, with all it needs" {
    picture a.png
    cat >in.jsonl <<'END'
{"id":"a", "images":[{"path":"a.png","width":1}],"n":1e400,"tokens":[5]}
END
    run_ok medvl-shard -o deep/er/s in.jsonl
    [ -z "$output" ]
    rm a.png
    run_ok medvl-inspect deep/er/s
    place='"shard":"deep/er/s","index":[0,0]'
    image="{\"width\":1,\"hash\":\"$HASH\",$place}"
    rest='"n":1e400,"tokens":[5],"loss_mask":[1]'
    [ "$output" = '{"id":"a","images":['"$image],$rest}" ]
    medvl-inspect deep/er/s | medvl-shard -o again
    cmp deep/er/s/index.json again/index.json
}

@test "a record without a mask learns all" {
    run_ok medvl-shard -o s <<<'{"id":"a","tokens":[1,2,3]}'
    run_ok medvl-inspect s
    [ "$output" = '{"id":"a","tokens":[1,2,3],"loss_mask":[1,1,1]}' ]
}

# bats test_tags=tsan
@test "threads change no byte, the seed the order" {
    records 200 >in.jsonl
    medvl-shard -j 1 --size-limit 3000 -o one in.jsonl
    medvl-shard -j 2 --size-limit 3000 -o two in.jsonl
    diff -r one two
    for seed in 1 1 2; do
        medvl-shard --shuffle --seed $seed -o "s$((++n))" in.jsonl
    done
    diff -r s1 s2
    run ! cmp -s s1/index.json s3/index.json
    medvl-inspect s1 | sort >s1.sorted
    medvl-inspect one | sort >one.sorted
    cmp s1.sorted one.sorted
}

@test "bad records stop the run and leave nothing" {
    for bad in '{"id":"b"}' '{"id":"b","tokens":[]}' '{"tokens":[1]}' \
        '{"id":"b","tokens":[-1]}' '{"id":"b","tokens":[1.5]}' \
        '{"id":"b","tokens":[1,2],"loss_mask":[1]}' \
        '{"id":"b","tokens":[1],"loss_mask":[2]}' '{"id":"a","tokens":[1]}' \
        '{"id":"b","tokens":[1],"images":[{"path":"none.png"}]}' \
        '{"id":"b","tokens":[1],"images":[{}]}' \
        '{"id":"b","tokens":[1],"images":{}}'; do
        printf '%s\n' '{"id":"a","tokens":[1]}' "$bad" >in.jsonl
        run_code 1 medvl-shard -o s in.jsonl
        [[ $stderr == *in.jsonl:2:* ]]
        [ ! -e s ]
        [ ! -e s.tmp ]
    done
}

@test "-k sets bad records aside, shuffled too" {
    printf '%s\n' '{"id":"a","tokens":[1]}' '{"id":"b"}' >in.jsonl
    run_code 3 medvl-shard -k --rejects out.jsonl -o s in.jsonl
    [ "$(medvl-inspect s | wc -l)" -eq 1 ]
    grep -q '"record":{"id":"b"}' out.jsonl
    run_code 3 medvl-shard --shuffle -k -o t in.jsonl
    [[ $stderr == *in.jsonl:2:\ b:* ]]
    diff -r s t
}

@test "an earlier failure and an empty stream leave no folder" {
    run_code 1 medvl-shard -o s </dev/null
    printf '%s\n' '{"id":"a","tokens":[1]}' '{"medvl_failed":"x"}' >in.jsonl
    run_code 1 medvl-shard -k -o s in.jsonl
    [ ! -e s ]
    [ ! -e s.tmp ]
}

@test "only a folder of shards is replaced, when asked" {
    records 3 | medvl-shard -o s
    run_code 1 medvl-shard -o s <<<'{"id":"a","tokens":[1]}'
    [ "$(medvl-inspect s | wc -l)" -eq 3 ]
    run_ok medvl-shard --overwrite -o s <<<'{"id":"a","tokens":[1]}'
    [ "$(medvl-inspect s | wc -l)" -eq 1 ]
    mkdir home && touch home/thesis
    run_code 1 medvl-shard --overwrite -o home <<<'{"id":"a","tokens":[1]}'
    [ -e home/thesis ]
}

@test "a picture that is not what the record says is an error" {
    picture a.png
    echo '{"id":"a","images":[{"path":"a.png","hash":"0"}],"tokens":[1]}' >in
    run_code 1 medvl-shard -o s in
    [[ $stderr == *"images[0]: the file's hash is"* ]]
}

@test "--root is where pictures start" {
    mkdir far && picture far/a.png
    echo '{"id":"a","images":[{"path":"a.png"}],"tokens":[1]}' >in
    run_ok medvl-shard --root far -o s in
    run_ok medvl-shard --check s
    [[ $output == *'"pictures":1'* ]]
}

@test "--check finds a changed byte" {
    records 100 | medvl-shard --size-limit 2000 -o s
    run_ok medvl-shard --check s
    [[ $output == '{"folder":"s","records":100,"shards":'*'"trained":'* ]]
    printf 'x' |
        dd of=s/shard.00001.mds.zstd bs=1 seek=50 conv=notrunc 2>/dev/null
    run_code 1 medvl-shard --check s
    [[ $stderr == *shard.00001.mds.zstd*xxh64* ]]
    rm s/shard.00001.mds.zstd
    run_code 1 medvl-shard --check s
    rm s/index.json
    run_code 1 medvl-shard --check s
    [[ $stderr == *index.json* ]]
}

@test "wrong use is exit 2" {
    run_code 2 medvl-shard
    run_code 2 medvl-shard --check
    run_code 2 medvl-shard --check -o s s
    run_code 2 medvl-shard -o s --level 20
    run_code 2 medvl-shard -o s --size-limit 0
}
