# What every command does alike.  Commands are found in the folder, so a new
# one is tested from its first day.

load helper

commands() {
    local path
    for path in "${MEDVL_BIN:-$ROOT/build/debug/bin}"/medvl*; do
        basename "$path"
    done
}

# each FUNCTION: call it for every command; all that fail are named.
each() {
    local name failed=''
    for name in $(commands); do
        "$1" "$name" || failed="$failed $name"
    done
    [ -z "$failed" ] || {
        echo "failed:$failed"
        return 1
    }
}

help_is_one_screen() {
    run_ok "$1" --help || return 1
    # shellcheck disable=SC2154 # bats sets it
    [ -z "$stderr" ] || return 1
    [ "${#lines[@]}" -le 30 ] || return 1
    [ "${lines[0]%% *}" = Usage: ] || return 1
    ! printf '%s\n' "${lines[@]}" | grep -E '^.{81}'
}

@test "--help is one screen of 80 columns on stdout" {
    each help_is_one_screen
}

all_help_is_narrow() {
    run_ok "$1" --help=all || return 1
    [[ "$output" == *"--version"* ]] || return 1
    ! printf '%s\n' "${lines[@]}" | grep -E '^.{81}'
}

@test "--help=all shows all options in 80 columns" {
    each all_help_is_narrow
}

version_names_itself() {
    run_ok "$1" --version || return 1
    [ "${lines[0]}" = "$1 (medvl) $(sed -n \
        's/.*MEDVL_VERSION *"\(.*\)"/\1/p' "$ROOT/lib/base/status.h")" ]
}

@test "--version names the command and the version" {
    each version_names_itself
}

misuse_is_2() {
    run_code 2 "$1" --no-such-option || return 1
    [ "${lines[-1]}" = "{\"medvl_failed\":\"$1: unknown option \
'--no-such-option'\"}" ] || return 1
    [ "$stderr" = "$1: unknown option '--no-such-option'
Try '$1 --help'." ]
}

@test "an unknown option is exit 2, a hint, and a failed line" {
    each misuse_is_2
}

full_help_is_1() {
    local code=0
    [ -c /dev/full ] || return 1
    "$1" --help >/dev/full 2>err || code=$?
    [ "$code" -eq 1 ] && grep -q stdout err
}

@test "--help on a full disk is exit 1" {
    each full_help_is_1
}

# The commands that are filters, with options that need nothing else.
filter() {
    case $1 in
    medvl-image) set -- "$@" --resize 8 --out px ;;
    medvl-prompt) set -- "$@" -e 'Is it {{id}}?' ;;
    medvl-split) set -- "$@" --where id=a ;;
    medvl-tokenize)
        [ -e tokenizer.json ] ||
            medvl-tokenize --train 258 -o tokenizer.json \
                <<<'{"text":"aa aa bb bb"}' || return 1
        set -- "$@" -m tokenizer.json
        ;;
    *) return 111 ;;
    esac
    "$@"
}

nothing_from_nothing() {
    local code=0
    filter "$1" </dev/null >out 2>err || code=$?
    [ "$code" -ne 111 ] || return 0
    [ "$code" -eq 0 ] && [ ! -s out ] && [ ! -s err ]
}

@test "a filter gives an empty output for an empty input" {
    each nothing_from_nothing
}

full_disk_is_1() {
    local code=0
    filter "$1" <<<'{"id":"a","text":"a"}' >/dev/full 2>err || code=$?
    [ "$code" -ne 111 ] || return 0
    [ "$code" -eq 1 ] && grep -q 'stdout: No space left' err
}

@test "a filter on a full disk is exit 1" {
    each full_disk_is_1
}

failed_stream_is_1() {
    local code=0
    filter "$1" -k <<<'{"medvl_failed":"medvl-x: no"}' >out 2>err || code=$?
    [ "$code" -ne 111 ] || return 0
    [ "$code" -eq 1 ] && grep -q 'medvl-x: no' err &&
        [ "$(wc -l <out)" -eq 1 ] && grep -q '^{"medvl_failed":"' out
}

@test "a filter hands a failed line on, and fails" {
    each failed_stream_is_1
}

head_ends_quietly() {
    local code=0
    set +o pipefail
    yes '{"id":"a","text":"a"}' 2>/dev/null | head -n 20000 |
        { filter "$1" 2>err || echo "$?" >code; } | head -n 1 >out
    code=$(cat code 2>/dev/null || echo 0)
    rm -f code
    [ "$code" -ne 111 ] || return 0
    [ "$code" -eq 141 ] && [ ! -s err ]
}

@test "a filter whose reader goes away ends quietly" {
    each head_ends_quietly
}

one_file_for_both_is_refused() {
    local code=0
    rm -f both both.tmp
    filter "$1" -k -o both --rejects ./both <<<'{"id":"a","text":"a"}' \
        >out 2>err || code=$?
    [ "$code" -ne 111 ] || return 0
    [ "$code" -eq 1 ] && grep -q 'would be one file' err &&
        [ ! -e both ] && [ ! -e both.tmp ]
}

@test "one file cannot take the output and the rejects" {
    each one_file_for_both_is_refused
}

# unfinished COMMAND...: exit 1, and what was said to come is not there.
unfinished() {
    local code=0
    bash -c "$1" >/dev/null 2>err || code=$?
    [ "$code" -eq 1 ]
    grep -q 'No space left' err
    shift
    while [ $# -gt 0 ]; do
        if [ -e "$1" ]; then
            echo "$1 is there"
            return 1
        fi
        shift
    done
}

@test "a command that ends with 1 finishes no output" {
    for id in a b c d; do
        printf '{"id":"%s","text":"a b","tokens":[1],"answer":"x",' "$id"
        printf '"prediction":"x"}\n'
    done >in
    cp in bad
    echo '{"id":"bad"' >>bad
    unfinished 'medvl-shard -k --rejects /dev/full -o sh bad' sh/index.json
    unfinished 'medvl-score --per-record pr in >/dev/full' pr
    unfinished 'medvl-score -k --rejects /dev/full --per-record pr -o sc bad' \
        pr sc
    unfinished 'medvl-split --parts a=0.5,b=0.5 -k --rejects /dev/full \
        -o sp bad' sp/a.jsonl sp/b.jsonl
    unfinished 'medvl-tokenize --train 258 -k --rejects /dev/full -o tok bad' \
        tok
    # zstd keeps what it has to the end
    ln -s /dev/full full.zst
    unfinished 'medvl-shard -k --rejects full.zst -o sh bad' sh/index.json
    unfinished 'medvl-split --where id=a -k --rejects /dev/full -o out bad' \
        out
    medvl-shard -k --rejects rej -o sh bad || [ $? -eq 3 ]
    [ -e sh/index.json ]
    [ "$(wc -l <rej)" -eq 1 ]
}
