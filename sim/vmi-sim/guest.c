/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest.h"
#include "cpu.h"

#include "../../tests/xen/guest/layout.h"

#include <xen/mem_access.h>
#include <xen/monitor.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/monitor.h>
#include <asm/monitor.h>
#include <asm/msr.h>

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define X86_EVENTTYPE_SW    6   /* software exception */
#define EXIT_REASON_VMCALL  18
#define HYPERVISOR_hvm_op   34
#define IDLE_FOREVER        SECONDS(3600)
#define DATA_GFN            0x180UL     /* what the program word mem writes to */
#define NOT_OPEN            GUEST_MAX_INSNS

/* One vCPU's own. */
struct guest_cpu {
    pthread_t thread;
    uint64_t n;             /* iteration under way; 0: none yet */
    uint64_t counted;       /* the last one that is complete */
    uint64_t wanted;        /* what the write in progress should leave */
    uint32_t token;
    unsigned int open;      /* instruction begun and not ended */
    s_time_t next;          /* when the next iteration is due */
    uint64_t random;
    bool seen_done;
    bool fetching;          /* a fetch was reported, and waits for its answer */
    bool fetched;           /* the answer was to emulate: not looked at again */
};

struct sim_guest {
    struct guest_config config;
    struct guest_program program;
    uint8_t *ram;
    struct guest_layout *layout;
    struct guest_cpu *cpu;
    unsigned int done;      /* vCPUs */
    bool started, start_pause, wants_destroy;
};

static int end_fd = -1;

/* ---- memory ---- */

static bool in_ram(uint64_t gpa, size_t size)
{
    return size && size <= PAGE_SIZE && gpa < GUEST_RAM_BYTES &&
           (gpa & ~PAGE_MASK) + size <= PAGE_SIZE;
}

