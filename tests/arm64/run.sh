#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/arm64/run.sh OUT BUILD [--long]: the library and its unit tests, compiled
# for arm64 and run under qemu-user. Criterion and Xen's libraries have no
# package for a cross build: tests/plain stands in for the first, and what opens
# a real Xen (xen_host.c, the legacy plugin) is only compiled. And the harness:
# the hypervisor's files, compiled for arm64, with the simulated x86 machine
# around them (x86_guest.h).
#
# This shows that the code compiles, and works, as arm64's; not that its barriers
# are right: what runs below is a processor that orders stores.
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# shellcheck source=tests/lib/results.sh
. "$REPO_ROOT/tests/lib/results.sh"

# Left out: tests of x86's registers and emulation, which an arm64 host does
# not have; the memory that a fork finds zeroed, which qemu-user does not zero;
# and a race over so many events that it takes minutes here.
export PLAIN_SKIP='legacy.a_request_and_its_answer legacy.registers
    legacy.an_answer_with_registers legacy.an_answer_with_instruction_bytes
    legacy.an_answer_repeats_the_question fork.the_child_may_only_close
    fd_race.lazy_one_by_one'

compiler=aarch64-linux-gnu-gcc
tests=(event fd legacy legacy_surface memory open random respond v2_heir
       v2_ring v2_slots)

# The headers of Xen's libraries are the same everywhere; nothing else of this
# machine's is to be found.
link_headers()
{
    local to=$1 header

    mkdir -p "$to"
    ln -sfn /usr/include/xen "$to/xen"
    for header in /usr/include/xen*.h /usr/include/_xentoolcore_*.h; do
        [ ! -f "$header" ] || ln -sfn "$header" "$to/${header##*/}"
    done
}

compile()
{
    local work=$1

    shift
    "$compiler" -std=gnu11 -O2 -D_GNU_SOURCE -Wall -Wextra -Werror \
        -Wno-format-zero-length -pthread \
        -DVMIRING_LEGACY_PLUGIN='"/none"' -I"$REPO_ROOT/tests/plain" \
        -I"$REPO_ROOT/libvmi-ring/include" -I"$REPO_ROOT/libvmi-ring/src" \
        -I"$REPO_ROOT/xen/include/public" -I"$REPO_ROOT/tests/unit" \
        -isystem "$work/include" "$@"
}

build_library()
{
    local work=$1 source object
    local -a objects=()

    for source in "$REPO_ROOT"/libvmi-ring/src/*.c \
        "$REPO_ROOT"/tests/arm64/absent.c "$REPO_ROOT"/tests/plain/plain.c \
        "$REPO_ROOT"/tests/unit/fake.c "$REPO_ROOT"/tests/unit/fake_ring.c; do
        object=$work/$(basename "$source" .c).o
        compile "$work" -c -o "$object" "$source" || return 1
        case ${object##*/} in
        xen_host.o | legacy_xen.o) ;;
        *) objects+=("$object") ;;
        esac
    done
    rm -f "$work/libtest.a"
    aarch64-linux-gnu-ar rcs "$work/libtest.a" "${objects[@]}"
}

run_test()
{
    local out=$1 work=$2 name=$3

    if ! compile "$work" -static -o "$work/$name" \
        "$REPO_ROOT/tests/unit/test_$name.c" "$work/plain.o" \
        "$work/libtest.a" >"$out/$name.log" 2>&1; then
        result "$out/results" fail "sdk-$name" "does not compile: see $out/$name.log"
    elif timeout 110 qemu-aarch64 "$work/$name" >>"$out/$name.log" 2>&1; then
        result "$out/results" pass "sdk-$name" "$(tail -n 1 "$out/$name.log")"
    else
        tail -n 5 "$out/$name.log"
        result "$out/results" fail "sdk-$name" "see $out/$name.log"
    fi
}

