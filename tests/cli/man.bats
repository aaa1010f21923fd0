# Man pages: their options are those that the command has, and their
# examples run.  Pages are found in the folder.

load helper

# flags PAGE: what stands behind Fl in SYNOPSIS and DESCRIPTION, as -x and
# --long, one a line.
flags() {
    awk '
        /^\.Sh/ { on = /SYNOPSIS|DESCRIPTION/ }
        on && /^\./ {
            flag = 0
            sub(/^\./, "")
            for (i = 1; i <= NF; i++) {
                w = $i
                if (w == "Fl") { flag = 1; continue }
                if (w ~ /^(Ar|Op|Oo|Oc|Ns|Cm|Pa|Ql|Li|No|Xr|Pq|Dq|Sq)$/ ||
                    w ~ /^(Em|Nm|It)$/) {
                    flag = 0
                    continue
                }
                if (!flag || w ~ /^[],.;:()|[]+$/) continue
                if (w ~ /^-/) { print "-" w; continue }
                for (k = 1; k <= length(w); k++) print "-" substr(w, k, 1)
            }
        }' "$1" | sort -u
}

# options COMMAND: the same from --help=all.
options() {
    "$1" --help=all | awk '
        /^  +-/ {
            for (i = 1; i <= 2; i++)
                if ($i ~ /^-/) { sub(/[[,].*/, "", $i); print $i }
        }' | sort -u
}

@test "a page's options are the command's, and the other way round" {
    local page name wrong=0
    flags "$ROOT/man/medvl.7" >shared
    [ "$(grep -c -- -- shared)" -ge 10 ]
    for page in "$ROOT"/man/*.1; do
        name=$(basename "$page" .1)
        command -v "$name" >/dev/null || {
            echo "$name: there is a page and no command"
            wrong=1
            continue
        }
        flags "$page" >documented
        options "$name" >offered
        [ -s offered ]
        comm -23 documented offered |
            sed "s/^/$name: only in the page: /" >differ
        comm -13 documented offered | comm -23 - shared |
            sed "s/^/$name: not in the page: /" >>differ
        [ ! -s differ ] || wrong=1
        cat differ
    done
    [ "$wrong" -eq 0 ]
}

@test "every option in medvl.7 is that of some command" {
    local path
    for path in "${MEDVL_BIN:-$ROOT/build/debug/bin}"/medvl*; do
        options "$path"
    done | sort -u >all
    flags "$ROOT/man/medvl.7" | comm -23 - all >unknown
    cat unknown
    [ ! -s unknown ]
}

# examples PAGE: its "$ " lines (and "> " after them) as a script.
examples() {
    mandoc -T ascii -O width=1000 "$1" | col -b | awk '
        /^EXAMPLES/ { on = 1; next }
        /^[A-Z]/ { on = 0 }
        on && /^ *[$] / { sub(/^ *[$] /, ""); print; more = 1; next }
        on && more && /^ *> / { sub(/^ *> /, ""); print; next }
        { more = 0 }'
}

@test "every example of every page runs" {
    local page name wrong='' ran=0
    for page in "$ROOT"/man/*.[1-8]; do
        name=$(basename "$page")
        mkdir "$name.d"
        examples "$page" >"$name.sh"
        if grep -q MEDVL_DATA "$name.sh" && [ -z "${MEDVL_DATA:-}" ]; then
            echo "# $name: skipped, MEDVL_DATA is not set" >&3
            continue
        fi
        ran=$((ran + $(wc -l <"$name.sh")))
        (cd "$name.d" && bash -e -u -x -o pipefail "../$name.sh") \
            >"$name.log" 2>&1 </dev/null || {
            wrong="$wrong $name"
            tail -n 20 "$name.log"
        }
    done
    echo "ran $ran lines; failed:$wrong"
    [ -z "$wrong" ]
    [ "$ran" -ge 10 ]
}
