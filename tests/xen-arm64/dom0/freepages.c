/* SPDX-License-Identifier: MIT */
/* freepages: how many pages Xen's heap has left, by its own count. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <xenctrl.h>

int main(void)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    xc_physinfo_t info = { 0 };

    if ( !xch || xc_physinfo(xch, &info) )
    {
        perror("freepages");
        return EXIT_FAILURE;
    }
    printf("%" PRIu64 "\n", (uint64_t)info.free_pages);
    return EXIT_SUCCESS;
}