# Every program of the harness; of the threads each scenario with 8 vCPUs.
harness=()
for name in "$REPO_ROOT"/tests/harness/test_*.c; do
    name=$(basename "$name" .c)
    [ "$name" = test_threads ] || harness+=("${name#test_}")
done
threads=(sync async split wakeups awake awake-split legacy-sync legacy-async
         killed-detach killed-hold hostile control dies)

compile_harness()
{
    local work=$1

    shift
    "$compiler" -std=gnu11 -O2 -D_GNU_SOURCE -Wall -Wextra -Werror \
        -Wno-unused-parameter -Wno-sign-compare -pthread \
        -include "$REPO_ROOT/tests/arm64/x86_guest.h" -include xen/config.h \
        -D__XEN_TOOLS__ -I"$REPO_ROOT/sim/shim/include" \
        -I"$REPO_ROOT/sim/shim" -I"$REPO_ROOT/sim/arch" \
        -I"$REPO_ROOT/xen/include" -I"$REPO_ROOT/xen/common/vm_event" \
        -I"$REPO_ROOT/tests/harness" -isystem "$work/sys" "$@"
}

build_harness()
{
    local work=$1/harness source object name
    local -a objects=() wrap

    mkdir -p "$work/sys"
    ln -sfn /usr/include/xen "$work/sys/sys-xen"
    for source in "$REPO_ROOT"/xen/common/vm_event/*.c \
        "$REPO_ROOT"/xen/arch/x86/vm_event_v2.c "$REPO_ROOT"/sim/shim/*.c \
        "$REPO_ROOT"/sim/arch/*.c "$REPO_ROOT"/tests/harness/harness.c; do
        object=$work/$(basename "$(dirname "$source")")-$(basename "$source" .c).o
        compile_harness "$work" -c -o "$object" "$source" || return 1
        objects+=("$object")
    done
    rm -f "$work/libharness.a"
    aarch64-linux-gnu-ar rcs "$work/libharness.a" "${objects[@]}"
    for name in "${harness[@]}" threads; do
        wrap=()
        [ "$name" != create ] || wrap=('-Wl,--wrap=vm_event_ring_init,--wrap=arch_vm_event_rsp_flags')
        compile_harness "$work" -static -o "$work/$name" \
            "$REPO_ROOT/tests/harness/test_$name.c" "$work/libharness.a" \
            "${wrap[@]}" || return 1
    done
}

# run_harness OUT NAME PROGRAM [ARGUMENT...]
run_harness()
{
    local out=$1 name=$2

    shift 2
    if timeout 110 qemu-aarch64 "$@" >"$out/$name.log" 2>&1; then
        result "$out/results" pass "$name" "$(tail -n 1 "$out/$name.log")"
    else
        tail -n 5 "$out/$name.log"
        result "$out/results" fail "$name" "see $out/$name.log"
    fi
}

check_harness()
{
    local out=$1 work=$2/arm64 name

    if ! build_harness "$work" >"$out/build-harness.log" 2>&1; then
        tail -n 10 "$out/build-harness.log"
        result "$out/results" fail build-harness "see $out/build-harness.log"
        return
    fi
    for name in "${harness[@]}"; do
        run_harness "$out" "harness-$name" "$work/harness/$name"
    done
    for name in "${threads[@]}"; do
        run_harness "$out" "harness-threads-$name" "$work/harness/threads" \
            "$name" 8
    done
}

main()
{
    local out=$1 work=$2/arm64 name

    mkdir -p "$out" "$work"
    link_headers "$work/include"
    if ! build_library "$work" >"$out/build.log" 2>&1; then
        tail -n 10 "$out/build.log"
        result "$out/results" fail build "see $out/build.log"
        return
    fi
    result "$out/results" pass build "the library, all of its files"
    for name in "${tests[@]}"; do
        run_test "$out" "$work" "$name"
    done
    check_harness "$out" "$2"
}

main "$@"