bool guest_read(const struct domain *d, uint64_t gpa, void *to, size_t size)
{
    const uint8_t *from = d->guest->ram + gpa;
    uint8_t *out = to;
    size_t i = 0;

    if ( !in_ram(gpa, size) )
        return false;

    while ( i < size )
    {
        uint64_t word;

        if ( (gpa + i) % 8 || size - i < 8 )
        {
            out[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
            i++;
            continue;
        }
        word = __atomic_load_n((const uint64_t *)(from + i), __ATOMIC_RELAXED);
        memcpy(out + i, &word, sizeof(word));
        i += sizeof(word);
    }

    return true;
}

bool guest_write(struct domain *d, uint64_t gpa, const void *from, size_t size)
{
    uint8_t *to = d->guest->ram + gpa;
    struct vcpu *v;
    size_t i;

    if ( !in_ram(gpa, size) )
        return false;

    for ( i = 0; i < size; i++ )
        __atomic_store_n(&to[i], ((const uint8_t *)from)[i], __ATOMIC_RELAXED);

    /* The control word: those that wait for it look again. */
    if ( gpa >> PAGE_SHIFT == GUEST_LAYOUT_GFN )
        for_each_vcpu ( d, v )
            sim_vcpu_kick(v);

    return true;
}

static void count(volatile uint64_t *value)
{
    __atomic_store_n(value, __atomic_load_n(value, __ATOMIC_RELAXED) + 1,
                     __ATOMIC_RELAXED);
}

static struct guest_vcpu_block *block(const struct vcpu *v)
{
    return &v->domain->guest->layout->vcpu[v->vcpu_id];
}

static void set_phase(const struct vcpu *v, uint8_t phase)
{
    struct guest_header *h = &v->domain->guest->layout->header;

    /* The layout has room for as many phases as Xen has vCPUs. */
    if ( v->vcpu_id < GUEST_MAX_VCPUS )
        __atomic_store_n(&h->phase[v->vcpu_id], phase, __ATOMIC_RELAXED);
}

static uint32_t control(const struct sim_guest *g)
{
    return __atomic_load_n(&g->layout->header.control, __ATOMIC_RELAXED);
}

/* splitmix64 */
static uint64_t draw(struct guest_cpu *cpu)
{
    uint64_t z = cpu->random += 0x9e3779b97f4a7c15ULL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return z ^ (z >> 31);
}

/* ---- instructions ---- */

/* Loads what the code before the instruction would have loaded. */
static void prepare(struct vcpu *v, struct guest_cpu *cpu, enum guest_op op)
{
    struct cpu_user_regs *regs = &v->arch.user_regs;

    switch ( op )
    {
    case OP_GUEST_REQUEST:
        cpu->token = draw(cpu);
        regs->rax = HYPERVISOR_hvm_op;
        regs->rdi = cpu->token;
        break;

    case OP_CR0:
        regs->rax = cpu->wanted = v->arch.hvm.guest_cr[0] ^ X86_CR0_WP;
        break;

    case OP_CR3:
        regs->rax = cpu->wanted =
            SIM_PML4_PHYS + (cpu->n % 2) * SIM_PML4_SIZE;
        break;

    case OP_CR4:
        regs->rax = cpu->wanted = v->arch.hvm.guest_cr[4] ^ X86_CR4_PGE;
        break;

    case OP_MSR:
        regs->rcx = MSR_SYSENTER_EIP;
        regs->rax = cpu->wanted = 0x1000 + (uint32_t)cpu->n;
        regs->rdx = 0;
        break;

    case OP_CPUID:
        regs->rax = GUEST_CPUID_LEAF;
        regs->rcx = 0;
        break;

    case OP_MEM:
        regs->rax = cpu->n;
        regs->rbx = SIM_KERNEL_VA + (DATA_GFN << PAGE_SHIFT) +
                    v->vcpu_id % 512 * 8;
        break;

    default:
        break;
    }
}

static void count_write(struct vcpu *v, const struct guest_cpu *cpu,
                        uint64_t got)
{
    struct guest_vcpu_block *b = block(v);

    count(got == cpu->wanted ? &b->writes_kept.value : &b->writes_denied.value);
}

/* The code behind the instruction looks at what has come of it. */
static void look(struct vcpu *v, struct guest_cpu *cpu, enum guest_op op)
{
    struct guest_vcpu_block *b = block(v);
    const struct cpu_user_regs *regs = &v->arch.user_regs;

    switch ( op )
    {
    case OP_GUEST_REQUEST:
        if ( !v->domain->guest->config.reply )
            break;
        if ( (uint32_t)regs->rdi != (cpu->token ^ GUEST_REPLY_KEY) )
            count(&b->mismatched.value);
        count(&b->checked.value);
        break;

    case OP_CR0:
        count_write(v, cpu, v->arch.hvm.guest_cr[0]);
        break;

    case OP_CR3:
        count_write(v, cpu, v->arch.hvm.guest_cr[3]);
        break;

    case OP_CR4:
        count_write(v, cpu, v->arch.hvm.guest_cr[4]);
        break;

    case OP_MSR:
        count_write(v, cpu, v->arch.sysenter_eip);
        break;

    case OP_CPUID:
        count((uint32_t)regs->rax == GUEST_CPUID_ANSWER
              ? &b->cpuid_replaced.value : &b->cpuid_native.value);
        break;

    default:
        break;
    }
}

/* The instruction is complete; Xen moves the instruction pointer. */
static void advance(struct vcpu *v, const struct guest_insn *insn)
{
    v->arch.user_regs.rip = SIM_CODE_VA + insn->at + insn->len;
}

static void deliver_breakpoint(struct vcpu *v)
{
    count(&block(v)->traps.value);
}

/* A software exception points behind its instruction. */
static void do_int3(struct vcpu *v, const struct guest_insn *insn)
{
    int rc = hvm_monitor_debug(v->arch.user_regs.rip,
                               HVM_MONITOR_SOFTWARE_BREAKPOINT,
                               X86_EVENTTYPE_SW, insn->len, 0);

    if ( rc < 0 )
        domain_crash(v->domain);
    if ( rc )
        return;
    deliver_breakpoint(v);
    advance(v, insn);
}

/* Results first, then the event: an agent sees what it may replace. */
static void do_cpuid(struct vcpu *v, const struct guest_insn *insn)
{
    struct cpu_user_regs *regs = &v->arch.user_regs;
    uint32_t leaf = GUEST_CPUID_LEAF, subleaf = regs->rcx;
    int rc;

    regs->rax = 0x16;
    regs->rbx = regs->rcx = regs->rdx = 0;
    rc = hvm_monitor_cpuid(insn->len, leaf, subleaf);
    if ( rc < 0 )
        domain_crash(v->domain);
    if ( !rc )
        advance(v, insn);
}

static void do_descriptor(struct vcpu *v, const struct guest_insn *insn)
{
    uint8_t table = insn->op == OP_SGDT ? VM_EVENT_DESC_GDTR
                                        : VM_EVENT_DESC_IDTR;

    if ( v->domain->arch.monitor.descriptor_access_enabled &&
         hvm_monitor_descriptor_access(0, 0, table, insn->op == OP_LIDT) )
        return;
    advance(v, insn);
}

static void write_data(struct vcpu *v, const struct guest_insn *insn)
{
    uint64_t *data = (uint64_t *)(v->domain->guest->ram +
                                  (DATA_GFN << PAGE_SHIFT));

    __atomic_store_n(&data[v->vcpu_id % 512], v->arch.user_regs.rax,
                     __ATOMIC_RELAXED);
    advance(v, insn);
}

static void do_mem(struct vcpu *v, const struct guest_insn *insn)
{
    xenmem_access_t access = XENMEM_access_rwx;

    p2m_get_mem_access(v->domain, _gfn(DATA_GFN), &access, v->arch.view);
    switch ( access )
    {
    case XENMEM_access_n:
    case XENMEM_access_r:
    case XENMEM_access_x:
    case XENMEM_access_rx:
        if ( hvm_monitor_mem_access(_gfn(DATA_GFN), v->arch.user_regs.rbx,
                                    MEM_ACCESS_W) )
            return;
        break;

    case XENMEM_access_rx2rw:
    case XENMEM_access_n2rwx:
        p2m_set_mem_access(v->domain, _gfn(DATA_GFN), 1, 0, 0,
                           access == XENMEM_access_rx2rw ? XENMEM_access_rw
                                                         : XENMEM_access_rwx,
                           v->arch.view);
        hvm_monitor_mem_access(_gfn(DATA_GFN), v->arch.user_regs.rbx,
                               MEM_ACCESS_W);
        break;

    default:
        break;
    }
    write_data(v, insn);
}

static void do_write(struct vcpu *v, const struct guest_insn *insn)
{
    uint64_t value = v->arch.user_regs.rax;

    switch ( insn->op )
    {
    case OP_CR0:
        sim_write_cr(v, 0, value, true);
        break;

    case OP_CR3:
        sim_write_cr(v, 3, value, true);
        break;

    case OP_CR4:
        sim_write_cr(v, 4, value, true);
        break;

    default:
        sim_write_msr(v, MSR_SYSENTER_EIP, value, true);
        break;
    }
    advance(v, insn);
}

static void execute(struct vcpu *v, const struct guest_insn *insn)
{
    switch ( insn->op )
    {
    case OP_GUEST_REQUEST:
        monitor_guest_request();
        v->arch.user_regs.rax = 0;
        advance(v, insn);
        break;

    case OP_CPUID:
        do_cpuid(v, insn);
        break;

    case OP_INT3:
        do_int3(v, insn);
        break;

    case OP_SGDT:
    case OP_SIDT:
    case OP_LIDT:
        do_descriptor(v, insn);
        break;

    case OP_MEM:
        do_mem(v, insn);
        break;

    case OP_IRQ:
        v->arch.pending_vector = 0x31;
        sim_vcpu_kick(v);
        advance(v, insn);
        break;

    default:
        do_write(v, insn);
        break;
    }
}

static const struct guest_insn *at_rip(const struct vcpu *v)
{
    const struct guest_program *prog = &v->domain->guest->program;
    unsigned int i;

    for ( i = 0; i < prog->nr; i++ )
        if ( SIM_CODE_VA + prog->insn[i].at == v->arch.user_regs.rip )
            return &prog->insn[i];

    return NULL;
}

/* An answer has Xen emulate the instruction; what it reads matters to none. */
static void emulate(struct vcpu *v, uint32_t flags)
{
    struct guest_cpu *cpu = &v->domain->guest->cpu[v->vcpu_id];
    const struct guest_insn *insn = at_rip(v);

    if ( !insn )
        return;
    if ( cpu->fetching )
        cpu->fetched = true;    /* made by step(), with its own events */
    else if ( insn->op == OP_MEM && !(flags & VM_EVENT_FLAG_EMULATE_NOWRITE) )
        write_data(v, insn);
    else
        advance(v, insn);
}

/* ---- iterations ---- */

static void came_to_an_end(struct domain *d)
{
    struct sim_guest *g = d->guest;
    uint64_t one = 1;

    switch ( g->config.end )
    {
    case GUEST_END_HALT:
        break;

    case GUEST_END_OFF:
        domain_shutdown(d, SHUTDOWN_poweroff);
        break;

    case GUEST_END_CRASH:
        domain_crash(d);
        break;

    case GUEST_END_DESTROY:
        __atomic_store_n(&g->wants_destroy, true, __ATOMIC_RELEASE);
        BUG_ON(write(end_fd, &one, sizeof(one)) != sizeof(one));
        break;
    }
}

/* Between two iterations. */
static bool finished(const struct sim_guest *g, const struct guest_cpu *cpu)
{
    return control(g) == GUEST_CONTROL_STOP ||
           (g->config.count && cpu->n == g->config.count);
}

/* Waits until the next iteration is due; false: something came between. */
static bool due(struct vcpu *v, struct guest_cpu *cpu)
{
    const struct sim_guest *g = v->domain->guest;
    s_time_t period, now = NOW();

    if ( !g->config.rate )
    {
        /* More vCPUs than processors: each is to notice a pause soon. */
        sched_yield();
        return true;
    }
    if ( now < cpu->next )
    {
        sim_vcpu_idle(v, cpu->next - now);
        return false;
    }

    /* Between half and one and a half of the mean, so that vCPUs drift apart. */
    period = SECONDS(1) / g->config.rate;
    cpu->next = max(cpu->next, now - period) + period / 2 +
                draw(cpu) % (period ?: 1);

    return true;
}

/* True while v has nothing to do. */
static bool halted(struct vcpu *v, struct guest_cpu *cpu)
{
    struct sim_guest *g = v->domain->guest;

    if ( !cpu->n && control(g) == GUEST_CONTROL_WAIT )
    {
        set_phase(v, GUEST_PHASE_WAITING);
        sim_vcpu_idle(v, IDLE_FOREVER);
        return true;
    }
    if ( !finished(g, cpu) )
        return false;

    if ( !cpu->seen_done )
    {
        cpu->seen_done = true;
        set_phase(v, GUEST_PHASE_DONE);
        if ( __atomic_add_fetch(&g->done, 1, __ATOMIC_SEQ_CST) ==
             g->config.vcpus )
            came_to_an_end(v->domain);
    }
    sim_vcpu_idle(v, IDLE_FOREVER);

    return true;
}

/* The end of one iteration and the start of the next, when that is due. */
static void loop(struct vcpu *v, struct guest_cpu *cpu)
{
    if ( cpu->counted < cpu->n )
    {
        cpu->counted = cpu->n;
        count(&block(v)->iterations.value);
    }
    if ( halted(v, cpu) )
        return;
    set_phase(v, GUEST_PHASE_RUNNING);
    if ( !due(v, cpu) )
        return;
    cpu->n++;
    v->arch.user_regs.rip = SIM_CODE_VA;
}

/* True: the code's page may not be executed, and an agent is asked. */
static bool fetch_waits(struct vcpu *v, struct guest_cpu *cpu)
{
    const gfn_t gfn = _gfn(SIM_CODE_PHYS >> PAGE_SHIFT);
    xenmem_access_t access = XENMEM_access_rwx;

    cpu->fetching = false;
    p2m_get_mem_access(v->domain, gfn, &access, v->arch.view);
    switch ( access )
    {
    case XENMEM_access_n:
    case XENMEM_access_r:
    case XENMEM_access_w:
    case XENMEM_access_rw:
        if ( !cpu->fetched )
            cpu->fetching = hvm_monitor_mem_access(gfn, v->arch.user_regs.rip,
                                                   MEM_ACCESS_X);
        break;

    case XENMEM_access_n2rwx:
        p2m_set_mem_access(v->domain, gfn, 1, 0, 0, XENMEM_access_rwx,
                           v->arch.view);
        hvm_monitor_mem_access(gfn, v->arch.user_regs.rip, MEM_ACCESS_X);
        break;

    default:
        break;
    }
    cpu->fetched = false;

    return cpu->fetching;
}

/* One instruction of v's, which is in its guest. */
static void step(struct vcpu *v)
{
    struct sim_guest *g = v->domain->guest;
    struct guest_cpu *cpu = &g->cpu[v->vcpu_id];
    bool trace = v->arch.hvm.single_step;
    const struct guest_insn *insn;
    unsigned int index;

    v->arch.pending_vector = -1;
    insn = at_rip(v);
    if ( !insn )
    {
        /* There are no handlers for what happens at such a place. */
        domain_crash(v->domain);
        return;
    }

    index = insn - g->program.insn;
    if ( cpu->open != NOT_OPEN && cpu->open != index )
    {
        look(v, cpu, g->program.insn[cpu->open].op);
        cpu->open = NOT_OPEN;
    }

    if ( insn->op == OP_LOOP )
    {
        loop(v, cpu);
        return;
    }

    if ( fetch_waits(v, cpu) )
        return;
    if ( cpu->open == NOT_OPEN )
        prepare(v, cpu, insn->op);
    cpu->open = index;
    if ( hvm_monitor_vmexit(EXIT_REASON_VMCALL, insn->op) > 0 )
        return;
    execute(v, insn);

    if ( trace )
        hvm_monitor_debug(v->arch.user_regs.rip,
                          HVM_MONITOR_SINGLESTEP_BREAKPOINT, 0, 0, 0);
}

static void *run_vcpu(void *arg)
{
    struct vcpu *v = arg;
    char name[16];

    snprintf(name, sizeof(name), "d%uv%u", v->domain->domain_id, v->vcpu_id);
    pthread_setname_np(pthread_self(), name);

    if ( sim_vcpu_enter(v) )
        while ( sim_vcpu_return_to_guest(v) )
            step(v);

    return NULL;
}

/* ---- life ---- */

static void fill_layout(struct sim_guest *g)
{
    struct guest_header *h = &g->layout->header;

    h->version = GUEST_LAYOUT_VERSION;
    h->vcpus = g->config.vcpus;
    h->control = g->config.wait ? GUEST_CONTROL_WAIT : GUEST_CONTROL_RUN;
    h->magic = GUEST_LAYOUT_MAGIC;
}

static void init_vcpus(struct domain *d)
{
    struct sim_guest *g = d->guest;
    const struct guest_insn *last = &g->program.insn[g->program.nr - 1];
    struct vcpu *v;

    for_each_vcpu ( d, v )
    {
        struct guest_cpu *cpu = &g->cpu[v->vcpu_id];

        cpu->open = NOT_OPEN;
        cpu->random = g->config.seed * 1000003 + v->vcpu_id;
        /* At the end of an iteration that does not count. */
        v->arch.user_regs.rip = SIM_CODE_VA + last->at;
    }
}

struct domain *guest_create(domid_t domid, const struct guest_config *config,
                            const char **error)
{
    struct sim_guest *g = calloc(1, sizeof(*g));
    struct domain *d;

    BUG_ON(!g);
    g->config = *config;
    g->ram = mmap(NULL, GUEST_RAM_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    BUG_ON(g->ram == MAP_FAILED);
    g->layout = (void *)(g->ram + GUEST_LAYOUT_PHYS);
    g->cpu = calloc(config->vcpus, sizeof(*g->cpu));
    BUG_ON(!g->cpu);

    *error = guest_compile(&g->program, config->program, g->ram);
    if ( *error )
    {
        munmap(g->ram, GUEST_RAM_BYTES);
        free(g->cpu);
        free(g);
        return NULL;
    }
    guest_page_tables(g->ram);
    fill_layout(g);

    d = sim_domain_create(config->name, domid, config->vcpus);
    d->guest = g;
    d->arch.altp2m_active = config->altp2m;
    d->arch.nr_access = GUEST_RAM_BYTES >> PAGE_SHIFT;
    d->arch.access = malloc(d->arch.nr_access);
    BUG_ON(!d->arch.access);
    d->arch.default_access = XENMEM_access_rwx;
    memset(d->arch.access, XENMEM_access_rwx, d->arch.nr_access);
    init_vcpus(d);
    if ( config->paused )
    {
        domain_pause_by_systemcontroller(d);
        g->start_pause = true;
    }

    return d;
}

void guest_start(struct domain *d)
{
    struct sim_guest *g = d->guest;
    pthread_attr_t attr;
    struct vcpu *v;

    g->started = true;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    for_each_vcpu ( d, v )
        BUG_ON(pthread_create(&g->cpu[v->vcpu_id].thread, &attr, run_vcpu, v));
    pthread_attr_destroy(&attr);
}

void guest_destroy(struct domain *d)
{
    struct sim_guest *g = d->guest;
    struct vcpu *v;

    get_knownalive_domain(d);
    sim_domain_kill(d, 0);
    for_each_vcpu ( d, v )
        sim_vcpu_stop(v);
    for_each_vcpu ( d, v )
        if ( g->started )
            pthread_join(g->cpu[v->vcpu_id].thread, NULL);

    put_domain(d);
}

/* Nobody can find the domain any more. */
static void free_guest(struct domain *d)
{
    struct sim_guest *g = d->guest;

    if ( !g )
        return;
    munmap(g->ram, GUEST_RAM_BYTES);
    free(g->cpu);
    free(g);
}

void guest_init(void)
{
    sim_emulate_hook = emulate;
    sim_domain_free_hook = free_guest;
    end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    BUG_ON(end_fd < 0);
}

int guest_end_fd(void)
{
    return end_fd;
}

bool guest_wants_destroy(struct domain *d)
{
    return d->guest &&
           __atomic_exchange_n(&d->guest->wants_destroy, false,
                               __ATOMIC_ACQ_REL);
}

bool guest_unpause_start(struct domain *d)
{
    return d->guest &&
           __atomic_exchange_n(&d->guest->start_pause, false,
                               __ATOMIC_ACQ_REL) &&
           !domain_unpause_by_systemcontroller(d);
}

uint64_t guest_iterations(const struct domain *d)
{
    const struct sim_guest *g = d->guest;
    uint64_t sum = 0;
    unsigned int i;

    for ( i = 0; i < g->config.vcpus; i++ )
        sum += __atomic_load_n(&g->layout->vcpu[i].iterations.value,
                               __ATOMIC_RELAXED);

    return sum;
}
