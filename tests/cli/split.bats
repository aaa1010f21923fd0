# medvl-split: keep, divide, sample, shuffle, permute.

load helper

# records N: with id, group (a third each have one, two, three), n, a picture.
records() {
    seq "$1" | awk '{
        printf "{\"id\":\"r%d\",\"group\":\"p%d\",\"n\":%d,", $1, $1 / 3, $1
        printf "\"images\":[{\"path\":\"%d.png\",\"slice\":%d,", $1, $1 % 7
        printf "\"width\":%d,\"regions\":[{\"label\":", 100 + $1
        printf "\"l%d\"}]}]}\n", $1
    }' >all.jsonl
}

ids() {
    sed 's/.*"id" *: *"\([^"]*\)".*/\1/' "$@"
}

@test "FIELD=VALUE keeps lines exactly as they came" {
    cat >in.jsonl <<'END'
{ "id" : "a", "split":"test", "x" : [ 1,  2 ] }
{"id":"b","split":"train"}
{"split":"\u0074est","y":1e999}
{"id":"c"}
END
    run_ok medvl-split --where split=test in.jsonl
    [ "$output" = "$(sed -n '1p;3p' in.jsonl)" ]
}

@test "FIELD reaches into objects and arrays; numbers are equal as numbers" {
    cat >in.jsonl <<'END'
{"id":"a","images":[{"slice":7}],"m":{"k":true}}
{"id":"b","images":[{"slice":7.0}],"m":{"k":"true"}}
{"id":"c","images":[],"m":{"k":false}}
{"id":"d","images":"no","m":3}
END
    run_ok medvl-split --where 'images[0].slice=7' in.jsonl
    [ "$(ids <<<"$output" | xargs)" = "a b" ]
    run_ok medvl-split --where m.k=true --where 'images[0].slice=7.0' in.jsonl
    [ "$(ids <<<"$output" | xargs)" = "a b" ]
    run_ok medvl-split --where m.k=false in.jsonl
    [ "$(ids <<<"$output" | xargs)" = c ]
}

@test "anything else is a Jinja expression, and its mistakes have a place" {
    records 20
    run_ok medvl-split --where '(n % 8) < 2 and group != "p5"' all.jsonl
    [ "$(ids <<<"$output" | xargs)" = "r1 r8 r9" ]
    run_code 1 medvl-split --where 'n = 3' all.jsonl
    [[ "$stderr" == *"'n = 3' is no FIELD=VALUE (no space"* ]]
    run_code 1 medvl-split --where 'n %' all.jsonl
    [[ "$stderr" == *"line 1, column"* ]]
    run_code 1 medvl-split --where 'n + "a"' all.jsonl
    [[ "$stderr" == "medvl-split: all.jsonl:1: r1: "* ]]
}

@test "a condition that never held, or names no field, is warned of" {
    printf '%s\n' '{"split":"train"}' '{"split":"test"}' >in.jsonl
    run_ok medvl-split --where split=tset in.jsonl
    [ -z "$output" ]
    [ "$stderr" = "medvl-split: warning: --where 'split=tset' held in none \
of 2 records" ]
    run_ok medvl-split --where split==test in.jsonl
    [ "${#stderr_lines[@]}" -eq 2 ]
    [ "${stderr_lines[1]}" = "medvl-split: warning: --where 'split==test' \
found a field \"test\" in none of 2 records: a text is --where split=test or \
--where 'split == \"test\"'" ]
    run_ok medvl-split --where 'split != test' in.jsonl
    [ "${#lines[@]}" -eq 2 ]
    [[ "$stderr" == *'found a field "test" in none of 2 records'* ]]
    run_ok medvl-split --where 'split == "test"' in.jsonl
    [ -z "$stderr" ]
    run_ok medvl-split --where 'n is defined and n == 3 or split' in.jsonl
    [ -z "$stderr" ]
    run_ok medvl-split --where split=x </dev/null
    [ -z "$stderr" ]
}

@test "permuting pictures where there are none is warned of" {
    run_ok medvl-split --permute pictures <<<'{"id":"a"}'
    [ "$output" = '{"id":"a"}' ]
    [[ "$stderr" == *'found pictures in none of 1 record' ]]
}

# bats test_tags=tsan
@test "the filter's bytes do not depend on -j, nor on --part" {
    records 20000
    medvl-split --where 'images[0].slice=3' -j 1 all.jsonl >one
    medvl-split --where 'images[0].slice=3' -j 2 all.jsonl >two
    [ "$(wc -l <one)" -eq 2857 ]
    cmp one two
    for i in 1 2 3; do
        medvl-split --where 'images[0].slice=3' --part "$i/3" all.jsonl
    done >parts
    cmp one parts
}

