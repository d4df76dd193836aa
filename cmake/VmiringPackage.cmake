# SPDX-License-Identifier: MIT
#
# Installs the library as a package: headers, shared library, a pkg-config file
# and a CMake package, so that a program says
#
#     find_package(vmiring REQUIRED)
#     target_link_libraries(prog PRIVATE vmiring::vmiring)
#
# The folders install their own programs.

include(CMakePackageConfigHelpers)

set(VMIRING_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/vmiring")

install(TARGETS vmiring EXPORT vmiringTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/libvmi-ring/include/vmiring.h"
              "${PROJECT_SOURCE_DIR}/libvmi-ring/include/vmiring_capture.h"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

# For those who write another agent or another language's binding: the ABI
# itself.  vmiring.h does not include it.
install(FILES "${PROJECT_SOURCE_DIR}/xen/include/public/vm_event_v2.h"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/vmiring")

install(EXPORT vmiringTargets NAMESPACE vmiring::
        DESTINATION "${VMIRING_CMAKE_DIR}")
configure_package_config_file(
    "${CMAKE_CURRENT_LIST_DIR}/vmiring-config.cmake.in"
    "${PROJECT_BINARY_DIR}/vmiring-config.cmake"
    INSTALL_DESTINATION "${VMIRING_CMAKE_DIR}")
write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/vmiring-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/vmiring-config.cmake"
              "${PROJECT_BINARY_DIR}/vmiring-config-version.cmake"
        DESTINATION "${VMIRING_CMAKE_DIR}")

file(RELATIVE_PATH VMIRING_PC_UP
     "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file("${CMAKE_CURRENT_LIST_DIR}/vmi-ring.pc.in"
               "${PROJECT_BINARY_DIR}/vmi-ring.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/vmi-ring.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
