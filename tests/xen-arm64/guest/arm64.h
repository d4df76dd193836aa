/* SPDX-License-Identifier: MIT */
/*
 * Where the arm64 guest's pages are: the counters of tests/xen/guest/layout.h
 * and the areas whose accesses a test watches. A guest's RAM starts at 1 GiB.
 */
#ifndef VMIRING_TEST_GUEST_ARM64_H
#define VMIRING_TEST_GUEST_ARM64_H

#define GUEST_LAYOUT_PHYS 0x41000000U
#include "../../xen/guest/layout.h"

#define GUEST_DATA_PHYS   0x41200000UL  /* GFN 0x41200 to 0x413ff */
#define GUEST_CODE_PHYS   0x41400000UL  /* GFN 0x41400 to 0x415ff */
#define GUEST_AREA_PAGES  512U

#endif /* VMIRING_TEST_GUEST_ARM64_H */
