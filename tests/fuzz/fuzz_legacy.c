/* SPDX-License-Identifier: MIT */
/* The library's parser of the legacy ring, whose page may say anything. */
#include "fake_ring.h"
#include "readout.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    ring_set_up();
    r->deaf = true;  /* they answer what was never asked */

    return 0;
}

static void overwrite(struct input *in)
{
    uint8_t what = take8(in);
    uint16_t at = take16(in);

    if ( what % 4 == 0 )
        r->page->req_prod = r->req_prod + at;
    else if ( what % 4 == 1 )
        take(in, (uint8_t *)r->page + at % (HOST_PAGE - 64), 1 + what / 4);
    else
    {
        /* A request's header, where it counts most. */
        vm_event_request_t *req = ring_slot(r, at % ENTRIES);

        take(in, req, offsetof(vm_event_request_t, u) + 8);
        if ( what & 0x10 )
            req->version = VM_EVENT_INTERFACE_VERSION;
        if ( what & 0x20 )
            req->vcpu_id %= VCPUS;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    uint32_t base = take32(&in);
    uint8_t i, nr, who;

    memset(r->waiting, 0, sizeof(r->waiting));
    memset(r->paused, 0, sizeof(r->paused));
    memset(h->legacy->out, 0, sizeof(h->legacy->out));
    h->broken = 0;
    r->req_prod = r->rsp_cons = base;
    r->page->req_prod = r->page->rsp_prod = base;
    h->legacy->req_cons = h->legacy->rsp_prod = h->legacy->limit = base;

    nr = take8(&in) % (ENTRIES + 1);
    for ( i = 0; i < nr; i++ )
    {
        who = take8(&in);
        ring_raise(r, who / 2 % VCPUS, who & 1);
    }
    nr = take8(&in) % 16;
    for ( i = 0; i < nr; i++ )
        overwrite(&in);
    receive_all(h, ENTRIES + 1);
    /* Once more: what a broken ring says does not change. */
    receive_all(h, 0);

    return 0;
}
