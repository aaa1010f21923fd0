# make install, and a program built against what it installed.

load helper

setup_file() {
    cd "$BATS_TEST_DIRNAME/../.." || return 1
    env -u CFLAGS make --no-print-directory MODE=release PREFIX=/usr/local \
        DESTDIR="$BATS_FILE_TMPDIR" install
}

@test "a program is built through pkg-config and runs" {
    export PKG_CONFIG_SYSROOT_DIR=$BATS_FILE_TMPDIR
    export PKG_CONFIG_PATH=$BATS_FILE_TMPDIR/usr/local/lib/pkgconfig
    read -ra flags <<<"$(pkg-config --cflags --libs medvl)"
    gcc -std=c11 -Wall -Wextra -Werror "$ROOT/examples/embed.c" \
        "${flags[@]}" -o embed
    export LD_LIBRARY_PATH=$BATS_FILE_TMPDIR/usr/local/lib
    run_ok ./embed <<<'{"id":"a","text":"no acute findings"}'
    [ "$output" = '{"id":"a","text":"no acute findings","words":3}' ]
    run_code 1 ./embed <<<'{"id":"a"}'
    [[ "$stderr" == *'stdin:1: a: '*'"text"'* ]]
}

@test "every installed header compiles alone" {
    local top=$BATS_FILE_TMPDIR/usr/local/include header
    find "$top" -name '*.h' | while read -r header; do
        gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only \
            -I "$top" -x c "$header" || exit 1
    done
    run ! grep -rE '#include "(lib|kernels)/' "$top"
}

@test "installed commands find their library" {
    local command
    for command in "$BATS_FILE_TMPDIR"/usr/local/bin/*; do
        run_ok env -u LD_LIBRARY_PATH "$command" --version
    done
}
