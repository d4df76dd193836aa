/* SPDX-License-Identifier: MIT */
/*
 * For Frama-C Eva: the walk through page tables that say anything, with
 * control registers that say anything.  Not the loop of a read across pages:
 * Eva does not keep the relation between what is done and what is left.
 */
#include "../../libvmi-ring/src/memory.c"

#include "__fc_builtin.h"

static volatile int anything;
static volatile uint64_t any64;

int fail(struct msg *msg, int err, const char *fmt, ...)
{
    (void)msg, (void)fmt;
    errno = err;

    return -1;
}

int usable(vmiring *h)
{
    (void)h;

    return 0;
}

int vmiring_get_reg(const struct vmiring_event *ev, enum vmiring_reg reg,
                    uint64_t *value)
{
    (void)ev, (void)reg;
    *value = any64;

    return anything & 1 ? -1 : 0;
}

/* The host writes what it was asked for, and nothing else. */
static int read_phys(struct host *host, uint32_t domid, uint64_t gpa, void *buf,
                     size_t size)
{
    uint8_t *to = buf;

    (void)host, (void)domid, (void)gpa;
    if ( anything )
    {
        errno = anything;
        return -1;
    }
    if ( size )
    {
        to[0] = anything;
        to[size - 1] = anything;
        Frama_C_make_unknown((char *)to, size);
    }

    return 0;
}

int main(void)
{
    static const struct host_ops ops = { .read_phys = read_phys };
    struct host host = { .ops = &ops };
    vmiring h = { .host = &host };
    struct vmiring_event ev = { 0 };
    uint64_t gpa = 0, va = any64;

    if ( !vmiring_translate(&h, &ev, va, &gpa) )
        any64 = gpa;

    return 0;
}
