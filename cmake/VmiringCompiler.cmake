# SPDX-License-Identifier: MIT
#
# How everything in this repository is compiled: C11 without GNU extensions of
# the language (but with glibc's full interface), no warnings, and no symbol
# exported unless a version script names it.

option(VMIRING_WERROR "Treat compiler warnings as errors" ON)
option(VMIRING_ASAN "Build with AddressSanitizer and UBSan" OFF)
option(VMIRING_TSAN "Build with ThreadSanitizer" OFF)
option(VMIRING_FUZZ "Build the fuzzers, with clang" OFF)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, ..." FORCE)
endif()

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra)
if(VMIRING_WERROR)
    add_compile_options(-Werror)
endif()

if(VMIRING_ASAN AND VMIRING_TSAN)
    message(FATAL_ERROR
            "VMIRING_ASAN and VMIRING_TSAN exclude each other: "
            "a program can carry one of these sanitizers only")
endif()

# The first report ends the program, so that a test cannot pass over it.
if(VMIRING_ASAN)
    add_compile_options(-fsanitize=address,undefined
                        -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
elseif(VMIRING_TSAN)
    add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
    add_link_options(-fsanitize=thread)
endif()

if(VMIRING_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
    add_link_options(-fsanitize=fuzzer-no-link)
endif()
