#!/bin/bash
# SPDX-License-Identifier: MIT
#
# scripts/deps.sh GROUP...: installs the Debian packages that the groups name.
#
#   base   compiler, build tools, and the libraries of SDK, agent and tests
#   xen    what building and booting the hypervisor needs
#   agent  what the tests of the agent's output use
#   arm64  cross compiler for the arm64 build
#   bench  other rings to measure against
#   proof  model checker, static analysers, coverage, user-mode emulation
#   xen-arm64  emulators for the arm64 suite
#   qemu   what building QEMU needs
#
# Only what is missing is installed, and nothing is asked of the network when
# nothing is missing. No Xen and no kernel package is installed: their
# maintainer scripts expect a machine that runs Xen, so the rig downloads and
# unpacks them instead (tests/xen/build-dom0.sh).
set -euo pipefail

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages_base=(
    build-essential cmake ninja-build pkg-config clang git procps python3
    libcriterion-dev libjson-c-dev libcapstone-dev libpcap-dev libsystemd-dev
    libseccomp-dev valgrind libbpf-dev bpftool libxen-dev
)

# gcc-multilib, which Debian's own build of Xen names, is left out: it
# conflicts with the arm64 cross compiler, and the 32-bit code here is all
# freestanding.
packages_xen=(
    qemu-system-x86 seabios busybox-static cpio xz-utils zstd ccache
    bc bison flex libelf-dev python3 dpkg-dev rsync file
    libncurses6 libtinfo6 libyajl2 liblzma5 libuuid1 zlib1g libzstd1
)

# Other rings, to be measured beside ours, and plots.
packages_bench=(libck-dev libdpdk-dev gnuplot-nox)

# The agent's documents and what its output goes to.
packages_agent=(python3-jsonschema scdoc rsyslog rsyslog-kafka strace)

# QEMU with its intercepts mended is built from Debian's source.
packages_qemu=(libglib2.0-dev libpixman-1-dev meson ninja-build patch python3-venv)

packages_arm64=(gcc-aarch64-linux-gnu)

packages_proof=(
    spin sparse coccinelle cppcheck clang-19 libclang-rt-19-dev llvm-19 clang-tidy shellcheck
    frama-c-base gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
)

# What tests/xen-arm64 needs besides: the machine, and qemu-aarch64 for tests.
packages_xen_arm64=(qemu-system-arm qemu-user)

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        die "installing packages needs root: run this as root, or install sudo"
    fi
}

is_installed()
{
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_of()
{
    local package

    for package; do
        is_installed "$package" || echo "$package"
    done
}

install_packages()
{
    local log=$VMIRING_CACHE/logs/apt.log

    mkdir -p "${log%/*}"
    : >"$log"
    say "installing: $*"
    # One unreachable third-party source fails the whole update although the
    # packages wanted here may still be found: let the install decide.
    run_logged "$log" "apt-get update" as_root apt-get -q update ||
        say "going on with the package lists as they are"
    run_logged "$log" "apt-get install" as_root apt-get -q -y \
        --no-install-recommends install "$@" ||
        die "cannot install the packages above: is this machine offline, or are its apt sources broken? Log: $log"
}

main()
{
    local group missing
    local -a wanted=()

    command -v apt-get >/dev/null || die "apt-get not found: the scripts set up Debian 12 (other systems: see the package lists in scripts/deps.sh)"
    for group; do
        case $group in
        base)  wanted+=("${packages_base[@]}") ;;
        xen)   wanted+=("${packages_xen[@]}") ;;
        xen-arm64) wanted+=("${packages_xen_arm64[@]}") ;;
        qemu)  wanted+=("${packages_qemu[@]}") ;;
        arm64) wanted+=("${packages_arm64[@]}") ;;
        bench) wanted+=("${packages_bench[@]}") ;;
        proof) wanted+=("${packages_proof[@]}") ;;
        agent) wanted+=("${packages_agent[@]}") ;;
        *)     die "unknown package group '$group' (known: base, xen, qemu, arm64, xen-arm64, bench, proof, agent)" ;;
        esac
    done

    missing=$(missing_of "${wanted[@]}")
    # shellcheck disable=SC2086 # package names hold no blanks
    [ -z "$missing" ] || install_packages $missing
}

main "$@"
