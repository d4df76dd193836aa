/* SPDX-License-Identifier: MIT */
/*
 * legacy-monitor --domid N [OPTION...]: a vm_event client of the kind that
 * exists today, on libxenctrl and Xen's own ring macros, none of this
 * project's code. It is the other half of the oracle tests: what it sees on an
 * unpatched hypervisor it must see on ours.
 *
 *   -e LIST       guest-request[:sync|:async], cr0, cr3, cr4, msr, cpuid,
 *                 int3, desc; default guest-request
 *   -c COUNT      end after COUNT events
 *   --duration S  end after S seconds (default 10)
 *   --reply       answer guest requests and CPUID as guest/layout.h says
 *   --unpause     unpause the domain once attached
 *   --per-vcpu    one line per vCPU at the end
 *   --no-ring     subscribe without a ring, which Xen does not mind, until SIGTERM
 *
 * Prints "attached" when events can arrive, and "total received=N answered=N"
 * at the end. To withhold answers, stop it (kill -STOP) and let it go on again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define __XEN_TOOLS__ 1
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xen/vm_event.h>

#include "../guest/layout.h"

#define MAX_VCPUS   8192
#define POLL_MS     50
#define DRAIN_S     0.3     /* nothing arrives for so long: all is drained */
#define MSR_SYSENTER_EIP 0x176

static xc_interface *xch;
static xenevtchn_handle *evtchn;
static xenevtchn_port_or_error_t local_port;
static uint32_t domid;
static vm_event_back_ring_t ring;
static void *ring_page;

static const char *events = "guest-request";
static uint64_t max_events;
static double duration = 10;
static bool change_registers, unpause, show_vcpus, no_ring;

