# medvl-score: metrics with intervals.

load helper

# value METRIC [FIELD]: a member of the line for all records.
value() {
    grep "\"metric\":\"$1\".*\"by\":{}" <<<"$output" |
        sed -nE 's/.*"'"${2:-value}"'":([^,}]*).*/\1/p'
}

@test "exact agrees after normalisation, f1 in part" {
    cat >in.jsonl <<'END'
{"id":"1","answer":"Left lung","prediction":"the left lung."}
{"id":"2","answer":["pleural effusion","effusion"],"prediction":"Effusion"}
{"id":"3","answer":"right lung","prediction":"left lung"}
{"id":"4","answer":"two","prediction":"2"}
END
    run_ok medvl-score in.jsonl
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[0]} == '{"metric":"exact","value":0.75,"low":'* ]]
    [[ ${lines[0]} == *',"n":4,"by":{}}' ]]
    [ "$(value f1)" = 0.875 ]
    run_ok medvl-score --normalize lower --metrics exact in.jsonl
    [ "$(value exact)" = 0.25 ]
    run_ok medvl-score --normalize none --resamples -1 --metrics exact in.jsonl
    [ "$output" = \
        '{"metric":"exact","value":0,"low":null,"high":null,"n":4,"by":{}}' ]
}

@test "a letter and its text are the same choice" {
    choices='"choices":{"A":"normal","B":"pneumonia"}'
    cat >in.jsonl <<END
{"id":"1",$choices,"answer":"pneumonia","prediction":"B"}
{"id":"2",$choices,"answer":"B","prediction":"The answer is (B)."}
{"id":"3",$choices,"answer":"A","prediction":"normal"}
{"id":"4",$choices,"answer":"A","prediction":"Pneumonia"}
{"id":"5",$choices,"answer":"A","prediction":"?"}
END
    run_ok medvl-score --metrics accuracy,balanced_accuracy in.jsonl
    [ "$(value accuracy)" = 0.6 ]
    [[ $(value balanced_accuracy) == 0.666* ]]
    [ "$(value accuracy unparsed)" = 1 ]
    echo "{\"id\":\"6\",$choices,\"answer\":\"C\",\"prediction\":\"A\"}" >bad
    run_code 1 medvl-score --metrics accuracy bad
    [[ $stderr == *'bad:1: 6: "answer": "C" is none of the choices'* ]]
}

@test "auc counts pairs, of records that have the choice" {
    choices='"choices":{"A":"normal","B":"pneumonia"}'
    for row in A,-3 A,-1 B,-2 B,-0.5; do
        echo "{\"id\":\"$row\",$choices,\"answer\":\"${row%,*}\"," \
            "\"choice_logprobs\":{\"A\":-1,\"B\":${row#*,}}}"
    done >in.jsonl
    echo '{"id":"x","answer":"no"}' >>in.jsonl
    run_ok medvl-score --metrics auc --positive Pneumonia in.jsonl
    [ "$(value auc)" = 0.75 ]
    [ "$(value auc n)" = 4 ]
    run_code 1 medvl-score --metrics auc in.jsonl
    echo "{\"id\":\"x\",$choices,\"answer\":\"A\"}" >in.jsonl
    run_code 1 medvl-score --metrics auc --positive pneumonia in.jsonl
    [[ $stderr == *choice_logprobs* ]]
}

@test "a positive choice that no record has is an error" {
    cat >in.jsonl <<'END'
{"id":"1","choices":{"A":"normal","B":"other"},"answer":"A"}
{"id":"2","choices":{"A":"Normal","B":"tuberculosis"},"answer":"A"}
{"id":"3","answer":"no"}
END
    run_code 1 medvl-score -m auc --positive pneumonia in.jsonl
    [[ $stderr == *'in.jsonl: --positive: no record has the choice '* ]]
    [[ $stderr == *'"pneumonia"; there are "normal", "other", "Normal", '* ]]
    run_code 1 medvl-score -m auc --positive no --table x=in.jsonl
    [[ $stderr == *'in.jsonl: --positive: no record has the choice "no"'* ]]
    sed '1d;2d' in.jsonl >open.jsonl
    run_code 1 medvl-score -m auc --positive pneumonia open.jsonl
    [[ $stderr == *'open.jsonl: auc: no record has "choices"' ]]
    seq 30 | sed 's/.*/{"id":"&","choices":{"A":"c&"},"answer":"A"}/' >in.jsonl
    run_code 1 medvl-score -m auc --positive no in.jsonl
    [[ $stderr == *'"c20", ...' ]]
    # Where auc is not asked for, it does not matter.
    echo '{"id":"1","answer":"x","prediction":"x"}' >in.jsonl
    run_ok medvl-score --positive no in.jsonl
}

