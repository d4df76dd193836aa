/* SPDX-License-Identifier: MIT */
/*
 * A guest for tests: 32-bit PVH, up to 128 vCPUs, no operating system. Each
 * vCPU repeats the operations that the command line names and counts them in
 * the pages that layout.h describes.
 *
 * Words:
 *   gr                  guest request (HVMOP_guest_request_vm_event)
 *   cr0 cr3 cr4         toggle WP, change page directory, toggle TSD
 *   msr                 write SYSENTER_EIP
 *   cpuid int3 step     CPUID, breakpoint, one single-stepped instruction
 *   icebp               ICEBP, which raises #DB
 *   xcr0                toggle SSE in XCR0 (needs a processor with XSAVE)
 *   gp                  write SYSENTER_EIP with what raises #GP
 *   desc                SGDT, SIDT, LIDT
 *   xmm                 keep a value in XMM0 to XMM7 for a while, and compare
 *   reply               check the answer to each guest request
 *   smp=N               start N vCPUs (default 1)
 *   count=N             iterations of each vCPU (default 0: for ever)
 *   spin=N              idle loop between iterations
 *   wait                start only when dom0 sets header.control
 *   off                 power off at the end (default: halt for ever)
 *   serve               vCPU 0 does nothing else than what header.command says
 *   dump                vCPU 0 prints its counters now and then on port 0xe9
 */
#include "guest.h"

#include <xen/arch-x86/hvm/start_info.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#define CR0_WP      (1U << 16)
#define CR4_TSD     (1U << 2)   /* not PGE: clients mask it, for its TLB flushes */
#define CR4_OSFXSR  (1U << 9)
#define CR4_OSXSAVE (1U << 18)
#define XCR0_SSE    (1U << 1)
#define MSR_SYSENTER_EIP 0x176
#define NOT_CANONICAL 0x800000000000ULL
#define DUMP_EVERY  1024U
#define LOOK_EVERY_NS 20000000U

enum {
    DO_GUEST_REQUEST = 1U << 0,
    DO_CR0           = 1U << 1,
    DO_CR3           = 1U << 2,
    DO_CR4           = 1U << 3,
    DO_MSR           = 1U << 4,
    DO_CPUID         = 1U << 5,
    DO_INT3          = 1U << 6,
    DO_DESC          = 1U << 7,
    DO_REPLY         = 1U << 8,
    DO_OFF           = 1U << 9,
    DO_DUMP          = 1U << 10,
    DO_STEP          = 1U << 11,
    DO_SERVE         = 1U << 12,
    DO_ICEBP         = 1U << 13,
    DO_XCR0          = 1U << 14,
    DO_GP            = 1U << 15,
    DO_XMM           = 1U << 16,
};

static const struct {
    const char *word;
    uint32_t flag;
} words[] = {
    { "gr", DO_GUEST_REQUEST }, { "cr0", DO_CR0 },     { "cr3", DO_CR3 },
    { "cr4", DO_CR4 },          { "msr", DO_MSR },     { "cpuid", DO_CPUID },
    { "int3", DO_INT3 },        { "desc", DO_DESC },   { "reply", DO_REPLY },
    { "off", DO_OFF },          { "dump", DO_DUMP },   { "step", DO_STEP },
    { "serve", DO_SERVE },
    { "icebp", DO_ICEBP },      { "xcr0", DO_XCR0 },   { "gp", DO_GP },
    { "xmm", DO_XMM },
};

static struct guest_layout *const layout =
    (struct guest_layout *)GUEST_LAYOUT_PHYS;

static char command_line[512];
static uint32_t doing, iterations, idle_loops;

static void count(struct guest_counter *counter)
{
    counter->value++;
}

/* The text after WORD if the command line has it as a whole word, else NULL. */
static const char *find_word(const char *word)
{
    const char *at = command_line;

    while ( *at )
    {
        const char *c = at, *w = word;

        while ( *w && *c == *w )
            c++, w++;
        if ( !*w && (*c == '\0' || *c == ' ' || w[-1] == '=') )
            return c;
        while ( *at && *at != ' ' )
            at++;
        while ( *at == ' ' )
            at++;
    }

    return NULL;
}

