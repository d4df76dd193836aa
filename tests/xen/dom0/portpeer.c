/* SPDX-License-Identifier: MIT */
/*
 * portpeer DOMID alloc      a new port of that domain that waits for ours to
 *                           bind it; prints its number
 * portpeer DOMID bind PORT  binds it and lets it go again: exit status 0 when
 *                           a process that nobody has restricted can do so
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>
#include <xenevtchn.h>

static int alloc(uint32_t domid)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    xc_evtchn_port_or_error_t port =
        xch ? xc_evtchn_alloc_unbound(xch, domid, 0) : -1;

    if ( port < 0 )
    {
        perror("xc_evtchn_alloc_unbound");
        return EXIT_FAILURE;
    }
    printf("%d\n", port);
    xc_interface_close(xch);
    return EXIT_SUCCESS;
}

static int bind_port(uint32_t domid, uint32_t port)
{
    xenevtchn_handle *handle = xenevtchn_open(NULL, 0);

    if ( !handle || xenevtchn_bind_interdomain(handle, domid, port) < 0 )
    {
        perror("xenevtchn_bind_interdomain");
        return EXIT_FAILURE;
    }
    xenevtchn_close(handle);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    uint32_t domid = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;

    if ( argc == 3 && !strcmp(argv[2], "alloc") )
        return alloc(domid);
    if ( argc == 4 && !strcmp(argv[2], "bind") )
        return bind_port(domid, (uint32_t)strtoul(argv[3], NULL, 10));
    fprintf(stderr, "usage: portpeer DOMID alloc | bind PORT\n");
    return EXIT_FAILURE;
}
