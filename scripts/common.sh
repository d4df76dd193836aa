# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by every script of the project: where the repository and the cache
# are, how progress and errors are printed, and how two runs share the cache.

REPO_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What is expensive (hypervisor, kernel, toolstack) is built once and kept
# outside the tree, so that `git clean` costs nothing and CI can keep it.
default_cache_dir()
{
    if [ -n "${XDG_CACHE_HOME:-}" ]; then
        echo "$XDG_CACHE_HOME/vmi-ring"
    elif [ -n "${HOME:-}" ]; then
        echo "$HOME/.cache/vmi-ring"
    else
        echo "/var/tmp/vmi-ring-cache-$UID"
    fi
}

VMIRING_CACHE=${VMIRING_CACHE:-$(default_cache_dir)}
export REPO_ROOT VMIRING_CACHE

# A command that fails unexpectedly ends the script (set -e): say where.
set -E
trap 'printf "error: %s line %s failed\n" "${BASH_SOURCE[0]}" "$LINENO" >&2' ERR

# Progress goes to stderr: several scripts print their result path on stdout.
say()
{
    printf '%s\n' "$*" >&2
}

die()
{
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# run_logged LOG WHAT COMMAND...: quiet while it works; when it does not, the
# lines that speak of errors (a parallel build goes on after the first) and the
# end of the log.
run_logged()
{
    local log=$1 what=$2

    shift 2
    if ! "$@" >>"$log" 2>&1 </dev/null; then
        grep -nE '(^|[^a-zA-Z-])error:|Error [0-9]+$|undefined reference' \
            "$log" | cut -c1-240 | head -n 10 >&2 || true
        say "error: $what failed; the last 30 lines of $log:"
        tail -n 30 "$log" >&2
        return 1
    fi
}

# lock_cache NAME: held until the calling shell ends, so that two checks on
# one machine do not build the same thing into the same folder.
lock_cache()
{
    mkdir -p "$VMIRING_CACHE/locks"
    exec {cache_lock_fd}>"$VMIRING_CACHE/locks/$1"
    if ! flock -n "$cache_lock_fd"; then
        say "waiting for another run that is preparing $1"
        flock "$cache_lock_fd"
    fi
}

# hash_files FILE...: one hash over the contents, however the files are named.
hash_files()
{
    cat "$@" | sha256sum | cut -c1-16
}

# pack_cpio ROOT OUT: as the kernel's initramfs reads it, owned by root.
pack_cpio()
{
    (cd "$1" && find . | LC_ALL=C sort |
        cpio --quiet -o -H newc -R 0:0) >"$2"
}
