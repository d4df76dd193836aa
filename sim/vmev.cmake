# SPDX-License-Identifier: GPL-2.0-only
#
# Included by sim/ and tests/harness/, whichever comes first.
#
# vmev_harness: the hypervisor's files of xen/, as they are, with the world
# that they expect (shim/) and a simulated processor (arch/).  What links it is
# GPL-2.0-only.

include_guard(GLOBAL)

if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    message(STATUS "vmi-sim simulates x86 with x86's public headers of Xen, "
                   "which its host must be too: left out")
    return()
endif()

# The legacy ABI's headers are those of the installed libxen-dev.  They are
# reached by a name of their own, since <xen/...> is Xen's inner headers here.
find_path(XEN_PUBLIC_DIR NAMES xen/vm_event.h
          DOC "Folder that holds xen/vm_event.h of libxen-dev")
if(NOT XEN_PUBLIC_DIR)
    message(FATAL_ERROR "xen/vm_event.h not found: install libxen-dev")
endif()
set(VMEV_SYS "${PROJECT_BINARY_DIR}/sim-sys")
file(MAKE_DIRECTORY "${VMEV_SYS}")
file(CREATE_LINK "${XEN_PUBLIC_DIR}/xen" "${VMEV_SYS}/sys-xen" SYMBOLIC)

find_package(Threads REQUIRED)

set(VMEV_XEN "${PROJECT_SOURCE_DIR}/xen")
set(VMEV_SIM "${PROJECT_SOURCE_DIR}/sim")
# What the Makefile there lists; a file that it gains is taken up by itself.
file(GLOB VMEV_XEN_SOURCES CONFIGURE_DEPENDS
     ${VMEV_XEN}/common/vm_event/*.c)
list(APPEND VMEV_XEN_SOURCES ${VMEV_XEN}/arch/x86/vm_event_v2.c)

add_library(vmev_harness STATIC
            ${VMEV_XEN_SOURCES}
            ${VMEV_SIM}/shim/domain.c ${VMEV_SIM}/shim/evtchn.c
            ${VMEV_SIM}/shim/host.c ${VMEV_SIM}/shim/lock.c
            ${VMEV_SIM}/shim/page.c ${VMEV_SIM}/shim/rcu.c
            ${VMEV_SIM}/shim/sched.c ${VMEV_SIM}/shim/softirq.c
            ${VMEV_SIM}/arch/arch_sim.c ${VMEV_SIM}/arch/monitor_sim.c)
target_include_directories(vmev_harness PUBLIC
    ${VMEV_SIM}/shim/include ${VMEV_SIM}/shim ${VMEV_SIM}/arch
    ${VMEV_XEN}/include ${VMEV_XEN}/common/vm_event)
target_include_directories(vmev_harness SYSTEM PUBLIC ${VMEV_SYS})
target_compile_definitions(vmev_harness PUBLIC __XEN_TOOLS__)
# Xen's language is GNU C, and its config.h comes before everything.  Its
# callbacks have arguments that not each of them uses, and it compares signed
# counters with unsigned ones.
target_compile_options(vmev_harness PUBLIC
    -include xen/config.h -Wno-unused-parameter -Wno-sign-compare)
set_target_properties(vmev_harness PROPERTIES C_EXTENSIONS ON)
if(VMIRING_TSAN AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # GCC warns of fences, which it can't check; see asm/system.h.
    target_compile_options(vmev_harness PUBLIC -Wno-tsan)
endif()
target_link_libraries(vmev_harness PUBLIC Threads::Threads)
