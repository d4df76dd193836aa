/* SPDX-License-Identifier: MIT */
/* Everything that an application can read of an event. */
#ifndef FUZZ_READOUT_H
#define FUZZ_READOUT_H

#include <errno.h>

#include "private.h"
#include "input.h"

static volatile uint64_t readout_sink;

static inline void read_out(vmiring *handle, const struct vmiring_event *ev)
{
    union {
        struct vmiring_ctrlreg ctrlreg;
        struct vmiring_msr msr;
        struct vmiring_cpuid cpuid;
        struct vmiring_debug debug;
        struct vmiring_mem mem;
        struct vmiring_descriptor descriptor;
        struct vmiring_interrupt interrupt;
        struct vmiring_vmexit vmexit;
        struct vmiring_lost lost;
        struct vmiring_domain domain;
    } u;
    struct vmiring_response rsp = { .size = sizeof(rsp) };
    const struct event *e = ev->priv;
    uint64_t value;
    uint32_t i;

    vmiring_get_ctrlreg(ev, &u.ctrlreg);
    vmiring_get_msr(ev, &u.msr);
    vmiring_get_cpuid(ev, &u.cpuid);
    vmiring_get_debug(ev, &u.debug);
    vmiring_get_mem(ev, &u.mem);
    vmiring_get_descriptor(ev, &u.descriptor);
    vmiring_get_interrupt(ev, &u.interrupt);
    vmiring_get_vmexit(ev, &u.vmexit);
    vmiring_get_lost(ev, &u.lost);
    vmiring_get_domain(ev, &u.domain);
    for ( i = 0; i < 320; i++ )
        if ( !vmiring_get_reg(ev, i, &value) )
            readout_sink += value;
    for ( i = 0; i < e->rec.payload_size; i++ )
        readout_sink += ((const uint8_t *)e->payload)[i];
    vmiring_regs_from(ev, &rsp);
    MUST(vmiring_reason_name(ev->reason));
    MUST(ev->vcpu < handle->nr_vcpus);
    if ( ev->flags & VMIRING_EV_SYNC )
        vmiring_respond(handle, ev, NULL);
}

/* Receives until nothing comes; what comes is bounded. */
static inline void receive_all(vmiring *handle, uint32_t most)
{
    struct vmiring_event ev[32];
    uint32_t total = 0;
    int n, i;

    while ( (n = vmiring_receive(handle, ev, 32)) > 0 )
    {
        total += n;
        MUST(total <= most);
        for ( i = 0; i < n; i++ )
            read_out(handle, &ev[i]);
        vmiring_release(handle);
    }
    MUST(errno == EAGAIN || errno == EBADMSG || errno == ENODEV ||
         errno == ESTALE || errno == EOWNERDEAD);
}

#endif /* FUZZ_READOUT_H */
