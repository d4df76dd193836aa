# SPDX-License-Identifier: MIT
#
# Toolchain file: builds everything for arm64 with Debian's cross compiler.
#
#   cmake -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake \
#         -DVMIRING_SYSROOT=DIR ...
#
# DIR holds Debian's arm64 packages unpacked (libc6-dev, libxen-dev, ...);
# tests/xen-arm64/fetch-packages.sh makes one and prints its parent.  Without
# it the libraries of the machine's own arm64 multiarch are used.  Where
# qemu-aarch64 is found, ctest runs the tests with it.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES VMIRING_SYSROOT)

set(VMIRING_SYSROOT "" CACHE PATH "Unpacked arm64 packages")
if(VMIRING_SYSROOT)
    set(CMAKE_SYSROOT "${VMIRING_SYSROOT}")
    set(ENV{PKG_CONFIG_SYSROOT_DIR} "${VMIRING_SYSROOT}")
endif()
set(ENV{PKG_CONFIG_PATH} "")
set(ENV{PKG_CONFIG_LIBDIR}
    "${VMIRING_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${VMIRING_SYSROOT}/usr/share/pkgconfig")

# Programs are this machine's, all else is the target's.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

find_program(VMIRING_QEMU_USER NAMES qemu-aarch64 qemu-aarch64-static)
mark_as_advanced(VMIRING_QEMU_USER)
if(VMIRING_QEMU_USER AND VMIRING_SYSROOT)
    set(CMAKE_CROSSCOMPILING_EMULATOR
        "${VMIRING_QEMU_USER};-L;${VMIRING_SYSROOT}")
endif()
