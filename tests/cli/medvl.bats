# medvl: the dispatcher.

load helper

@test "medvl NAME is medvl-NAME with its arguments and its status" {
    run_ok medvl split --where id=b <<<'{"id":"a"}
{"id":"b"}'
    [ "$output" = '{"id":"b"}' ]
    run_code 2 medvl split --nonsense
    [[ "$stderr" == "medvl-split: unknown option"* ]]
}

@test "medvl help lists the commands, and shows one's help" {
    run_ok medvl help
    shopt -s extglob
    for path in "${MEDVL_BIN:-$ROOT/build/debug/bin}"/medvl-*; do
        name=${path##*/medvl-}
        about=$(medvl help "$name" | sed '1d;/^$/q' | tr '\n' ' ')
        grep -qxF "$(printf '%-9s %s' "$name" "${about%%+( )}")" <<<"$output"
    done
    [ "${#lines[@]}" -lt 24 ]
    [ -z "$(awk 'length > 79' <<<"$output")" ]
    run_ok medvl help split
    [[ "$output" == "Usage: medvl-split"* ]]
}

@test "what is no command is exit 2" {
    run_code 2 medvl nonsense
    [[ "${lines[-1]}" == \
        "{\"medvl_failed\":\"medvl: 'nonsense' is no command; "*"\"}" ]]
    run_code 2 medvl ../bin/medvl-split
    run_code 2 medvl
}
