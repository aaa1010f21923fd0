# README.md: its pipelines run as they stand there.

load helper

# block HEADING: the first code block below it.
block() {
    sed -n "/^## $1\$/,\$p" "$ROOT/README.md" | awk '
        /^```/ { if (inside) exit; inside = 1; next }
        inside'
}

@test "the pipelines of the README give what they promise" {
    need_data images/vqa_rad/train.jsonl
    need_data images/pneumoniamnist
    use_release
    export D=$MEDVL_DATA/images/vqa_rad
    block 'A first pipeline' >first.sh
    [ "$(wc -l <first.sh)" -gt 20 ]
    run_ok bash -e -o pipefail first.sh
    [[ "$output" == *"metric  records "*"model "*"commonest"* ]]

    medvl-import medmnist "$MEDVL_DATA/images/pneumoniamnist" --out px |
        medvl-split --sample 300 >some.jsonl
    mv px own
    sed -E 's,.*"path":"px/([^"]*)".*"answer":"([a-z]*)".*,\1 \2,;s/ /,/' \
        some.jsonl >labels.csv
    block 'Pictures of your own' >own.sh
    [ "$(wc -l <own.sh)" -gt 10 ]
    run_ok bash -e -o pipefail own.sh
    [[ "$output" == *'{"metric":"auc","value":0.'[6-9]* ]]
}