@test "the scores go to the file of --output" {
    printf '%s\n' '{"id":"1","answer":"x","prediction":"x"}' >in.jsonl
    medvl-score in.jsonl >want
    run_ok medvl-score -o out in.jsonl
    [ -z "$output" ]
    cmp out want
    medvl-score --table a=in.jsonl >want
    run_ok medvl-score -o out --table a=in.jsonl
    [ -z "$output" ]
    cmp out want
    medvl-score --predict commonest --from in.jsonl in.jsonl >want
    run_ok medvl-score -o out --predict commonest --from in.jsonl in.jsonl
    cmp out want
    cp in.jsonl out
    run_code 1 medvl-score -o out --table a=none
    cmp out in.jsonl
    run_code 2 medvl-score -o out --per-record ./out in.jsonl
}

@test "closed and open look at their own records" {
    cat >in.jsonl <<'END'
{"id":"1","answer_type":"CLOSED","answer":"Yes","prediction":"yes, there is"}
{"id":"2","answer_type":"closed ","answer":"no","prediction":"yes and no"}
{"id":"3","answer_type":"OPEN","answer":"ct","prediction":"CT"}
{"id":"4","answer":"ct","prediction":"CT"}
END
    run_ok medvl-score --metrics closed,open,exact in.jsonl
    [ "$(value closed)" = 0.5 ]
    [ "$(value closed n)" = 2 ]
    [ "$(value open)" = 1 ]
    [ "$(value open n)" = 1 ]
    [ "$(value exact)" = 0.5 ]
    [ "$(value exact n)" = 4 ]
}

@test "boxes overlap, and what is none counts as unparsed" {
    cat >in.jsonl <<'END'
{"id":"1","answer":"[0,0,10,10]","prediction":"at [0, 0, 10, 5]."}
{"id":"2","answer":"[0,0,10,10]","prediction":"[0,0,10,10]"}
{"id":"3","answer":"[0,0,10,10]","prediction":"there"}
{"id":"4","answer":"[0,0,10,10]","prediction":"[0,0,10,100]"}
{"id":"5","answer":"left","prediction":"[0,0,10,10]"}
END
    run_ok medvl-score --metrics iou,iou@0.5,iou@0.6 in.jsonl
    [ "$(value iou)" = 0.375 ]
    [ "$(value iou n)" = 4 ]
    [ "$(value iou unparsed)" = 2 ]
    [ "$(value iou@0.5)" = 0.5 ]
    [ "$(value iou@0.6)" = 0.25 ]
    run_ok medvl-score --metrics iou --box-scale 100 in.jsonl
    [ "$(value iou)" = 0.4 ]
    run_code 1 medvl-score --metrics iou --box-scale 9 in.jsonl
    [[ $stderr == *'in.jsonl:1: 1: "answer": the box is not '* ]]
    [[ $stderr == *'within 0..9 (--box-scale)'* ]]
}

