#!/usr/bin/env bash
# What a reader should not have to look for: format, order of modules,
# forbidden calls, shell and man pages.  Run by `make lint`, which builds
# the libraries first (their symbols are looked at).
#
#   tests/lint.sh [TREE]     TREE is build/release
#
# Prints one line a problem, then how many there are; exit 1 if any.
set -u

cd "$(dirname "$0")/.." || exit 1
tree=${1:-build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Problems are the lines that a check prints.
check() {
    "$@" 2>&1 | sed 's/^/lint: /' | tee -a "$work/problems"
}

tracked() {
    git ls-files --cached --others --exclude-standard -- "$@" |
        while read -r file; do [ ! -f "$file" ] || echo "$file"; done
}
tracked '*.c' '*.h' '*.cu' >"$work/code"
tracked '*.sh' '*.bash' '*.bats' .ci/run >"$work/shell"
tracked 'man/*.[1-8]' >"$work/pages"

formatted() {
    xargs -a "$work/code" clang-format --dry-run 2>&1 |
        grep -E '(warning|error):' | cut -d: -f1,2 | sort -u |
        sed 's/$/: clang-format differs/'
}

columns() {
    cat "$work/code" "$work/shell" |
        LC_ALL=C.UTF-8 xargs grep -nE '^.{81,}$' /dev/null |
        cut -d: -f1,2 | sed 's/$/: more than 80 columns/'
}

# Over 100 lines is a problem; over 60 is said, not counted.
function_lengths() {
    xargs -a "$work/code" ctags -o - --languages=C,C++ --langmap=C++:+.cu \
        --kinds-C=f --kinds-C++=f --fields=+ne |
        awk -F'\t' '{
            from = to = 0
            for (i = 4; i <= NF; i++) {
                if ($i ~ /^line:/) from = substr($i, 6)
                if ($i ~ /^end:/) to = substr($i, 5)
            }
            lines = to - from + 1
            where = $2 ":" from ": " $1 " has " lines " lines"
            if (lines > 100) print where
            else if (lines > 60) print "note: " where >"/dev/stderr"
        }' 2>"$work/notes"
    cat "$work/notes" >&3
}

first_comment() {
    while read -r file; do
        case $(head -c 2 "$file") in
        '/*') ;;
        *) echo "$file:1: no first comment that says what it is" ;;
        esac
    done <"$work/code"
}

# lib/README.md lists the modules; a file belongs to the module whose name
# it has, alone or before a "_".  The files of an operation stand at
# kernels/ops.  Nothing includes what is listed after it.
module_order() {
    grep -E '^(lib|kernels)/' "$work/code" |
        xargs grep -nE '^#include "(lib|kernels)/' /dev/null >"$work/includes"
    grep -E '^(lib|kernels)/' "$work/code" | awk '
        function module(path,   name, best, m) {
            sub(/^lib\//, "", path)
            sub(/\.(c|h|cu)$/, "", path)
            best = ""
            for (m in place)
                if ((path == m || index(path, m "_") == 1) &&
                    length(m) > length(best))
                    best = m
            if (best == "" && path ~ /^kernels\//) best = "kernels/ops"
            return best
        }
        FILENAME ~ /README/ && /^[0-9]+\. / {
            name = $2
            sub(/:.*/, "", name)
            place[name] = ++count
            if ($1 + 0 != count)
                print "lib/README.md:" FNR ": number " $1 ", want " count "."
        }
        FILENAME ~ /includes$/ {
            split($0, part, ":")
            split($0, quoted, "\"")
            mine = module(part[1])
            other = module(quoted[2])
            if (place[other] > place[mine])
                print part[1] ":" part[2] ": " mine " stands before " other
        }
        FILENAME == "-" && module($0) == "" {
            print $0 ":1: not in lib/README.md"
        }' lib/README.md "$work/includes" -
}

# A header of C, POSIX, Linux or the compiler is anybody's; another's
# stands in one module.
foreign_headers() {
    local system='assert|cpuid|ctype|dirent|dlfcn|endian|errno|fcntl|fenv'
    system="$system|float|fnmatch|fts|[a-z]*intrin|inttypes|iso646|libgen"
    system="$system|limits|locale|math"
    system="$system|poll|pthread|sched|semaphore|setjmp|signal|spawn|stdalign"
    system="$system|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib"
    system="$system|stdnoreturn|string|strings|sys/[a-z]*|linux/[a-z]*|time"
    system="$system|unistd|wchar|getopt|cuda_[a-z0-9_]*|cuda|mma"
    grep -E '^(lib|kernels|cmd)/' "$work/code" |
        xargs grep -E '^#include <' /dev/null |
        sed -E 's/^([^:]*):#include <([^>]*)>.*/\2 \1/' |
        grep -vE "^($system)\.h " |
        sed -E 's,([^/_]*)(_[^/ ]*)?\.(c|h|cu)$,\1,' | sort -u |
        awk '{ n[$1]++; where[$1] = where[$1] " " $2 }
            END { for (h in n) if (n[h] > 1)
                print "<" h "> in more than one module:" where[h] }'
}

# The library says nothing and ends nothing.
silent_library() {
    local calls='exit|_exit|_Exit|quick_exit|abort|printf|vprintf|puts'
    calls="$calls|putchar|perror|stdout|stderr|__printf_chk|system"
    find "$tree/lib" "$tree/kernels" -name '*.o' -exec nm -uA {} + |
        grep -E " U ($calls)(@|$)" | sed 's/: *U / calls /'
}

banned_calls() {
    local words='strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gets'
    xargs -a "$work/code" grep -nwE "($words|setlocale) ?\(" /dev/null
}

shell_scripts() {
    xargs -a "$work/shell" shellcheck -x -f gcc
}

# groff and mandoc both read every page without a word.
man_pages() {
    while read -r page; do
        mandoc -T lint -W warning "$page"
        groff -mdoc -ww -z "$page"
    done <"$work/pages"
}

# A command has a page, a test and a line in the README; a library module
# has a test.
complete_sets() {
    local source name
    for source in cmd/medvl-*.c; do
        name=$(basename "$source" .c)
        [ "$name" != medvl-decode ] || continue
        [ -f "man/$name.1" ] || echo "$source: no man/$name.1"
        [ -f "tests/cli/${name#medvl-}.bats" ] ||
            echo "$source: no tests/cli/${name#medvl-}.bats"
        grep -q "\`$name\`" README.md || echo "$source: no line in README.md"
    done
    sed -nE 's,^[0-9]+\. ([a-z]+)/([a-z0-9_]+):.*,\1 \2,p' lib/README.md |
        while read -r group name; do
            [ "$group" != kernels ] || continue
            [ -f "lib/$group/$name.h" ] ||
                echo "lib/README.md: no lib/$group/$name.h"
            compgen -G "tests/unit/test_$name*.c" >/dev/null ||
                [ -f "tests/cli/$name.bats" ] ||
                echo "lib/$group/$name.h: no test of its name"
        done
}

# Nothing of the machine that it was written on.
no_local_paths() {
    tracked . | LC_ALL=C xargs grep -nIF -e "$PWD/" -e "${HOME:-/none}/" \
        -e "$(dirname "$PWD")/shared" /dev/null | cut -c1-120
}

exec 3>&2
check formatted
check columns
check function_lengths
check first_comment
check module_order
check foreign_headers
check silent_library
check banned_calls
check shell_scripts
check man_pages
check complete_sets
check no_local_paths

problems=$(wc -l <"$work/problems")
echo "lint: $problems problems"
[ "$problems" -eq 0 ]
