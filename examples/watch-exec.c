/* SPDX-License-Identifier: MIT */
/*
 * watch-exec: what a guest executes in a list of pages: registers and
 * instruction, each time that a vCPU comes there.
 *
 * The same program for x86-64 and arm64, a guest, a simulated host and a
 * capture.  Where the host can emulate (Intel with HAP) each instruction in
 * those pages is seen, one by one.  Where it cannot (Arm) the page is opened
 * for the vCPU, and watched again when that vCPU comes to another one of the
 * list: what it, or another vCPU, executes there meanwhile is not seen.
 *
 *     watch-exec DOMID GFN[-GFN],... [SOCKET|CAPTURE]            numbers in hex
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>

#include "target.h"

#define BATCH      64
#define PAGES_MAX  4096
#define INSN_BYTES 15
#define NO_GFN     UINT64_MAX

#define CS_AR_L    (1U << 9)
#define PSR_NRW    (1U << 4)    /* AArch32 */
#define PSR_T      (1U << 5)    /* Thumb */

static volatile sig_atomic_t stop;

struct watch {
    vmiring *h;
    bool emulate;               /* the host can */
    uint64_t gfn[PAGES_MAX];
    size_t nr;
    uint64_t *open;             /* of each vCPU: the page that it opened */
    uint32_t nr_vcpus;
    uint64_t seen, decoded;
};

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static bool listed(const struct watch *w, uint64_t gfn)
{
    for ( size_t i = 0; i < w->nr; i++ )
        if ( w->gfn[i] == gfn )
            return true;
    return false;
}

static uint64_t reg(const struct vmiring_event *ev, enum vmiring_reg n)
{
    uint64_t value = 0;

    (void)vmiring_get_reg(ev, n, &value);
    return value;
}

/* ---- printing ---- */

static void print_regs(const struct vmiring_event *ev, bool arm)
{
    static const struct { const char *name; enum vmiring_reg n; } regs[] = {
        { "rax", VMIRING_RAX }, { "rbx", VMIRING_RBX }, { "rcx", VMIRING_RCX },
        { "rdx", VMIRING_RDX }, { "rsi", VMIRING_RSI }, { "rdi", VMIRING_RDI },
        { "rbp", VMIRING_RBP }, { "rsp", VMIRING_RSP },
        { "cr3", VMIRING_REG_CR3 },
        { "x0", VMIRING_X0 }, { "x1", VMIRING_X0 + 1 },
        { "x2", VMIRING_X0 + 2 }, { "x3", VMIRING_X0 + 3 },
        { "x29", VMIRING_X0 + 29 }, { "x30", VMIRING_X0 + 30 },
        { "sp_el0", VMIRING_SP_EL0 }, { "sp_el1", VMIRING_SP_EL1 },
        { "ttbr0", VMIRING_TTBR0 },
    };

    printf("    ");
    for ( size_t i = 0; i < sizeof(regs) / sizeof(*regs); i++ )
        if ( arm == (regs[i].n >= VMIRING_PC) )
            printf(" %s=%" PRIx64, regs[i].name, reg(ev, regs[i].n));
    printf("\n");
}

/* How the vCPU decodes what it is about to execute. */
static csh decoder_of(const struct vmiring_event *ev, bool arm)
{
    static csh handle[5];
    static const struct { cs_arch arch; cs_mode mode; } how[] = {
        { CS_ARCH_X86, CS_MODE_32 }, { CS_ARCH_X86, CS_MODE_64 },
        { CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN },
        { CS_ARCH_ARM, CS_MODE_ARM | CS_MODE_V8 },
        { CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_V8 },
    };
    uint64_t cpsr = reg(ev, VMIRING_CPSR);
    int i = !arm ? !!(reg(ev, VMIRING_CS_AR) & CS_AR_L)
                 : !(cpsr & PSR_NRW) ? 2 : cpsr & PSR_T ? 4 : 3;

    if ( !handle[i] && cs_open(how[i].arch, how[i].mode, &handle[i]) )
        handle[i] = 0;
    return handle[i];
}

static void print_insn(struct watch *w, const struct vmiring_event *ev,
                       uint64_t pc, bool arm)
{
    uint8_t code[INSN_BYTES];
    int64_t got = vmiring_read_virt(w->h, ev, pc, code, sizeof(code), NULL);
    csh decoder = decoder_of(ev, arm);
    cs_insn *insn;

    if ( got <= 0 )
    {
        printf(" ; cannot read: %s\n", strerror(errno));
        return;
    }
    if ( !decoder || !cs_disasm(decoder, code, got, pc, 1, &insn) )
    {
        printf(" ; no instruction\n");
        return;
    }
    printf(" ; ");
    for ( unsigned int i = 0; i < insn->size; i++ )
        printf("%02x", code[i]);
    printf(" %s%s%s\n", insn->mnemonic, *insn->op_str ? " " : "",
           insn->op_str);
    cs_free(insn, 1);
    w->decoded++;
}

static void print_event(struct watch *w, const struct vmiring_event *ev,
                        const struct vmiring_mem *mem)
{
    uint64_t pc;
    bool arm = !vmiring_get_reg(ev, VMIRING_PC, &pc);

    if ( !arm )
        pc = reg(ev, VMIRING_RIP);
    printf("%4" PRIu32 " 0x%016" PRIx64 " 0x%08" PRIx64, ev->vcpu, pc,
           mem->gfn);
    print_insn(w, ev, pc, arm);
    print_regs(ev, arm);
    w->seen++;
}