static uint32_t find_number(const char *word, uint32_t otherwise)
{
    const char *c = find_word(word);
    uint32_t n = 0;

    if ( !c )
        return otherwise;
    while ( *c >= '0' && *c <= '9' )
        n = n * 10 + (uint32_t)(*c++ - '0');

    return n;
}

static void parse_command_line(const char *from)
{
    unsigned int i;

    for ( i = 0; from && from[i] && i < sizeof(command_line) - 1; i++ )
        command_line[i] = from[i];

    for ( i = 0; i < sizeof(words) / sizeof(words[0]); i++ )
        if ( find_word(words[i].word) )
            doing |= words[i].flag;

    iterations = find_number("count=", 0);
    idle_loops = find_number("spin=", 0);
}

static void count_write(struct guest_vcpu_block *me, uint32_t wanted,
                        uint32_t got)
{
    count(wanted == got ? &me->writes_kept : &me->writes_denied);
}

static void do_control_registers(struct guest_vcpu_block *me)
{
    uint32_t value;

    if ( doing & DO_CR0 )
    {
        value = read_cr0() ^ CR0_WP;
        write_cr0(value);
        count_write(me, value, read_cr0());
    }
    if ( doing & DO_CR3 )
    {
        value = page_directory(read_cr3() == page_directory(0));
        write_cr3(value);
        count_write(me, value, read_cr3());
    }
    if ( doing & DO_CR4 )
    {
        value = read_cr4() ^ CR4_TSD;
        write_cr4(value);
        count_write(me, value, read_cr4());
    }
    if ( doing & DO_XCR0 )
    {
        value = read_xcr0() ^ XCR0_SSE;
        write_xcr0(value);
        count_write(me, value, read_xcr0());
    }
}

static void do_guest_request(struct guest_vcpu_block *me, uint32_t token)
{
    uint32_t got = guest_request(token);

    if ( !(doing & DO_REPLY) )
        return;
    if ( got != (token ^ GUEST_REPLY_KEY) )
        count(&me->mismatched);
    count(&me->checked);
}

static void iterate(struct guest_vcpu_block *me, uint32_t vcpu, uint32_t n)
{
    if ( doing & DO_GUEST_REQUEST )
        /* Fresh for each request and each vCPU: a stale answer shows. */
        do_guest_request(me, (vcpu << 24) ^ (n * 2654435761U));

    do_control_registers(me);

    if ( doing & DO_MSR )
    {
        write_msr(MSR_SYSENTER_EIP, 0x1000 + n);
        count_write(me, 0x1000 + n, (uint32_t)read_msr(MSR_SYSENTER_EIP));
    }
    if ( doing & DO_CPUID )
        count(cpuid_eax(GUEST_CPUID_LEAF) == GUEST_CPUID_ANSWER
              ? &me->cpuid_replaced : &me->cpuid_native);
    if ( doing & DO_INT3 )
        asm volatile ( "int3" );
    if ( doing & DO_ICEBP )
        asm volatile ( ".byte 0xf1" );
    if ( doing & DO_GP )
        write_msr(MSR_SYSENTER_EIP, NOT_CANONICAL + n);
    if ( doing & DO_STEP )
        single_step();
    if ( doing & DO_DESC )
        touch_descriptor_tables();
    if ( doing & DO_XMM )
    {
        if ( !keep_vector_registers(~n ^ vcpu << 24) )
            count(&me->mismatched);
        count(&me->checked);
    }
}

static void dump(const struct guest_vcpu_block *me)
{
    print("guest: vcpu 0 iterations ");
    print_number((uint32_t)me->iterations.value);
    print(" checked ");
    print_number((uint32_t)me->checked.value);
    print(" mismatched ");
    print_number((uint32_t)me->mismatched.value);
    print("\n");
}

/*
 * Sleeps between looks: the rig has one processor, and 128 vCPUs that spin, or
 * yield to each other, keep dom0 from ever saying go. The time at which Xen
 * last let this vCPU run is as good as now, and needs no shared page.
 */
static void nap(uint32_t vcpu)
{
    struct vcpu_runstate_info state = { 0 };
    struct sched_poll poll = { .nr_ports = 0 };

    hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, vcpu,
              (uint32_t)&state);
    poll.timeout = state.state_entry_time + LOOK_EVERY_NS;
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (uint32_t)&poll, 0);
}

