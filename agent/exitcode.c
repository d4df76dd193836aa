/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "exitcode.h"

enum exit_code exit_code_of_open(int err)
{
    switch ( err )
    {
    case ENOENT:
    case ESRCH:
        return EXIT_NO_DOMAIN;
    case EACCES:
    case EPERM:
        return EXIT_PERMISSION;
    case ENOSYS:
    case ECONNREFUSED:
        return EXIT_NO_XEN;
    case EBUSY:
        return EXIT_BUSY;
    case EPROTONOSUPPORT:
    case ENOTSUP:
    case ELIBACC:
        return EXIT_NO_ABI;
    case ENODEV:
        return EXIT_GONE;
    case EOWNERDEAD:
        return EXIT_TAKEN;
    case ESTALE:
        return EXIT_ENDED;
    case ENXIO:
        return EXIT_NO_CHANNEL;
    default:
        return EXIT_INTERNAL;
    }
}

static const char *hint(enum exit_code code)
{
    switch ( code )
    {
    case EXIT_NO_DOMAIN:
        return "expected the number of a running HVM or PVH domain; "
               "`vmi-agent --list` shows them";
    case EXIT_PERMISSION:
        return "expected access to /dev/xen/privcmd and to this domain; run "
               "as root in the control domain";
    case EXIT_NO_XEN:
        return "expected a Xen control domain; elsewhere start vmi-sim and "
               "use --sim";
    case EXIT_BUSY:
        return "expected a domain that nobody watches; stop the other agent, "
               "or use --takeover, or `vmi-agent --release DOMID`";
    case EXIT_NO_ABI:
        return "expected a host that offers what was asked for; `vmi-agent "
               "--probe` shows what it has, --abi chooses";
    case EXIT_NO_CHANNEL:
        return "expected a channel that an agent left under --on-death hold; "
               "without --reattach a new one is made";
    case EXIT_NO_EVENT:
        return "expected events that this CPU, domain and ABI can raise; "
               "`vmi-agent --probe --domid N` shows them";
    default:
        return NULL;
    }
}

void exit_print_hint(enum exit_code code, FILE *out)
{
    const char *text = hint(code);

    if ( text )
        fprintf(out, "vmi-agent: %s\n", text);
}