static uint64_t received, answered;
static uint64_t received_by_vcpu[MAX_VCPUS], answered_by_vcpu[MAX_VCPUS];

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check(int rc, const char *what)
{
    if ( rc < 0 )
    {
        fprintf(stderr, "legacy-monitor: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
    }
}

static void attach(void)
{
    uint32_t port;

    ring_page = xc_monitor_enable(xch, domid, &port);
    if ( !ring_page )
        check(-1, "xc_monitor_enable");
    evtchn = xenevtchn_open(NULL, 0);
    if ( !evtchn )
        check(-1, "xenevtchn_open");
    local_port = xenevtchn_bind_interdomain(evtchn, domid, port);
    check(local_port, "xenevtchn_bind_interdomain");

    SHARED_RING_INIT((vm_event_sring_t *)ring_page);
    BACK_RING_INIT(&ring, (vm_event_sring_t *)ring_page, XC_PAGE_SIZE);
}

static int subscribe_one(const char *event, bool on)
{
    if ( !strcmp(event, "guest-request") ||
         !strcmp(event, "guest-request:sync") )
        return xc_monitor_guest_request(xch, domid, on, true, false);
    if ( !strcmp(event, "guest-request:async") )
        return xc_monitor_guest_request(xch, domid, on, false, false);
    if ( !strcmp(event, "cr0") )
        return xc_monitor_write_ctrlreg(xch, domid, VM_EVENT_X86_CR0, on, true,
                                        0, false);
    if ( !strcmp(event, "cr3") )
        return xc_monitor_write_ctrlreg(xch, domid, VM_EVENT_X86_CR3, on, true,
                                        0, false);
    if ( !strcmp(event, "cr4") )
        return xc_monitor_write_ctrlreg(xch, domid, VM_EVENT_X86_CR4, on, true,
                                        0, false);
    if ( !strcmp(event, "msr") )
        return xc_monitor_mov_to_msr(xch, domid, MSR_SYSENTER_EIP, on, false);
    if ( !strcmp(event, "cpuid") )
        return xc_monitor_cpuid(xch, domid, on);
    if ( !strcmp(event, "int3") )
        return xc_monitor_software_breakpoint(xch, domid, on);
    if ( !strcmp(event, "desc") )
        return xc_monitor_descriptor_access(xch, domid, on);

    fprintf(stderr, "legacy-monitor: unknown event '%s'\n", event);
    exit(EXIT_FAILURE);
}

static void subscribe(bool on)
{
    char *list = strdup(events), *save = NULL, *event;

    if ( !list )
        check(-1, "strdup");
    for ( event = strtok_r(list, ",", &save); event;
          event = strtok_r(NULL, ",", &save) )
        check(subscribe_one(event, on), event);
    free(list);
}

/* The event shows the state at the instruction: skip it and set its result. */
static void skip_instruction(vm_event_response_t *rsp,
                             const vm_event_request_t *req, uint32_t length)
{
    rsp->flags |= VM_EVENT_FLAG_SET_REGISTERS;
    rsp->data = req->data;
    rsp->data.regs.x86.rip += length;
}

static void fill_response(vm_event_response_t *rsp,
                          const vm_event_request_t *req)
{
    memset(rsp, 0, sizeof(*rsp));
    rsp->version = VM_EVENT_INTERFACE_VERSION;
    rsp->vcpu_id = req->vcpu_id;
    rsp->reason = req->reason;
    rsp->flags = req->flags & VM_EVENT_FLAG_VCPU_PAUSED;

    switch ( req->reason )
    {
    case VM_EVENT_REASON_GUEST_REQUEST:
        if ( !change_registers )
            break;
        skip_instruction(rsp, req, GUEST_HYPERCALL_LENGTH);
        rsp->data.regs.x86.rax = 0;
        rsp->data.regs.x86.rdi =
            (uint32_t)req->data.regs.x86.rdi ^ GUEST_REPLY_KEY;
        break;

    case VM_EVENT_REASON_CPUID:
        /* Here the registers hold the result already; only EIP is behind. */
        skip_instruction(rsp, req, req->u.cpuid.insn_length);
        if ( change_registers && req->u.cpuid.leaf == GUEST_CPUID_LEAF )
            rsp->data.regs.x86.rax = GUEST_CPUID_ANSWER;
        break;

    case VM_EVENT_REASON_SOFTWARE_BREAKPOINT:
        skip_instruction(rsp, req, req->u.software_breakpoint.insn_length);
        break;

    case VM_EVENT_REASON_DESCRIPTOR_ACCESS:
        rsp->flags |= VM_EVENT_FLAG_EMULATE;
        break;
    }
}

static void answer(const vm_event_request_t *req)
{
    vm_event_response_t rsp;

    fill_response(&rsp, req);
    memcpy(RING_GET_RESPONSE(&ring, ring.rsp_prod_pvt), &rsp, sizeof(rsp));
    ring.rsp_prod_pvt++;
    RING_PUSH_RESPONSES(&ring);
    if ( req->flags & VM_EVENT_FLAG_VCPU_PAUSED )
    {
        answered++;
        answered_by_vcpu[req->vcpu_id % MAX_VCPUS]++;
    }
}

static void take_request(vm_event_request_t *req)
{
    /* The macro that tells of a request leaves this barrier to its caller. */
    xen_rmb();
    memcpy(req, RING_GET_REQUEST(&ring, ring.req_cons), sizeof(*req));
    ring.req_cons++;
    ring.sring->req_event = ring.req_cons + 1;
    if ( req->version != VM_EVENT_INTERFACE_VERSION )
    {
        fprintf(stderr, "legacy-monitor: interface version %u\n", req->version);
        exit(EXIT_FAILURE);
    }
    received++;
    received_by_vcpu[req->vcpu_id % MAX_VCPUS]++;
}

/* Answers what is in the ring; true if there was anything. */
static bool serve(void)
{
    bool any = false;
    vm_event_request_t req;

    while ( RING_HAS_UNCONSUMED_REQUESTS(&ring) )
    {
        take_request(&req);
        answer(&req);
        any = true;
    }
    if ( any )
        check(xenevtchn_notify(evtchn, (evtchn_port_t)local_port),
              "xenevtchn_notify");

    return any;
}

static void wait_for_port(void)
{
    struct pollfd fd = { .fd = xenevtchn_fd(evtchn), .events = POLLIN };

    if ( poll(&fd, 1, POLL_MS) > 0 )
    {
        int port = xenevtchn_pending(evtchn);

        check(port, "xenevtchn_pending");
        check(xenevtchn_unmask(evtchn, (evtchn_port_t)port),
              "xenevtchn_unmask");
    }
}

static void watch(void)
{
    double start = seconds_now();

    for ( ; ; )
    {
        double t = seconds_now() - start;

        if ( t >= duration || (max_events && received >= max_events) )
            return;
        serve();
        wait_for_port();
    }
}

/* No new events while the domain is paused; then answer what is there. */
static void detach(void)
{
    double last;

    check(xc_domain_pause(xch, domid), "xc_domain_pause");
    subscribe(false);
    check(xc_domain_unpause(xch, domid), "xc_domain_unpause");

    for ( last = seconds_now(); seconds_now() - last < DRAIN_S; )
    {
        if ( serve() )
            last = seconds_now();
        wait_for_port();
    }

    xenevtchn_unbind(evtchn, (evtchn_port_t)local_port);
    munmap(ring_page, XC_PAGE_SIZE);
    check(xc_monitor_disable(xch, domid), "xc_monitor_disable");
    xenevtchn_close(evtchn);
    xc_interface_close(xch);
}

static void report(void)
{
    unsigned int v;

    for ( v = 0; show_vcpus && v < MAX_VCPUS; v++ )
        if ( received_by_vcpu[v] )
            printf("vcpu %u received=%" PRIu64 " answered=%" PRIu64 "\n", v,
                   received_by_vcpu[v], answered_by_vcpu[v]);
    printf("total received=%" PRIu64 " answered=%" PRIu64 "\n", received,
           answered);
}

static void parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "domid", required_argument, NULL, 'd' },
        { "duration", required_argument, NULL, 't' },
        { "reply", no_argument, NULL, 'r' },
        { "unpause", no_argument, NULL, 'u' },
        { "per-vcpu", no_argument, NULL, 'v' },
        { "no-ring", no_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ( (option = getopt_long(argc, argv, "e:c:", options, NULL)) != -1 )
        switch ( option )
        {
        case 'd': domid = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 't': duration = atof(optarg); break;
        case 'r': change_registers = true; break;
        case 'u': unpause = true; break;
        case 'v': show_vcpus = true; break;
        case 'n': no_ring = true; break;
        case 'e': events = optarg; break;
        case 'c': max_events = strtoull(optarg, NULL, 10); break;
        default: exit(EXIT_FAILURE);
        }

    if ( !domid )
    {
        fprintf(stderr, "legacy-monitor: --domid N is needed\n");
        exit(EXIT_FAILURE);
    }
}

/* Until SIGTERM: how long is for who looks at the guest to say. */
static void watch_without_ring(void)
{
    sigset_t end;
    int which;

    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    subscribe(true);
    printf("attached\n");
    sigwait(&end, &which);
    subscribe(false);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_options(argc, argv);
    xch = xc_interface_open(NULL, NULL, 0);
    if ( !xch )
        check(-1, "xc_interface_open");
    if ( no_ring )
    {
        watch_without_ring();
        return EXIT_SUCCESS;
    }
    attach();
    subscribe(true);
    printf("attached\n");
    if ( unpause )
        check(xc_domain_unpause(xch, domid), "xc_domain_unpause");
    watch();
    detach();
    report();
    return EXIT_SUCCESS;
}
