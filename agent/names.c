/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "print.h"

#define NAME(table, i) \
    ((i) < sizeof(table) / sizeof(*(table)) && (table)[i] ? (table)[i] \
                                                          : "unknown")

const char *print_ctrlreg_name(uint32_t index)
{
    static const char *const names[] = { "cr0", "cr3", "cr4", "xcr0" };

    return NAME(names, index);
}

const char *print_descriptor_name(uint32_t descriptor)
{
    static const char *const names[] = { NULL, "idtr", "gdtr", "ldtr", "tr" };

    return NAME(names, descriptor);
}

const char *print_domain_state(uint32_t state)
{
    static const char *const names[] = { "running", "shutdown", "dying" };

    return NAME(names, state);
}

/* SHUTDOWN_* of Xen's sched.h. */
const char *print_shutdown_code(uint32_t code)
{
    static const char *const names[] = {
        "poweroff", "reboot", "suspend", "crash", "watchdog", "soft-reset"
    };

    return NAME(names, code);
}

void print_access(uint32_t access, char out[4])
{
    out[0] = access & VMIRING_MEM_R ? 'r' : '-';
    out[1] = access & VMIRING_MEM_W ? 'w' : '-';
    out[2] = access & VMIRING_MEM_X ? 'x' : '-';
    out[3] = '\0';
}

void print_hex(const uint8_t *bytes, unsigned int n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for ( unsigned int i = 0; i < n; i++ )
    {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}
