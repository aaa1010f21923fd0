# What every CLI test loads: the commands on PATH, a folder of its own.
#
#   load helper
#
#   @test "an unknown field passes through" {
#       run_ok medvl-x <<<'{"id":"a","other":1}'
#       [ "$output" = '{"id":"a","other":1,"x":2}' ]
#   }

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
PATH=${MEDVL_BIN:-$ROOT/build/debug/bin}:$PATH
export PATH

# Each test starts in an empty folder, which bats removes.
setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

# run_ok COMMAND...: exit 0; stdout is $output, stderr is $stderr.
run_ok() {
    run_code 0 "$@"
}

# run_code N COMMAND...: exit N; both streams are shown when it is not.
run_code() {
    local want=$1

    shift
    run --separate-stderr "$@"
    if [ "$status" -ne "$want" ]; then
        printf '%s: exit %s, not %s\nstdout: %s\nstderr: %s\n' \
            "$*" "$status" "$want" "$output" "$stderr"
        return 1
    fi
}

# same_as FILE: $output is tests/golden/FILE, or becomes it (GOLDEN=write).
same_as() {
    if [ "${GOLDEN:-}" = write ]; then
        printf '%s\n' "$output" >"$ROOT/tests/golden/$1"
    fi
    diff -u "$ROOT/tests/golden/$1" <(printf '%s\n' "$output")
}

# The real inputs, or the test is skipped.
need_data() {
    [ -n "${MEDVL_DATA:-}" ] || skip "MEDVL_DATA is not set"
    [ -e "$MEDVL_DATA/${1:-}" ] || skip "no $1 below MEDVL_DATA"
}

# run_ok COMMAND as a terminal sees it; not everywhere can one be made.
on_terminal() {
    script -qec true /dev/null >/dev/null 2>&1 || skip "no pseudo-terminal"
    run_ok script -qec "$1" /dev/null
}

# Until FILE has something, as long as process PID runs.
wait_for() {
    while [ ! -s "$1" ] && kill -0 "$2"; do sleep 0.01; done
}

# The commands built without sanitizers, for what would take too long.
use_release() {
    PATH=${MEDVL_RELEASE:-$ROOT/build/release/bin}:$PATH
    export PATH
}
