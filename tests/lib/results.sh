# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# How suites report: a file of lines "pass|fail|skip SUITE.NAME TEXT". Sourced
# by ./check and by the suites' runners.

# result FILE pass|fail|skip NAME TEXT...
result()
{
    local file=$1

    shift
    printf '%s\n' "$*" >>"$file"
}

# import_results FILE PREFIX FROM: adds another runner's lines under a prefix.
import_results()
{
    local file=$1 prefix=$2 from=$3

    [ -f "$from" ] || return 0
    sed -E "s/^(pass|fail|skip) /\1 $prefix./" "$from" >>"$file"
}

# run_ctest OUT PREFIX BUILD SELECTION...: the tests of a CMake build that ctest
# selects, into OUT/results, under PREFIX when it is not empty.
run_ctest()
{
    local out=$1 prefix=$2 from=$3 log=$1/${2:-ctest}

    shift 3
    ctest --test-dir "$from" "$@" --output-on-failure --no-tests=error \
        --timeout 300 --output-junit "$log.xml" >"$log.log" 2>&1 ||
        tail -n 40 "$log.log"
    if [ -f "$log.xml" ]; then
        import_junit "$out/results" "$prefix" "$log.xml"
    else
        result "$out/results" fail "${prefix:-ctest}" "ctest gave no report, see $log.log"
    fi
}

# import_junit FILE PREFIX FROM: what ctest --output-junit wrote.
import_junit()
{
    python3 - "$2" "$3" >>"$1" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

prefix, path = sys.argv[1:]
for case in tree.parse(path).getroot().iter("testcase"):
    status = case.get("status", "")
    if case.find("failure") is not None or status == "fail":
        result = "fail"
    elif case.find("skipped") is not None or status == "notrun":
        result = "skip"
    else:
        result = "pass"
    text = ""
    for tag in ("failure", "skipped"):
        if case.find(tag) is not None:
            text = case.find(tag).get("message") or ""
    name = case.get("name").replace(" ", "-")
    if prefix:
        name = prefix + "." + name
    print(("%s %s %s" % (result, name, text)).rstrip())
PYTHON
}

# judge_skips FILE EXPECTED: a skip that is not expected becomes a failure. The
# booted-Xen suites, whose names begin with xen, never skip, whatever the list
# says.
judge_skips()
{
    local file=$1 expected=$2 kind name text

    while read -r kind name text; do
        if [ "$kind" = skip ] && { [[ $name == xen* ]] ||
                ! grep -q "^$name " "$expected"; }; then
            echo "fail $name unexpected skip: $text"
        else
            echo "$kind $name $text"
        fi
    done <"$file" >"$file.judged"
    mv "$file.judged" "$file"
}

# count_results FILE KIND
count_results()
{
    grep -c "^$2 " "$1" || true
}