/* ---- answering ---- */

/* The page before is watched again: the vCPU has left it. */
static int leave_page(struct watch *w, const struct vmiring_event *ev,
                     uint64_t gfn)
{
    uint64_t *open = &w->open[ev->vcpu];

    if ( *open != NO_GFN && *open != gfn &&
         vmiring_set_access(w->h, *open, 1, VMIRING_ACCESS_RW) )
        return -1;
    *open = gfn;
    return 0;
}

static int handle_event(struct watch *w, const struct vmiring_event *ev)
{
    struct vmiring_response rsp = { .size = sizeof(rsp) };
    struct vmiring_mem mem;
    bool open = false;

    if ( !(ev->flags & VMIRING_EV_SYNC) || ev->vcpu >= w->nr_vcpus )
        return 0;
    if ( !vmiring_get_mem(ev, &mem) )
    {
        if ( (mem.access & VMIRING_MEM_X) && listed(w, mem.gfn) )
            print_event(w, ev, &mem);
        if ( w->emulate )
            rsp.flags = VMIRING_RSP_EMULATE;
        else
            open = true;
    }
    if ( open && leave_page(w, ev, mem.gfn) )
        return -1;
    if ( vmiring_respond(w->h, ev, &rsp) && errno != ECANCELED )
        return -1;
    /* Answered first: under v2 this tells Xen of the answer, too. */
    return open ? vmiring_set_access(w->h, mem.gfn, 1, VMIRING_ACCESS_RWX) : 0;
}

static int handle_batch(struct watch *w)
{
    struct vmiring_event ev[BATCH];
    int n = vmiring_receive(w->h, ev, BATCH);
    int rc = 0;

    if ( n < 0 && errno == EAGAIN )
        return vmiring_wait(w->h, 1000) && errno != EAGAIN && errno != EINTR ?
               -1 : 0;
    for ( int i = 0; i < n && !rc; i++ )
        rc = handle_event(w, &ev[i]);
    vmiring_release(w->h);
    return n < 0 ? -1 : rc;
}

/* ---- the list, the watch ---- */

static int set_all(struct watch *w, uint32_t access)
{
    for ( size_t i = 0; i < w->nr; i++ )
        if ( vmiring_set_access(w->h, w->gfn[i], 1, access) )
            return -1;
    return 0;
}

static int parse_list(struct watch *w, const char *list)
{
    char *end = (char *)list;

    do {
        uint64_t first = strtoull(list, &end, 16), last = first;

        if ( end == list )
            return -1;
        if ( *end == '-' )
        {
            list = end + 1;
            last = strtoull(list, &end, 16);
            if ( end == list )
                return -1;
        }
        for ( ; first <= last; first++ )
        {
            if ( w->nr == PAGES_MAX )
                return -1;
            w->gfn[w->nr++] = first;
        }
        list = end + 1;
    } while ( *end == ',' );
    return *end ? -1 : 0;
}

static int watch(struct watch *w)
{
    struct vmiring_subscription s = {
        .size = sizeof(s), .reason = VMIRING_MEM_ACCESS, .sync = 1,
        .regs = VMIRING_REGS_CORE
    };
    struct vmiring_geometry geo = { .size = sizeof(geo) };
    uint64_t reasons;
    uint32_t can;
    int rc;

    if ( vmiring_geometry(w->h, &geo) ||
         vmiring_offers(w->h, &reasons, &can) ||
         vmiring_subscribe(w->h, &s) )
        return -1;
    w->emulate = can & VMIRING_RSP_EMULATE;
    w->nr_vcpus = geo.nr_vcpus;
    w->open = malloc(geo.nr_vcpus * sizeof(*w->open));
    if ( !w->open )
        return -1;
    memset(w->open, 0xff, geo.nr_vcpus * sizeof(*w->open));
    if ( set_all(w, VMIRING_ACCESS_RW) )
        return -1;
    printf("vcpu %-18s %-10s ; instruction, registers\n", "pc", "gfn");
    fflush(stdout);
    do
        rc = handle_batch(w);
    while ( !stop && !rc );
    if ( rc && errno == ENODEV )
        rc = 0;     /* the guest is gone, or the capture has ended */
    else if ( !rc )
        rc = set_all(w, VMIRING_ACCESS_RWX);
    printf("seen %" PRIu64 ", disassembled %" PRIu64 "\n", w->seen,
           w->decoded);
    return rc;
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_signal };
    vmiring_options opts = { .size = sizeof(opts) };
    static struct watch w;
    int rc;

    if ( argc < 3 || argc > 4 || parse_list(&w, argv[2]) )
    {
        fprintf(stderr, "usage: %s DOMID GFN[-GFN],... [SOCKET|CAPTURE]\n"
                "at most %d pages, in hex\n", argv[0], PAGES_MAX);
        return 2;
    }
    opts.domid = strtoul(argv[1], NULL, 10);
    target(&opts, argv[3]);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);

    w.h = vmiring_open(&opts);
    if ( !w.h )
    {
        fprintf(stderr, "%s\n", vmiring_open_error());
        return 1;
    }
    rc = watch(&w);
    if ( rc )
        fprintf(stderr, "%s\n", vmiring_error(w.h));
    free(w.open);
    vmiring_close(w.h);
    return rc ? 1 : 0;
}