@test "zstd comes in and goes out" {
    records 50
    zstd -q all.jsonl -o all.jsonl.zst
    medvl-split --where n=7 -o out.jsonl.zst all.jsonl.zst
    [ "$(zstd -dcq out.jsonl.zst | ids)" = r7 ]
    run_code 1 medvl-split --where n=7 --part 1/2 all.jsonl.zst
    head -c 60 all.jsonl.zst >cut.zst
    run_code 1 medvl-split --where n=7 cut.zst
}

@test "bad records stop the run, or are set aside so that all add up" {
    printf '%s\n' '{"id":"a","n":1}' '{"id":"b"' '{"id":"c","n":1}' >in.jsonl
    run_code 1 medvl-split --where n=1 in.jsonl
    [[ "$stderr" == "medvl-split: in.jsonl:2: byte 10"* ]]
    [ "${lines[0]}" = '{"id":"a","n":1}' ]
    [[ "${lines[1]}" == '{"medvl_failed":"medvl-split: in.jsonl:2: '* ]]
    [ "${#lines[@]}" -eq 2 ]
    run_code 3 medvl-split --where n=1 -k --rejects no.jsonl in.jsonl
    [ "${#lines[@]}" -eq 2 ]
    [[ "$stderr" == *"1 of 3 records set aside" ]]
    [ "$(wc -l <no.jsonl)" -eq 1 ]
    grep -q '"where":"in.jsonl:2","raw":"eyJpZCI6ImIi"' no.jsonl
}

@test "an output file is whole or not there" {
    printf '%s\n' '{"id":"a","n":1}' 'x' >in.jsonl
    run_code 1 medvl-split --where n=1 -o out.jsonl in.jsonl
    [ ! -e out.jsonl ]
    [ ! -e out.jsonl.tmp ]
}

