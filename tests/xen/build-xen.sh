#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/build-xen.sh stock|patched [--arch x86_64|arm64] [KEY=VALUE...]
# tests/xen/build-xen.sh stock|patched --source DIR
#
# The second form only lays out the source that would be built. The first
# builds the hypervisor from Debian's Xen source with Debian's configuration and
# the Kconfig lines given (VM_EVENT_LEGACY=n, DEBUG=y, ...), and prints the folder
# that holds the result:
#
#   xen          what a boot loader (here: qemu -kernel) takes
#   xen-syms     with symbols
#   config       the configuration that was really used
#   livepatch/   Xen's own livepatch payloads, made for exactly this build
#
# `patched` runs xen/apply on a copy of the source first. Results are kept in
# the cache under a hash of everything that went into them. Beside them stands
# one build tree per variant, into which only changed files are copied, so that
# a change of one file costs seconds.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"

keep_results=20

usage()
{
    die "usage: build-xen.sh stock|patched [--arch x86_64|arm64] [KEY=VALUE...] | --source DIR"
}

# What the build reads of a source tree, without what builds leave behind.
source_files()
{
    (cd "$1" && find Config.mk config xen debian/xen-kconfig -type f \
        ! -name '*.o' ! -name '*.cmd' ! -name '.*.d' ! -name '*.pyc' |
        LC_ALL=C sort)
}

hash_tree()
{
    (cd "$1" && source_files . | tr '\n' '\0' | xargs -0 sha256sum |
        sha256sum | cut -c1-16)
}

# A fetched source never changes; one named by hand may.
source_key()
{
    if [ -n "${XEN_SRC:-}" ]; then
        hash_tree "$source_tree"
    else
        basename "$source_tree"
    fi
}