@test "--by gives a line for each combination, by paths" {
    cat >in.jsonl <<'END'
{"id":"1","k":"b","i":[{"p":1}],"answer":"x","prediction":"x"}
{"id":"2","k":"a","i":[{"p":1}],"answer":"x","prediction":"y"}
{"id":"3","k":"b","i":[{"p":1}],"answer":"x","prediction":"y"}
{"id":"4","answer":"x","prediction":"x"}
END
    run_ok medvl-score --metrics exact --by 'k,i[0].p' --resamples -1 in.jsonl
    [[ ${lines[0]} == *'"value":0.5,"low":null,"high":null,"n":4,"by":{}}' ]]
    [[ ${lines[1]} == *'"value":0,'*'"n":1,"by":{"k":"a","i[0].p":1}}' ]]
    [[ ${lines[2]} == *'"value":0.5,'*'"n":2,"by":{"k":"b","i[0].p":1}}' ]]
    [[ ${lines[3]} == *'"value":1,'*'"n":1,"by":{"k":null,"i[0].p":null}}' ]]
    [ "${#lines[@]}" -eq 4 ]
    run_code 1 medvl-score --by 'k,,' in.jsonl
}

@test "missing, extra and double ids are said and counted" {
    seq 4 | sed 's/.*/{"id":"r&","answer":"yes"}/' >ref.jsonl
    for id in r1 r2 r2 r9; do
        echo "{\"id\":\"$id\",\"prediction\":\"yes\"}"
    done >in.jsonl
    run_ok medvl-score --metrics exact,f1 --reference ref.jsonl in.jsonl
    [ "$(value exact)" = 0.6 ]
    [ "$(value exact n)" = 5 ]
    [ "$(value exact missing) $(value f1 missing)" = '2 2' ]
    [ "$(value exact extra) $(value exact double)" = '1 1' ]
    said=$stderr
    for line in 'in.jsonl:3: r2: another record has this id' \
        'in.jsonl:4: r9: extra, ref.jsonl lacks it' \
        'ref.jsonl: r3: missing from in.jsonl' \
        'ref.jsonl: r4: missing from in.jsonl'; do
        [[ $said == *"warning: $line"* ]]
    done
    cp in.jsonl in2.jsonl
    run_ok medvl-score --reference ref.jsonl in.jsonl in2.jsonl
    [[ $stderr == *'ref.jsonl: r3: missing from the predictions'* ]]
    [[ $stderr == *'in2.jsonl:1: r1: another record has this id'* ]]
    run_code 1 medvl-score --reference in.jsonl in.jsonl
    run_code 1 medvl-score --reference /dev/null in.jsonl
}

@test "a record set aside counts as missing" {
    seq 3 | sed 's/.*/{"id":"r&","answer":"yes"}/' >ref.jsonl
    printf '%s\n' '{"id":"r1","prediction":"yes"}' '{"id":"r2"}' \
        '{"id":"r3","prediction":7}' >in.jsonl
    run_code 1 medvl-score --reference ref.jsonl in.jsonl
    [[ $stderr == *in.jsonl:2:\ r2:* ]]
    run_code 3 medvl-score -k -m exact --reference ref.jsonl in.jsonl
    [[ $(value exact) == 0.333* ]]
    [ "$(value exact missing)" = 2 ]
}

@test "a missing prediction is the worst for auc too" {
    choices='"choices":{"A":"normal","B":"pneumonia"}'
    for row in A1 A2 B1 B2; do
        echo "{\"id\":\"$row\",$choices,\"answer\":\"${row%?}\"}"
    done >ref.jsonl
    for row in A1,-3 B1,-1; do
        echo "{\"id\":\"${row%,*}\",\"choice_logprobs\":{\"B\":${row#*,}}}"
    done >in.jsonl
    run_ok medvl-score -m auc --positive pneumonia --reference ref.jsonl \
        in.jsonl
    [ "$(value auc)" = 0.25 ]
}

@test "records are written with their scores" {
    printf '%s\n' '{"id":"1","answer":"a b","prediction":"b","x":1.0}' \
        '{"id":"2","answer":"[1,2,3,4]","prediction":"[1,2,3,4]"}' >in.jsonl
    run_ok medvl-score -m exact,f1,iou --per-record out.jsonl in.jsonl
    run_ok cat out.jsonl
    [ "${lines[0]}" = '{"id":"1","answer":"a b","prediction":"b","x":1.0,'\
'"scores":{"exact":1,"f1":1}}' ]
    [ "${lines[1]}" = '{"id":"2","answer":"[1,2,3,4]",'\
'"prediction":"[1,2,3,4]","scores":{"exact":1,"f1":1,"iou":1}}' ]
}

