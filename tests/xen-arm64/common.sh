# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the scripts of the arm64 rig: libraries of foreign programs.

libdir=usr/lib/aarch64-linux-gnu


# library_path SYS NAME: where the packages have that library.
library_path()
{
    local dir

    for dir in lib/aarch64-linux-gnu "$libdir" lib; do
        if [ -e "$1/$dir/$2" ]; then
            echo "$1/$dir/$2"
            return
        fi
    done
    return 1
}

# copy_closure SYS ROOT: what the ELF files under ROOT load, and what that
# loads, from the packages in SYS. ldd would need an emulator.
copy_closure()
{
    local sys=$1 root=$2 name path changed=1

    mkdir -p "$root/$libdir" "$root/usr/lib"
    while [ $changed = 1 ]; do
        changed=0
        while read -r name; do
            case $name in
            ld-linux*) [ ! -e "$root/usr/lib/$name" ] || continue ;;
            *) [ ! -e "$root/$libdir/$name" ] || continue ;;
            esac
            path=$(library_path "$sys" "$name") ||
                die "arm64 programs need $name, which no fetched package has"
            case $name in
            ld-linux*) cp -L "$path" "$root/usr/lib/" ;;
            *) cp -L "$path" "$root/$libdir/" ;;
            esac
            changed=1
        done < <(find "$root" -type f \( -perm /111 -o -name '*.so*' \) -print0 |
            { xargs -0 readelf -d 2>/dev/null || true; } |
            sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p' | sort -u)
    done
}