@test "parts keep groups whole, come near their fractions, add up" {
    records 3000
    medvl-split --by group --parts train=0.8,dev=0.1,test=0.1 --seed 1 \
        -o parts all.jsonl
    for part in train=2400 dev=300 test=300; do
        n=$(wc -l <"parts/${part%=*}.jsonl")
        [ "$n" -ge $((${part#*=} - 3)) ]
        [ "$n" -le $((${part#*=} + 3)) ]
        [ "$(grep -c "\"split\":\"${part%=*}\"" "parts/${part%=*}.jsonl")" \
            -eq "$n" ]
        grep -o '"group":"p[0-9]*"' "parts/${part%=*}.jsonl" | sort -u
    done | sort | uniq -d >twice
    [ ! -s twice ]
    ids parts/*.jsonl | sort | cmp - <(ids all.jsonl | sort)
    # In the order of the input, and the same whatever that order is.
    ids parts/dev.jsonl | sort -c -t r -k 2n
    medvl-split --shuffle all.jsonl |
        medvl-split --by group --parts train=0.8,dev=0.1,test=0.1 --seed 1 \
            -o again
    cmp <(sort parts/dev.jsonl) <(sort again/dev.jsonl)
    medvl-split --by group --parts train=0.8,dev=0.1,test=0.1 --seed 2 \
        -o other all.jsonl
    run ! cmp -s parts/dev.jsonl other/dev.jsonl
}

@test "a part that would be empty is an error, and nothing is written" {
    records 5
    run_code 1 medvl-split --by group --parts a=0.9,b=0.1 -o parts all.jsonl
    [[ "$stderr" == *"part 'b' would be empty"* ]]
    [ ! -e parts ]
    for parts in a=0.5,b=0.6 a=1,a=1 a a=0 a=-1,b=2 =1 a/b=1 '' ','; do
        run_code 1 medvl-split --parts "$parts" -o parts all.jsonl
    done
    [ ! -e parts ]
}

@test "parts need a group in each record, and ids once" {
    records 9
    echo '{"id":"x"}' >>all.jsonl
    run_code 1 medvl-split --by group --parts a=0.5,b=0.5 -o parts all.jsonl
    [[ "$stderr" == 'medvl-split: all.jsonl:10: x: "group": missing, '* ]]
    [[ "$stderr" == *'but --by names it' ]]
    echo '{"id":"r1"}' >>all.jsonl
    run_code 1 medvl-split --parts a=0.5,b=0.5 -o parts all.jsonl
    [[ "$stderr" == *'all.jsonl:11: r1: "id": an earlier record has it'* ]]
}

@test "a sample has the size asked for, and smaller ones lie in larger ones" {
    records 300
    medvl-split --sample 20 all.jsonl >small
    medvl-split --sample 0.2 all.jsonl >large
    [ "$(wc -l <small)" -eq 20 ]
    [ "$(wc -l <large)" -eq 60 ]
    [ "$(cat small large | sort | uniq -d | wc -l)" -eq 20 ]
    ids small | sort -c -t r -k 2n
    medvl-split --sample 10 --by group all.jsonl >groups
    [ "$(grep -o '"group":"[^"]*"' groups | sort -u | wc -l)" -eq 10 ]
    [ "$(wc -l <groups)" -ge 28 ]
    run_code 1 medvl-split --sample 301 all.jsonl
    [[ "$stderr" == *"301 was asked for and there are 300"* ]]
    run_code 1 medvl-split --sample 1.5 all.jsonl
}

@test "a shuffle does not depend on the order before" {
    records 100
    medvl-split --shuffle --seed 3 all.jsonl >one
    tac all.jsonl | medvl-split --shuffle --seed 3 >two
    cmp one two
    run ! cmp -s one all.jsonl
    cmp <(sort one) <(sort all.jsonl)
}

@test "permuted pictures leave their group; regions and ids stay" {
    records 300
    medvl-split --permute pictures --seed 1 all.jsonl >out
    cmp <(ids out) <(ids all.jsonl)
    grep -o '[0-9]*.png' out | sort >after
    grep -o '[0-9]*.png' all.jsonl | sort | cmp - after
    # id n has label n, slice n % 7; its picture q has width 100 + q and
    # another group (q / 3).
    sed 's/[^0-9]\{1,\}/ /g' out | awk '{
        id = $1; group = $2; n = $3; q = $4; slice = $5; width = $6; label = $7
        if (label != n || slice != n % 7 || width != q + 100) exit 1
        if (int(q / 3) == group) exit 2
    }'
    medvl-split --permute pictures --seed 1 -j 1 all.jsonl | cmp - out
}

@test "permuted images go whole, between records with as many" {
    cat >in.jsonl <<'END'
{"id":"a","images":[{"path":"1","x":1}]}
{"id":"b","images":[{"path":"2"},{"path":"3"}]}
{"id":"c"}
{"id":"d","images":[{"path":"4"},{"path":"5"}],"k":1}
{"id":"e","images":[{"path":"6"}]}
END
    run_ok medvl-split --permute images in.jsonl
    [ "$output" = '{"id":"a","images":[{"path":"6"}]}
{"id":"b","images":[{"path":"4"},{"path":"5"}]}
{"id":"c"}
{"id":"d","images":[{"path":"2"},{"path":"3"}],"k":1}
{"id":"e","images":[{"path":"1","x":1}]}' ]
}

@test "a record without a partner is bad" {
    printf '%s\n' '{"id":"a","images":[{"path":"1"}]}' '{"id":"b"}' >in.jsonl
    run_code 1 medvl-split --permute pictures in.jsonl
    [[ "$stderr" == 'medvl-split: in.jsonl:1: a: "images": no other record'* ]]
    run_code 3 medvl-split --permute pictures -k --rejects no in.jsonl
    [ "$output" = '{"id":"b"}' ]
    [ "$(wc -l <no)" -eq 1 ]
}

@test "a group with more than half exchanges within itself only what it must" {
    seq 10 | awk '{
        printf "{\"id\":\"%d\",\"group\":\"%s\",", $1, $1 <= 7 ? "x" : $1
        printf "\"images\":[{\"path\":\"p%d\"}]}\n", $1
    }' >in.jsonl
    medvl-split --permute pictures in.jsonl |
        sed 's/.*id":"\([0-9]*\).*path":"p\([0-9]*\).*/\1 \2/' >pairs
    awk '$1 == $2 { exit 1 }' pairs
    [ "$(awk '$1 <= 7 && $2 <= 7' pairs | wc -l)" -eq 4 ]
}

@test "misuse is told before anything is read" {
    run_code 2 medvl-split
    run_code 2 medvl-split --parts a=1
    run_code 2 medvl-split --parts a=1 -o x --sample 3
    run_code 2 medvl-split --shuffle --permute pictures
    run_code 2 medvl-split --permute faces
    run_code 2 medvl-split --where n=1 --by group
    run_code 2 medvl-split --shuffle --part 1/2
    run_code 2 medvl-split --where n=1 --part 3/2 x
    run_code 2 medvl-split --where n=1 --rejects x
    run_code 2 medvl-split --where n=1 -j 0
    run_code 2 medvl-split --where
    [ "${lines[-1]}" = \
        "{\"medvl_failed\":\"medvl-split: option '--where' needs a value\"}" ]
}