edits_key()
{
    [ "$variant" = patched ] || { echo none; return; }
    (cd "$REPO_ROOT" && find xen -type f ! -name '*.pyc' -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
}

# KEY=VALUE or CONFIG_KEY=VALUE to the one spelling that Kconfig reads.
normalise_config()
{
    local line

    for line; do
        [[ $line =~ ^(CONFIG_)?[A-Z0-9_]+=.+$ ]] || usage
        echo "CONFIG_${line#CONFIG_}"
    done | LC_ALL=C sort
}

# Where ccache keeps objects. It does not see what the assembler includes, which
# on x86 is made of two headers and the configuration: each has a cache of its
# own, but for our options, which are not in there.
cache_for()
{
    local key=all

    if [ "$arch" = x86_64 ]; then
        key=$(cat "$1"/arch/x86/include/asm/{asm-defns,alternative-asm}.h \
            "$1/.config" 2>/dev/null | grep -v -e VM_EVENT -e '^#' | sha256sum | cut -c1-8)
    fi
    echo "$VMIRING_CACHE/ccache/$arch-$key"
}

# Configurations differ in a few files: what preprocesses to the same text is
# compiled once. The folder of a build would make each text another.
xen_make()
{
    env -u MAKEFLAGS -u MFLAGS -u CFLAGS -u CPPFLAGS -u LDFLAGS \
        PATH="/usr/lib/ccache:$PATH" CCACHE_DIR="$(cache_for "$1")" \
        CCACHE_MAXSIZE=1G CCACHE_NOHASHDIR=1 \
        WGET=/bin/false GIT=/bin/false \
        make -C "$1" -j2 XEN_COMPILE_ARCH="$(uname -m)" \
        XEN_TARGET_ARCH="$arch" CROSS_COMPILE="$cross" "${@:2}"
}

# stage_source DIR: the source as it shall be built, as a fresh copy.
stage_source()
{
    local stage=$1

    rm -rf "$stage"
    mkdir -p "$stage"
    (cd "$source_tree" && find . -mindepth 1 -maxdepth 1 \
        ! -name tools ! -name stubdom ! -name docs ! -name .git -print0 |
        xargs -0 cp -a -t "$stage")
    if [ "$variant" = patched ]; then
        [ -x "$REPO_ROOT/xen/apply" ] || die "xen/apply is missing"
        # xen/apply may look at files that the build does not need.
        for extra in tools docs; do
            cp -a "$source_tree/$extra" "$stage/"
        done
        run_logged "$log" "xen/apply" "$REPO_ROOT/xen/apply" "$stage"
    fi
}

# update_build_tree STAGE TREE: copies by content, so that times change only
# where content did, and removes what the source no longer has.
update_build_tree()
{
    local stage=$1 tree=$2 gone

    mkdir -p "$tree"
    source_files "$stage" >"$stage/.files"
    if [ -f "$tree/.files" ]; then
        LC_ALL=C comm -13 "$stage/.files" "$tree/.files" | while read -r gone; do
            rm -f "${tree:?}/$gone"
        done
    fi
    rsync -rlpc --files-from="$stage/.files" "$stage/" "$tree/"
    rsync -rlpc "$stage/config" "$tree/"
    cp "$stage/.files" "$tree/.files"
}

# configure TREE: Debian's configuration, then the lines asked for; a line that
# Kconfig did not take (misspelt, or a dependency missing) is an error. A
# configuration that is the same keeps its time, or all would be compiled anew.
configure()
{
    local tree=$1 line key value

    if [ "$arch" = x86_64 ]; then
        cp "$tree/debian/xen-kconfig" "$tree/xen/.config.wanted"
    else
        : >"$tree/xen/.config.wanted"
    fi
    printf '%s\n' "${config_lines[@]}" >>"$tree/xen/.config.wanted"
    KCONFIG_CONFIG=.config.wanted run_logged "$log" "configuring" \
        xen_make "$tree/xen" olddefconfig
    for line in "${config_lines[@]}"; do
        [ -n "$line" ] || continue
        key=${line%%=*} value=${line#*=}
        if [ "$value" = n ]; then
            grep -qx "# $key is not set" "$tree/xen/.config.wanted" && continue
        else
            grep -qxF "$line" "$tree/xen/.config.wanted" && continue
        fi
        die "Kconfig did not take $line (tree: $tree)"
    done
    cmp -s "$tree/xen/.config.wanted" "$tree/xen/.config" ||
        cp "$tree/xen/.config.wanted" "$tree/xen/.config"
}

# compile TREE OUT
compile()
{
    local tree=$1 out=$2

    run_logged "$log" "building the hypervisor" xen_make "$tree/xen" build
    mkdir -p "$out/livepatch"
    cp "$tree/xen/xen" "$tree/xen/xen-syms" "$out/"
    cp "$tree/xen/.config" "$out/config"
    if grep -qx CONFIG_LIVEPATCH=y "$tree/xen/.config"; then
        run_logged "$log" "building the livepatch payloads" \
            xen_make "$tree/xen" tests
        cp "$tree"/xen/test/livepatch/*.livepatch "$out/livepatch/"
    fi
}

prune_results()
{
    local old

    # shellcheck disable=SC2012 # our own names, newest first
    ls -1td "$VMIRING_CACHE"/xen/*/ 2>/dev/null | tail -n +$((keep_results + 1)) |
        while read -r old; do
            rm -rf "$old"
        done
}

build()
{
    local result=$1
    local tree=$VMIRING_CACHE/build/$variant-$arch-$config_key
    local stage=$VMIRING_CACHE/build/.stage-$variant-$arch-$config_key
    local started=$SECONDS

    lock_cache "build-$variant-$arch-$config_key"
    [ ! -e "$result/done" ] || return 0
    say "building the $variant hypervisor ($arch${config_lines[*]:+, ${config_lines[*]}}); log: $log"
    stage_source "$stage"
    update_build_tree "$stage" "$tree"
    rm -rf "$stage" "$result"
    configure "$tree"
    compile "$tree" "$result"
    cp "$log" "$result/build.log"
    touch "$result/done"
    prune_results
    say "built the $variant hypervisor in $((SECONDS - started)) s"
}

main()
{
    local key result

    [ $# -ge 1 ] || usage
    variant=$1 arch=x86_64 cross=
    shift
    source_tree=$("$here/fetch-source.sh")
    mkdir -p "$VMIRING_CACHE/logs"
    if [ "${1:-}" = --source ]; then
        log=$VMIRING_CACHE/logs/build-xen-source.log
        stage_source "${2:?}"
        return
    fi
    if [ "${1:-}" = --arch ]; then
        [ $# -ge 2 ] || usage
        arch=$2
        shift 2
    fi
    case $variant in stock | patched) ;; *) usage ;; esac
    case $arch in
    x86_64) ;;
    arm64) cross=aarch64-linux-gnu- ;;
    *) usage ;;
    esac

    mapfile -t config_lines < <(normalise_config "$@")
    config_key=$(printf '%s\n' "${config_lines[@]}" | sha256sum | cut -c1-8)
    key=$(printf '%s\n' "$variant" "$arch" "$config_key" "$(source_key)" \
        "$(edits_key)" "$("${cross}gcc" -dumpfullversion)" \
        "$(hash_files "${BASH_SOURCE[0]}")" | sha256sum | cut -c1-16)
    result=$VMIRING_CACHE/xen/$variant-$arch-$key
    log=$VMIRING_CACHE/logs/build-xen-$variant-$arch-$config_key.log

    if [ ! -e "$result/done" ]; then
        : >"$log"
        build "$result"
    fi
    touch "$result"
    echo "$result"
}

main "$@"
