#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/xen/fetch-source.sh [xen|qemu]: prints the path of an unpacked Debian
# source tree of Xen, or of QEMU, fetching it once into the cache.
#
#   XEN_SRC=DIR   use that tree instead (nothing is fetched or checked here;
#                 xen/apply refuses a tree that it does not know)
#   QEMU_SRC=DIR  likewise
#
# Debian's sources are off by default (no deb-src line). This script derives
# deb-src lines from the system's own apt sources into a private apt
# configuration: same mirror, same keys, and nothing of the system changes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
. "$here/../../scripts/common.sh"

apt_dir=$VMIRING_CACHE/apt
src_dir=$VMIRING_CACHE/src

# The releases that the edits in xen/, and qemu/, are written against; a file by
# which a tree of each is known; where its name is kept.
choose()
{
    package=$1 log=$VMIRING_CACHE/logs/fetch-source.log
    case $package in
    xen)
        releases='4\.17\..*' named=4.17 probe=xen/common/vm_event.c
        current=$src_dir/current variable=XEN_SRC
        ;;
    qemu)
        releases='1:7\.2[.+].*' named=7.2 probe=target/i386/svm.h
        current=$src_dir/current-qemu variable=QEMU_SRC
        log=$VMIRING_CACHE/logs/fetch-source-qemu.log
        ;;
    *) die "usage: fetch-source.sh [xen|qemu]" ;;
    esac
    by_hand=${!variable:-}
}

# Debian's own entries of this release, as "FILE:N|SUITE" where N counts lines
# of a .list file and stanzas of a .sources file. The release itself comes
# first: its pool keeps the files that the index names, while sources named by
# the security index have answered 404.
debian_entries()
{
    local codename

    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt expands these names
    apt-get indextargets --format \
        '$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(CREATED_BY)|$(SOURCESENTRY)' |
        awk -F'|' -v c="$codename" '
            $1 == "Debian" && $3 == "main" && $4 == "Packages" &&
            index($2, c) == 1 && !seen[$2]++ { print length($2) "|" $2 "|" $5 }' |
        sort -t'|' -n | cut -d'|' -f2-
}

# write_private_source SUITE FILE:N: that entry alone, as deb-src, in main only.
write_private_source()
{
    local suite=$1 file=${2%:*} n=${2##*:} out=$apt_dir/sources.list.d

    rm -rf "$out"
    mkdir -p "$out"
    case $file in
    *.sources)
        awk -v RS= -v n="$n" 'NR == n' "$file" | grep -v '^#' |
            sed -e 's/^Types:.*/Types: deb-src/I' \
                -e "s/^Suites:.*/Suites: $suite/I" \
                -e 's/^Components:.*/Components: main/I' >"$out/debian.sources"
        ;;
    *)
        sed -n "${n}p" "$file" |
            sed -E 's/^[[:space:]]*deb[[:space:]]/deb-src /' >"$out/debian.list"
        ;;
    esac
}

write_private_config()
{
    mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial"
    cat >"$apt_dir/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt_dir/sources.list.d";
Dir::State::lists "$apt_dir/lists";
Dir::Cache "$apt_dir/cache";
APT::Sandbox::User "$(id -un)";
CONF
}

private_apt()
{
    APT_CONFIG=$apt_dir/apt.conf "$@"
}

# Newest first.
offered_versions()
{
    private_apt apt-cache showsrc --only-source "$package" 2>>"$log" |
        sed -n "s/^Version: \\($releases\\)\$/\\1/p" | sort -rV -u
}

# try_version VERSION: unpacks into a scratch folder and renames it at the end,
# so that a half-fetched tree is never taken for a whole one.
try_version()
{
    local version=$1 scratch=$src_dir/.fetch.$$ name=$package-${1#*:}

    rm -rf "$scratch"
    mkdir -p "$scratch"
    if (cd "$scratch" &&
            private_apt apt-get -q source --download-only "$package=$version" &&
            dpkg-source --no-check -x ./*.dsc tree) >>"$log" 2>&1 </dev/null
    then
        rm -rf "${src_dir:?}/$name"
        mv "$scratch/tree" "$src_dir/$name"
        rm -rf "$scratch"
        echo "$name" >"$current"
        return 0
    fi
    rm -rf "$scratch"
    return 1
}

fetch()
{
    local entry version

    say "fetching Debian's source of $package"
    write_private_config
    while IFS='|' read -r suite entry; do
        write_private_source "$suite" "$entry"
        private_apt apt-get -q update >>"$log" 2>&1 || continue
        for version in $(offered_versions); do
            if try_version "$version"; then
                say "$package $version from $suite"
                return 0
            fi
            say "$suite names $package $version but its files cannot be fetched"
        done
    done < <(debian_entries)
    return 1
}

# The package lists of a fresh container are empty, and so is indextargets.
ensure_targets()
{
    if [ -z "$(debian_entries)" ]; then
        die "this system's apt names no Debian release in its sources; unpack a source of $package $named by hand and set $variable=DIR"
    fi
}

main()
{
    choose "${1:-xen}"
    if [ -n "$by_hand" ]; then
        [ -f "$by_hand/$probe" ] ||
            die "$variable=$by_hand is not an unpacked source of $package"
        (cd "$by_hand" && pwd)
        return
    fi

    mkdir -p "$src_dir" "${log%/*}"
    lock_cache source
    if [ ! -f "$current" ]; then
        : >"$log"
        ensure_targets
        fetch || {
            tail -n 30 "$log" >&2
            die "no source package of $package $named can be fetched (log: $log); unpack one by hand and set $variable=DIR"
        }
    fi
    echo "$src_dir/$(cat "$current")"
}

main "$@"
