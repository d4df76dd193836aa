/* SPDX-License-Identifier: MIT */
/*
 * monitor-legacy: reports and allows writes of CR4, and skips INT3.
 *
 * The monitor of monitor-v2.c on libxenctrl and the shared ring alone.  It
 * needs this release's libxenctrl, all of the host's privileges while it
 * runs, and a domain that nobody else watches; when it is killed, a vCPU that
 * waits for it waits for ever.
 *
 *     monitor-legacy DOMID
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenevtchn.h>
#include <xen/vm_event.h>

struct monitor {
    uint32_t domid;
    xc_interface *xc;
    xenevtchn_handle *evtchn;
    int port;
    void *page;
    vm_event_back_ring_t ring;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static int open_monitor(struct monitor *m)
{
    uint32_t remote;

    m->port = -1;
    m->xc = xc_interface_open(NULL, NULL, 0);
    m->evtchn = xenevtchn_open(NULL, 0);
    if ( !m->xc || !m->evtchn )
        return -1;
    m->page = xc_monitor_enable(m->xc, m->domid, &remote);
    if ( !m->page )
        return -1;
    m->port = xenevtchn_bind_interdomain(m->evtchn, m->domid, remote);
    if ( m->port < 0 )
        return -1;
    SHARED_RING_INIT((vm_event_sring_t *)m->page);
    BACK_RING_INIT(&m->ring, (vm_event_sring_t *)m->page, XC_PAGE_SIZE);
    return 0;
}

static int subscribe(struct monitor *m, bool on)
{
    return xc_monitor_write_ctrlreg(m->xc, m->domid, VM_EVENT_X86_CR4, on,
                                    true, 0, false) ||
           xc_monitor_software_breakpoint(m->xc, m->domid, on);
}

/* The whole request goes back: flags, registers and all. */
static void answer(struct monitor *m, const vm_event_request_t *req)
{
    vm_event_response_t rsp = {
        .version = VM_EVENT_INTERFACE_VERSION, .reason = req->reason,
        .vcpu_id = req->vcpu_id,
        .flags = req->flags & VM_EVENT_FLAG_VCPU_PAUSED,
    };

    if ( req->reason == VM_EVENT_REASON_WRITE_CTRLREG )
    {
        rsp.u.write_ctrlreg = req->u.write_ctrlreg;
        printf("vcpu %u cr4 0x%" PRIx64 " -> 0x%" PRIx64 "\n", req->vcpu_id,
               req->u.write_ctrlreg.old_value,
               req->u.write_ctrlreg.new_value);
    }
    else if ( req->reason == VM_EVENT_REASON_SOFTWARE_BREAKPOINT )
    {
        rsp.flags |= VM_EVENT_FLAG_SET_REGISTERS;
        rsp.data = req->data;
        rsp.data.regs.x86.rip += req->u.software_breakpoint.insn_length;
        printf("vcpu %u int3 at 0x%" PRIx64 "\n", req->vcpu_id,
               req->data.regs.x86.rip);
    }
    memcpy(RING_GET_RESPONSE(&m->ring, m->ring.rsp_prod_pvt), &rsp,
           sizeof(rsp));
    m->ring.rsp_prod_pvt++;
    RING_PUSH_RESPONSES(&m->ring);
}

/* Returns how many requests there were. */
static int drain(struct monitor *m)
{
    int n = 0;

    for ( ; RING_HAS_UNCONSUMED_REQUESTS(&m->ring); n++ )
    {
        vm_event_request_t req;

        xen_rmb();           /* the index before the request */
        memcpy(&req, RING_GET_REQUEST(&m->ring, m->ring.req_cons),
               sizeof(req));
        m->ring.req_cons++;
        m->ring.sring->req_event = m->ring.req_cons + 1;
        if ( req.version == VM_EVENT_INTERFACE_VERSION )
            answer(m, &req);
        else
            fprintf(stderr, "event of version %u, expected %u\n", req.version,
                    VM_EVENT_INTERFACE_VERSION);
    }
    if ( n )
        xenevtchn_notify(m->evtchn, m->port);
    return n;
}

static int handle(struct monitor *m)
{
    struct pollfd pfd = { .fd = xenevtchn_fd(m->evtchn), .events = POLLIN };
    int port;

    if ( poll(&pfd, 1, 1000) < 0 )
        return errno == EINTR ? 0 : -1;
    if ( pfd.revents & POLLIN )
    {
        port = xenevtchn_pending(m->evtchn);
        if ( port < 0 || xenevtchn_unmask(m->evtchn, port) )
            return -1;
    }
    drain(m);
    return 0;
}

/* Paused, or a vCPU may raise one more between the last look and the end. */
static void close_monitor(struct monitor *m)
{
    if ( m->port >= 0 )
    {
        xc_domain_pause(m->xc, m->domid);
        subscribe(m, false);
        while ( drain(m) )
            ;
        xc_domain_unpause(m->xc, m->domid);
        xenevtchn_unbind(m->evtchn, m->port);
    }
    if ( m->page )
    {
        munmap(m->page, XC_PAGE_SIZE);
        xc_monitor_disable(m->xc, m->domid);
    }
    xenevtchn_close(m->evtchn);
    xc_interface_close(m->xc);
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_signal };
    struct monitor m = { .domid = 0 };
    int rc;

    if ( argc != 2 )
    {
        fprintf(stderr, "usage: %s DOMID\n", argv[0]);
        return 2;
    }
    m.domid = strtoul(argv[1], NULL, 10);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);

    rc = open_monitor(&m) || subscribe(&m, true);
    while ( !stop && !rc )
        rc = handle(&m);
    if ( rc )
        fprintf(stderr, "domain %u: %s\n", m.domid, strerror(errno));
    close_monitor(&m);
    return rc ? 1 : 0;
}
