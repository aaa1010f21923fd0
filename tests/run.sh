#!/usr/bin/env bash
# Run unit tests, fuzz corpora and CLI tests of a built tree and add up.
#
#   tests/run.sh [--tags TAG | --long] TREE [NAME...]
#
#   TREE     build/debug and the like
#   NAME     only these: test_text, fuzz_json, tokenize
#   --tags   of the CLI tests, only those with this bats tag
#   --long   tests/long/*.bats instead of everything else
#
# One line a file; what a failing file said follows its line.  The last
# line is "N passed, N failed" (and how many were skipped, if any).
set -u

cd "$(dirname "$0")/.." || exit 1
tags='' long=''
case ${1:-} in
--tags) tags=$2 && shift 2 ;;
--long) long=1 && shift ;;
esac
tree=$1
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MEDVL_BIN="$PWD/$tree/bin" MEDVL_RELEASE="$PWD/build/release/bin"
asan=detect_leaks=1:allocator_may_return_null=1
asan=$asan:detect_stack_use_after_return=1
export ASAN_OPTIONS="$asan:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
export TSAN_OPTIONS="halt_on_error=1:${TSAN_OPTIONS:-}"
data=$(realpath -q ../shared/data)
[ -n "${MEDVL_DATA:-}" ] || [ ! -d "$data" ] || export MEDVL_DATA="$data"
export CMOCKA_MESSAGE_OUTPUT=TAP
unset MAKEFLAGS MAKELEVEL MFLAGS

# The files to run, the slow kind first.
files() {
    if [ -n "$long" ]; then
        printf '%s\n' tests/long/*.bats
    else
        printf '%s\n' tests/cli/*.bats
        for source in tests/unit/test_*.c; do
            printf '%s\n' "$tree/unit/$(basename "$source" .c)"
        done
        for source in tests/fuzz/fuzz_*.c; do
            printf '%s\n' "$tree/fuzz/$(basename "$source" .c)"
        done
    fi
}

# Only what is there (patterns of empty folders are not) and was asked for.
chosen() {
    while read -r file; do
        case $file in *\**) continue ;; esac
        name=$(basename "$file" .bats)
        case " $* " in '  ' | *" $name "*) printf '%s\n' "$file" ;; esac
    done
}

# one FILE: its TAP to $work/NAME.tap, all else to $work/NAME.err.
one() {
    local file=$1 kind name
    kind=$(basename "$(dirname "$file")")
    name=$kind-$(basename "$file" .bats)
    export MEDVL_TEMP="$work/$name.dir"
    mkdir "$MEDVL_TEMP"
    case $kind in
    cli | long)
        bats --tap ${tags:+--filter-tags "$tags"} "$file"
        ;;
    fuzz)
        "$file" tests/fuzz/corpus/"$(basename "$file")"
        ;;
    *)
        "$file"
        ;;
    esac >"$work/$name.tap" 2>"$work/$name.err"
    echo "$?" >"$work/$name.rc"
    rm -rf "$MEDVL_TEMP"
    report "$kind/$(basename "$file" .bats)" "$work/$name"
}

# report TITLE STEM: count, print one line, and the output when it failed.
# (cmocka writes a skipped case as "not ok 1 # SKIP name".)
# A file that dies has run fewer cases than it planned: those failed too.
report() {
    local passed failed skipped planned rc
    rc=$(cat "$2.rc")
    skipped=$(grep -cE '^(not )?ok [0-9]+.*# (SKIP|skip)' "$2.tap")
    passed=$(grep -E '^ok [0-9]' "$2.tap" | grep -vcE '# (SKIP|skip)')
    failed=$(grep -E '^not ok [0-9]' "$2.tap" | grep -vcE '# (SKIP|skip)')
    planned=$(sed -n 's/^1\.\.\([0-9][0-9]*\).*/\1/p' "$2.tap" | head -n 1)
    if [ $((passed + failed + skipped)) -lt "${planned:-1}" ]; then
        failed=$((${planned:-1} - passed - skipped))
    elif [ "$rc" -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed=1
    fi
    echo "$passed $failed $skipped" >"$2.count"
    if [ "$failed" -gt 0 ]; then
        printf 'FAIL %s: %s of %s (exit %s)\n%s\n' "$1" "$failed" \
            "$((passed + failed + skipped))" "$rc" \
            "$(grep -vhE '^(ok |.*# SKIP)' "$2.tap" "$2.err" |
                head -n 200)"
    else
        printf 'ok   %s: %s%s\n' "$1" "$passed" \
            "$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")"
    fi
}

export -f one report
export work tree tags
# shellcheck disable=SC2016 # the inner shell expands it
files | chosen "$*" | xargs -P "${JOBS:-$(nproc)}" -I '{}' \
    bash -c 'one "$1"' one '{}'

cat "$work"/*.count 2>/dev/null | awk '
    { p += $1; f += $2; s += $3 }
    END {
        printf "%d passed, %d failed", p, f
        if (s) printf ", %d skipped", s
        print ""
        exit f > 0 || p == 0
    }'