@test "the interval is drawn by group, from the seed" {
    seq 200 | awk '{ g = int($1 / 20)
        printf "{\"id\":\"%d\",\"group\":\"g%d\",\"answer\":\"x\",", $1, g
        printf "\"prediction\":\"%s\"}\n", g % 2 ? "x" : "y" }' >in.jsonl
    width() {
        run_ok medvl-score --metrics exact "$@" in.jsonl
        echo "$(value exact high) $(value exact low)" |
            awk '{ print int(100 * ($1 - $2)) }'
    }
    [ "$(width)" -gt 40 ]
    [ "$(width --group id)" -lt 16 ]
    medvl-score --seed 1 in.jsonl >a
    medvl-score --seed 1 -j 2 in.jsonl >b
    medvl-score --seed 2 in.jsonl >c
    cmp a b
    run ! cmp -s a c
}

@test "MUMC's published scores come out" {
    need_data bench/vqa_rad_mumc
    bench=$MEDVL_DATA/bench/vqa_rad_mumc
    # Arrays of flat objects, one object a line.
    objects() {
        tr -d '\n' <"$1" | sed 's/} *, *{/}\n{/g; s/^\[ *//; s/ *\] *$//' |
            sed -E 's/"qid": ([0-9]+)/"id":"\1"/'
    }
    objects "$bench/testset.json" |
        sed -E 's/"answer": *([0-9.]+)/"answer":"\1"/' >ref.jsonl
    for epoch in epoch0 epoch5 epoch20 epoch31_eval; do
        objects "$bench/predictions_$epoch.json" |
            sed 's/"answer"/"prediction"/' >in.jsonl
        run_ok medvl-score --metrics exact --normalize mumc --resamples -1 \
            --by answer_type --reference ref.jsonl in.jsonl
        [ "$(grep -c . in.jsonl)" -eq 451 ]
        tr -d ' \n' <"$bench/published_$epoch.json" |
            grep -oE '"(overall|CLOSED|OPEN)":[0-9.]+' | cut -d: -f2 |
            paste -sd' ' - >want
        sed -E 's/.*"value":([0-9.e-]+).*/\1/' <<<"$output" |
            paste -sd' ' - | paste -d' ' - want |
            awk '{ for (i = 1; i < 4; i++)
                       if (($i * 100 - $(i + 3)) ^ 2 > 0.0051 ^ 2) exit 1 }'
    done
}

@test "a table compares files" {
    for id in 1 2 3; do
        echo '{"id":"'$id'","kind":"a b","answer":"x","prediction":"x"}'
    done >a.jsonl
    sed '1s/"prediction":"x"/"prediction":"y"/; 3d' a.jsonl >b.jsonl
    run_ok medvl-score -m exact --by kind --resamples -1 --table \
        model=a.jsonl b=b.jsonl
    [ "$output" = "metric  records   n    model  b
exact   all       3/2  1.000  0.500
exact   kind=a b  3/2  1.000  0.500
b: 1 missing" ]
    [ "$stderr" = \
        'medvl-score: warning: a.jsonl: 3: missing from b.jsonl' ]
    run_ok medvl-score -m exact --resamples -1 --table b=b.jsonl a=a.jsonl
    [[ $output == *$'\na: 1 extra' ]]
    [[ $stderr == *'a.jsonl: 3: extra, b.jsonl lacks it' ]]
    seq 30 | sed 's/.*/{"id":"x&","answer":"x","prediction":"x"}/' >c.jsonl
    run_ok medvl-score -m exact --resamples -1 --table a=a.jsonl c=c.jsonl
    [[ $output == *$'\nc: 3 missing\nc: 30 extra' ]]
    [[ $stderr == *'extra: 10 more' ]]
    [ "$(wc -l <<<"$stderr")" -eq 24 ]
    run_ok medvl-score -m iou --reference a.jsonl --table b=b.jsonl
    [[ $output == *'iou     all      0  -'*'b: 1 missing'* ]]
    run_code 1 medvl-score --table x=none
    run_code 2 medvl-score --table
    run_code 2 medvl-score --table a.jsonl
}

@test "a field of no record, a metric of none, is warned of" {
    printf '{"id":"%s","kind":"k","answer":"x","prediction":"x"}\n' 1 2 >in
    run_ok medvl-score --by kindd -m exact,closed,iou@0.5 in
    [[ $stderr == *"--by 'kindd' found the field in none of 2 records"* ]]
    [[ $stderr == *"--metrics 'closed' had something to measure in none of \
2 records: \"answer_type\" is not \"closed\""* ]]
    [[ $stderr == *"--metrics 'iou@0.5' had"*'"answer" holds no box'* ]]
    run_ok medvl-score --table --by kindd a=in
    [[ $stderr == *"--by 'kindd' found the field in none of 2 records"* ]]
    run_ok medvl-score --by kind,kindd in
    [[ $stderr != *"'kind' "* ]]
    echo '{"id":"3","kindd":1,"answer_type":"open","answer":"x",
        "prediction":"x"}' | tr -d '\n' >>in
    run_ok medvl-score --by kindd -m open in
    [ -z "$stderr" ]
}