static void wait_for_go(uint32_t vcpu)
{
    while ( layout->header.control == GUEST_CONTROL_WAIT )
        nap(vcpu);
}

/* What dom0 asks of vCPU 0, until it says stop. */
static void serve(void)
{
    while ( layout->header.control != GUEST_CONTROL_STOP )
    {
        uint32_t command = layout->header.command;

        if ( command == GUEST_COMMAND_NONE )
        {
            nap(0);
            continue;
        }
        if ( obey(command, layout->header.argument) )
            layout->header.failed++;
        layout->header.command = GUEST_COMMAND_NONE;
    }
}

static bool all_done(void)
{
    uint32_t vcpu;

    for ( vcpu = 0; vcpu < layout->header.vcpus; vcpu++ )
        if ( layout->header.phase[vcpu] != GUEST_PHASE_DONE )
            return false;

    return true;
}

static void run_vcpu(uint32_t vcpu)
{
    struct guest_vcpu_block *me = &layout->vcpu[vcpu];
    uint32_t n;

    if ( doing & DO_XCR0 )
        write_cr4(read_cr4() | CR4_OSXSAVE);
    if ( doing & DO_XMM )
        write_cr4(read_cr4() | CR4_OSFXSR);
    layout->header.phase[vcpu] = GUEST_PHASE_WAITING;
    wait_for_go(vcpu);
    layout->header.phase[vcpu] = GUEST_PHASE_RUNNING;

    if ( vcpu == 0 && (doing & DO_SERVE) )
        serve();
    for ( n = 1; !iterations || n <= iterations; n++ )
    {
        if ( layout->header.control == GUEST_CONTROL_STOP )
            break;
        iterate(me, vcpu, n);
        count(&me->iterations);
        if ( vcpu == 0 && (doing & DO_DUMP) && !(n % DUMP_EVERY) )
            dump(me);
        for ( volatile uint32_t k = 0; k < idle_loops; k++ )
            ;
    }

    layout->header.phase[vcpu] = GUEST_PHASE_DONE;
    if ( vcpu == 0 && (doing & DO_DUMP) )
        dump(me);
    if ( (doing & DO_OFF) && all_done() )
        obey(GUEST_COMMAND_SHUTDOWN, SHUTDOWN_poweroff);

    /* With interrupts on: HLT without them takes the vCPU down for good. */
    for ( ; ; )
        asm volatile ( "sti; hlt" );
}

void count_trap(uint32_t vcpu)
{
    count(&layout->vcpu[vcpu].traps);
}

static void clear_layout(void)
{
    volatile uint32_t *word = (volatile uint32_t *)layout;
    size_t i;

    for ( i = 0; i < sizeof(*layout) / sizeof(*word); i++ )
        word[i] = 0;
}

void unexpected_exception(void)
{
    print("guest: unexpected exception on vcpu ");
    print_number(current_vcpu());
    print("\n");
}

void secondary_main(void)
{
    load_descriptor_tables();
    run_vcpu(current_vcpu());
}

void boot_main(const struct hvm_start_info *info)
{
    uint32_t vcpu, vcpus;

    enable_hypercalls();
    load_descriptor_tables();
    build_page_directories();
    enable_paging();

    parse_command_line((const char *)(uint32_t)info->cmdline_paddr);
    vcpus = find_number("smp=", 1);
    if ( vcpus < 1 || vcpus > GUEST_MAX_VCPUS )
    {
        print("guest: smp= must be 1 to 128\n");
        return;
    }

    /* A debug build of Xen hands out memory full of 0xc2. */
    clear_layout();
    layout->header.version = GUEST_LAYOUT_VERSION;
    layout->header.vcpus = vcpus;
    layout->header.control = find_word("wait") ? GUEST_CONTROL_WAIT
                                               : GUEST_CONTROL_RUN;
    asm volatile ( "" ::: "memory" );
    layout->header.magic = GUEST_LAYOUT_MAGIC;

    print("guest: ");
    print(command_line);
    print("\n");

    for ( vcpu = 1; vcpu < vcpus; vcpu++ )
        if ( start_vcpu(vcpu) )
        {
            print("guest: cannot start vcpu ");
            print_number(vcpu);
            print("\n");
            return;
        }

    run_vcpu(0);
}