@test "two outputs cannot be one file" {
    echo '{"id":"a","answer":"x","prediction":"x"}' >in
    for files in '--per-record pp -k --rejects pp' '--per-record pp -o ./pp' \
        '--per-record pp -o pp.tmp'; do
        # shellcheck disable=SC2086 # options
        run_code 2 medvl-score $files in
        [[ $stderr == *'(pp'*') would be one file'* ||
            $stderr == *'(./pp) and '*'(pp) would be one file'* ]]
    done
    [ ! -e pp ]
}

@test "options that do not go together are named" {
    echo '{"id":"a","answer":"x","prediction":"x"}' >in
    run_code 2 medvl-score --from in in
    [[ $stderr == *'--from goes with --predict'* ]]
    for other in '-m exact' '--normalize vqa' '--positive A' '--reference in' \
        '--per-record pr' --table '--group a' '--resamples 5' \
        '--box-scale 1'; do
        # shellcheck disable=SC2086 # options
        run_code 2 medvl-score --predict commonest --from in $other in
        [[ $stderr == *' does not go with --predict'* ]]
    done
    [ ! -e pr ]
}

@test "bad input says where it is" {
    run_code 1 medvl-score </dev/null
    for bad in '{"id":"b","prediction":"x"}' '{"answer":"x","prediction":"x"}' \
        '{"id":"b","answer":[],"prediction":"x"}' \
        '{"id":"b","answer":1,"prediction":"x"}' \
        '{"id":"b","answer":"x","prediction":["x"]}' \
        '{"id":"b","answer":"x"}' \
        '{"id":"b","answer":"x","prediction":"\u0000"}' \
        '{"id":"b","answer":"x","prediction":"x","choices":[]}'; do
        printf '%s\n' '{"id":"a","answer":"x","prediction":"x"}' "$bad" >in
        run_code 1 medvl-score --per-record out in
        [[ $stderr == *in:2:* ]]
        [ ! -e out ]
    done
    run_code 1 medvl-score -m exact,none in
    run_code 1 medvl-score -m iou@2 in
    run_code 2 medvl-score --normalize lava in
}

@test "errors say what there is, and what is needed" {
    echo '{"id":"1","answer":"x"}' >in
    run_code 1 medvl-score -m exakt in
    [[ $stderr == *'no metric "exakt"; there are exact, '*', iou, iou@T' ]]
    run_code 1 medvl-score -m auc in
    [[ $stderr == *--positive* ]]
    run_code 1 medvl-score in
    [[ $stderr == *'"prediction": missing (medvl-generate adds it)' ]]
    echo '{"id":"1","prediction":"x"}' >in
    run_code 1 medvl-score in
    [[ $stderr == *'in:1: 1: "answer": missing (with --reference '* ]]
    run_code 1 medvl-score --predict commonest --from in in
    [[ $stderr == *'in:1: 1: "answer": missing (--from '* ]]
}
