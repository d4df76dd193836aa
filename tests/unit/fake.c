/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "fake.h"

/* Offsets in the control page; not those of Xen, to show that they are read. */
#define PENDING_OFF 512U
#define VCPU_OFF    1024U
#define RING_OFF    (VCPU_OFF + FAKE_VCPUS_MAX * 64U)
#define PORT_OFF    (RING_OFF + FAKE_VCPUS_MAX * 64U)

static struct fake *to_fake(struct host *host)
{
    return (struct fake *)host;
}

/* ---- the pages ---- */

struct vmev2_slot *fake_slot(struct fake *f, uint32_t vcpu)
{
    return (void *)(f->mem[VMEV2_RES_SLOTS] + vcpu * VMEV2_SLOT_SIZE);
}

struct vmev2_vcpu_line *fake_line(struct fake *f, uint32_t vcpu)
{
    return (struct vmev2_vcpu_line *)(void *)
           (f->mem[VMEV2_RES_CTRL] + VCPU_OFF) + vcpu;
}

struct vmev2_ring_line *fake_ring_line(struct fake *f, uint32_t ring)
{
    return (struct vmev2_ring_line *)(void *)
           (f->mem[VMEV2_RES_CTRL] + RING_OFF) + ring;
}

uint8_t *fake_pending(struct fake *f, uint32_t vcpu)
{
    return f->mem[VMEV2_RES_CTRL] + PENDING_OFF + vcpu;
}

static uint64_t *user_cons(struct fake *f, uint32_t ring)
{
    return &((struct vmev2_user_line *)(void *)
             f->mem[VMEV2_RES_USER])[ring].cons;
}

uint64_t fake_awake(struct fake *f, uint32_t ring)
{
    const struct vmev2_user_line *user =
        (const void *)f->mem[VMEV2_RES_USER];

    return __atomic_load_n(&user[ring].awake, __ATOMIC_RELAXED);
}

uint64_t fake_cons(struct fake *f, uint32_t ring)
{
    return __atomic_load_n(user_cons(f, ring), __ATOMIC_ACQUIRE);
}

uint8_t *fake_at(struct fake *f, uint32_t ring, uint64_t pos)
{
    return f->mem[VMEV2_RES_RING] + (size_t)ring * f->ring_bytes +
           (pos & (f->ring_bytes - 1));
}

/* ---- the doorbell ---- */

void fake_ring_bell(struct fake *f)
{
    if ( f->keep_quiet )
        return;

    __atomic_fetch_add(&f->bells, 1, __ATOMIC_RELAXED);
    eventfd_write(f->bell, 1);
}

static int fake_bind(struct host *host, uint32_t domid, uint32_t port)
{
    struct fake *f = to_fake(host);

    if ( f->fail_bind )
    {
        errno = f->fail_bind;
        return -1;
    }

    cr_assert_eq(domid, FAKE_DOMID);
    if ( port > FAKE_PORT && port <= FAKE_PORT + f->slot_ports )
    {
        struct fake_vcpu *v = &f->vcpu[port - FAKE_PORT - 1];

        if ( v->bound )
        {
            errno = EINVAL;
            return -1;
        }
        v->bound = true;

        return FAKE_LOCAL + port - FAKE_PORT;
    }

    cr_assert_eq(port, FAKE_PORT);
    f->bound = true;
    if ( f->ctrl )
        f->state = f->ctrl->state = VMEV2_STATE_ARMED;
    fake_ring_bell(f);  /* a port is pending just after it was bound */

    return FAKE_LOCAL;
}

static int fake_unbind(struct host *host, int local)
{
    struct fake *f = to_fake(host);

    if ( local > FAKE_LOCAL )
    {
        uint32_t vcpu = local - FAKE_LOCAL - 1;

        cr_assert_lt(vcpu, f->slot_ports);
        cr_assert(f->vcpu[vcpu].bound);
        f->vcpu[vcpu].bound = false;
        if ( f->vcpu[vcpu].outstanding )
            *fake_pending(f, vcpu) = VMEV2_PENDING_ORPHAN;

        return 0;
    }

    cr_assert_eq(local, FAKE_LOCAL);
    cr_assert(f->bound);
    f->bound = false;
    if ( f->state == VMEV2_STATE_ARMED )
        f->state = f->on_death == VMEV2_DEATH_HOLD ? VMEV2_STATE_HELD
                                                   : VMEV2_STATE_IDLE;

    return 0;
}

/* One vCPU's answer: taken if it is for what was asked. */
static void visit(struct fake *f, uint32_t i)
{
    struct fake_vcpu *v = &f->vcpu[i];
    const struct vmev2_rsp *rsp;

    if ( !v->outstanding )
        return;

    rsp = &fake_slot(f, i)->rsp;
    if ( __atomic_load_n(&rsp->rsp_seq, __ATOMIC_ACQUIRE) != v->req_seq )
        return;

    v->rsp = *rsp;
    v->outstanding = false;
    v->info.answered++;
    __atomic_store_n(fake_pending(f, i), 0, __ATOMIC_RELEASE);
}

void fake_visit(struct fake *f)
{
    uint32_t i;

    for ( i = 0; i < f->nr_vcpus; i++ )
        visit(f, i);
}

static int fake_notify(struct host *host, int local)
{
    struct fake *f = to_fake(host);

    if ( f->fail_kick )
    {
        errno = f->fail_kick;
        return -1;
    }
    f->kicks++;
    if ( local > FAKE_LOCAL )
    {
        uint32_t vcpu = local - FAKE_LOCAL - 1;

        /* A slot's port: no other is looked at. */
        cr_assert(f->vcpu[vcpu].bound);
        if ( !f->deaf )
            visit(f, vcpu);
        return 0;
    }

    cr_assert_eq(local, FAKE_LOCAL);
    if ( !f->deaf )
        fake_visit(f);

    return 0;
}

static int fake_fd(struct host *host)
{
    return to_fake(host)->bell;
}

static int fake_drain(struct host *host)
{
    eventfd_t count;

    return eventfd_read(to_fake(host)->bell, &count) ? 0 : 1;
}

/* ---- what guests do ---- */

/* Held while a record is published, as the lock of a shared ring. */
static pthread_mutex_t producers = PTHREAD_MUTEX_INITIALIZER;

static uint32_t ring_of(const struct fake *f, uint32_t vcpu)
{
    return f->nr_rings == 1 ? 0 : vcpu;
}

static void put_bytes(struct fake *f, uint32_t ring, uint64_t pos,
                      const uint8_t *from, uint32_t size)
{
    uint32_t room = f->ring_bytes - (pos & (f->ring_bytes - 1));
    uint32_t first = size < room ? size : room;

    memcpy(fake_at(f, ring, pos), from, first);
    memcpy(fake_at(f, ring, pos + first), from + first, size - first);
}

bool fake_async(struct fake *f, uint32_t vcpu, uint32_t reason, uint32_t size)
{
    struct fake_ring *ring = &f->ring[ring_of(f, vcpu)];
    struct vmev2_ring_line *line = fake_ring_line(f, ring_of(f, vcpu));
    struct fake_vcpu *v = &f->vcpu[vcpu];
    uint8_t bytes[640];
    struct vmev2_rec *rec = (void *)bytes;
    uint64_t cons = fake_cons(f, ring_of(f, vcpu));
    uint64_t start = ring->prod;
    uint32_t i;

    cr_assert_leq(size, sizeof(bytes));
    *rec = (struct vmev2_rec){
        .size = size, .reason = reason, .vcpu = vcpu, .seq = ++v->seq,
        .payload_size = size - 32, .time = 1000 + v->seq,
    };
    /* A pattern, so that bytes in the wrong place are seen. */
    for ( i = 32; i < size; i++ )
        bytes[i] = v->seq + i;

    if ( cons - ring->cons <= ring->prod - ring->cons )
        ring->cons = cons;

    v->info.produced++;
    if ( size > f->ring_bytes - (ring->prod - ring->cons) )
    {
        v->info.lost++;
        __atomic_store_n(&line->lost, ++ring->lost, __ATOMIC_RELAXED);
        __atomic_store_n(&fake_line(f, vcpu)->lost_seq, v->seq,
                         __ATOMIC_RELAXED);
        __atomic_store_n(&fake_line(f, vcpu)->lost, v->info.lost,
                         __ATOMIC_RELAXED);
        return false;
    }

    pthread_mutex_lock(&producers);
    put_bytes(f, ring_of(f, vcpu), start, bytes, size);
    ring->prod += size;
    __atomic_store_n(&line->prod, ring->prod, __ATOMIC_RELEASE);
    if ( !ring->awake || ring->awake - ring->prod >= f->ring_bytes )
    {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        ring->awake = fake_awake(f, ring_of(f, vcpu));
        if ( fake_cons(f, ring_of(f, vcpu)) == start )
            fake_ring_bell(f);
    }
    pthread_mutex_unlock(&producers);

    return true;
}

static void publish(struct fake *f, uint32_t vcpu, uint32_t error)
{
    struct vmev2_slot *slot = fake_slot(f, vcpu);

    slot->error = error;
    f->vcpu[vcpu].outstanding = true;
    __atomic_store_n(&slot->req_seq, ++f->vcpu[vcpu].req_seq,
                     __ATOMIC_RELEASE);
    __atomic_store_n(fake_pending(f, vcpu),
                     vcpu < f->slot_ports && !f->vcpu[vcpu].bound
                     ? VMEV2_PENDING_ORPHAN : VMEV2_PENDING_SLOT,
                     __ATOMIC_RELEASE);
    fake_ring_bell(f);
}

void fake_sync_full(struct fake *f, uint32_t vcpu, uint32_t reason,
                    const void *payload, uint32_t payload_size,
                    const void *regs, uint8_t set)
{
    const bool arm = f->features & VMEV2_FEAT_ARM64;
    const uint32_t regs_size =
        set == VMEV2_REGS_ALL
        ? (arm ? VMEV2_REGS_ARM64_ALL_SIZE : VMEV2_REGS_X86_ALL_SIZE)
        : set ? (arm ? VMEV2_REGS_ARM64_CORE_SIZE : VMEV2_REGS_X86_CORE_SIZE) : 0;
    struct fake_vcpu *v = &f->vcpu[vcpu];
    struct vmev2_slot *slot = fake_slot(f, vcpu);

    cr_assert(!v->outstanding, "a vCPU that waits raises nothing");
    slot->rec = (struct vmev2_rec){
        .size = sizeof(slot->rec) + payload_size + regs_size,
        .reason = reason, .flags = VMEV2_REC_SYNC, .vcpu = vcpu,
        .payload_size = payload_size, .regs = set, .seq = ++v->seq,
        .time = 1000 + v->seq,
    };
    if ( payload_size )
        memcpy(slot->body, payload, payload_size);
    if ( regs_size )
        memcpy(slot->body + payload_size, regs, regs_size);
    v->info.raised++;
    publish(f, vcpu, VMEV2_ERR_NONE);
}

void fake_sync(struct fake *f, uint32_t vcpu, uint32_t reason)
{
    fake_sync_full(f, vcpu, reason, NULL, 0, NULL, VMEV2_REGS_NONE);
}

void fake_release(struct fake *f, uint32_t vcpu)
{
    f->vcpu[vcpu].outstanding = false;
    f->vcpu[vcpu].info.released++;
    __atomic_store_n(fake_pending(f, vcpu), 0, __ATOMIC_RELEASE);
}

void fake_refuse(struct fake *f, uint32_t vcpu, uint32_t error)
{
    publish(f, vcpu, error);
}

void fake_domain(struct fake *f, uint32_t state, uint32_t code)
{
    f->ctrl->shutdown_code = code;
    __atomic_store_n(&f->ctrl->domain, state, __ATOMIC_RELEASE);
    fake_ring_bell(f);
}

/* ---- dm_op ---- */

static void make_pages(struct fake *f)
{
    const uint32_t frames[VMEV2_RES_KINDS] = {
        [VMEV2_RES_CTRL] = 1,
        [VMEV2_RES_SLOTS] = (f->nr_vcpus * VMEV2_SLOT_SIZE + 4095) / 4096,
        [VMEV2_RES_USER] = 1,
        [VMEV2_RES_RING] = f->nr_rings * (f->ring_bytes / HOST_PAGE),
    };
    unsigned int i;

    for ( i = 0; i < VMEV2_RES_KINDS; i++ )
    {
        f->frames[i] = frames[i];
        f->memfd[i] = memfd_create("fake", MFD_CLOEXEC);
        cr_assert_eq(ftruncate(f->memfd[i], frames[i] * HOST_PAGE), 0);
        f->mem[i] = mmap(NULL, frames[i] * HOST_PAGE, PROT_READ | PROT_WRITE,
                         MAP_SHARED, f->memfd[i], 0);
        cr_assert_neq(f->mem[i], MAP_FAILED);
    }
    f->ctrl = (void *)f->mem[VMEV2_RES_CTRL];
}

static void fill_ctrl(struct fake *f)
{
    uint32_t i;

    *f->ctrl = (struct vmev2_ctrl){
        .magic = VMEV2_MAGIC, .version = VMEV2_VERSION, .compat = VMEV2_COMPAT,
        .generation = f->generation, .features = f->features,
        .state = f->state, .nr_vcpus = f->nr_vcpus, .nr_rings = f->nr_rings,
        .ring_bytes = f->ring_bytes, .slot_size = VMEV2_SLOT_SIZE,
        .slot_rsp = VMEV2_SLOT_RSP, .pending_off = PENDING_OFF,
        .vcpu_off = VCPU_OFF, .ring_off = RING_OFF, .ctrl_bytes = 4096,
        .slot_ports = f->slot_ports, .port_off = f->slot_ports ? PORT_OFF : 0,
        .clock_time = 101, .clock_wall = 102, .clock_tsc = 103,
    };

    for ( i = 0; i < f->slot_ports; i++ )
        ((uint32_t *)(void *)(f->mem[VMEV2_RES_CTRL] + PORT_OFF))[i] =
            FAKE_PORT + 1 + i;
    for ( i = 0; i < f->nr_rings; i++ )
    {
        f->ring[i] = (struct fake_ring){ f->first_pos, f->first_pos, 0, 0 };
        fake_ring_line(f, i)->prod = f->first_pos;
        *user_cons(f, i) = f->first_pos;
    }
}

static void report(struct fake *f, struct vmev2_op_create *c)
{
    memcpy(c->frames, f->frames, sizeof(c->frames));
    c->ring_bytes = f->ring_bytes;
    c->port = FAKE_PORT;
    c->nr_rings = f->nr_rings;
    c->nr_vcpus = f->nr_vcpus;
    c->generation = f->generation;
    c->released_before = f->released_before;
}

static int do_create(struct fake *f, struct vmev2_op_create *c)
{
    f->create = *c;
    if ( f->state >= VMEV2_STATE_CREATED )
        return EBUSY;

    f->nr_rings = c->flags & VMEV2_CREATE_SPLIT_RINGS ? f->nr_vcpus : 1;
    f->on_death = c->on_death;
    f->generation++;
    f->state = VMEV2_STATE_CREATED;
    if ( !f->ctrl )
        make_pages(f);
    fill_ctrl(f);
    report(f, c);

    return 0;
}

static int do_attach(struct fake *f, uint32_t flags, struct vmev2_op_create *c)
{
    if ( f->state < VMEV2_STATE_CREATED )
        return ENOENT;
    if ( f->state != VMEV2_STATE_HELD )
    {
        if ( !(flags & VMEV2_ATTACH_TAKEOVER) )
            return EBUSY;
        if ( f->on_death != VMEV2_DEATH_HOLD )
            return EOPNOTSUPP;
    }

    f->ctrl->generation = ++f->generation;
    report(f, c);

    return 0;
}

static int do_info(struct fake *f, struct vmev2_op_info *info,
                   struct vmev2_vcpu_info *out, size_t room)
{
    uint32_t i;

    cr_assert_leq(info->nr * sizeof(*out), room);
    if ( info->nr && info->first >= f->nr_vcpus )
        return ERANGE;
    if ( info->nr > f->nr_vcpus - info->first )
        info->nr = f->nr_vcpus - info->first;

    for ( i = 0; i < info->nr; i++ )
    {
        out[i] = f->vcpu[info->first + i].info;
        out[i].seq = f->vcpu[info->first + i].seq;
    }

    info->state = f->state;
    info->on_death = f->on_death;
    info->generation = f->generation;
    info->nr_vcpus = f->nr_vcpus;
    info->agent_port = f->bound ? FAKE_LOCAL : ~0U;
    info->slot_ports = f->slot_ports;
    info->agent = 3;
    info->legacy = f->legacy;

    return 0;
}

static bool same_sub(const struct vmev2_op_monitor *a,
                     const struct vmev2_op_monitor *b)
{
    return a->reason == b->reason && a->index == b->index && a->msr == b->msr;
}

static int do_monitor(struct fake *f, const struct vmev2_op_monitor *m)
{
    uint32_t i;

    f->monitor = *m;
    for ( i = 0; i < f->nr_subs && !same_sub(&f->subs[i], m); i++ )
        continue;
    if ( m->enable == (i < f->nr_subs) )
        return EEXIST;

    if ( m->enable )
        f->subs[f->nr_subs++] = *m;
    else
        f->subs[i] = f->subs[--f->nr_subs];

    return 0;
}

static int do_destroy(struct fake *f)
{
    uint32_t i;

    for ( i = 0; i < f->nr_vcpus; i++ )
        if ( f->vcpu[i].outstanding )
        {
            f->vcpu[i].outstanding = false;
            f->vcpu[i].info.cancelled++;
        }
    f->nr_subs = 0;
    f->state = f->ctrl->state = VMEV2_STATE_IDLE;

    return 0;
}

static void do_resume(struct fake *f)
{
    uint32_t i;

    f->resumes++;
    pthread_mutex_lock(&producers);
    for ( i = 0; i < f->nr_rings; i++ )
        f->ring[i].awake = 0;
    pthread_mutex_unlock(&producers);
}

static int command(struct fake *f, struct vmev2_op *op, void *buf, size_t size)
{
    switch ( op->cmd )
    {
    case VMEV2_CMD_QUERY:
        op->u.query = (struct vmev2_op_query){
            .version = VMEV2_VERSION, .compat = VMEV2_COMPAT,
            .features = f->features, .ring_max = 1U << 20,
            .nr_vcpus = f->nr_vcpus, .rsp_flags = f->rsp_flags,
            .reasons = f->reasons,
        };
        return 0;

    case VMEV2_CMD_INFO:
        return do_info(f, &op->u.info, buf, size);

    case VMEV2_CMD_CREATE:
        return do_create(f, &op->u.create);

    case VMEV2_CMD_ATTACH:
        return do_attach(f, op->flags, &op->u.create);
    }

    if ( f->state < VMEV2_STATE_CREATED )
        return ENOENT;
    if ( op->generation != f->generation )
        return ENOTCONN;

    switch ( op->cmd )
    {
    case VMEV2_CMD_MONITOR:
        return do_monitor(f, &op->u.monitor);

    case VMEV2_CMD_ACCESS_SET:
        f->access = op->u.access;
        if ( f->features & VMEV2_FEAT_ACCESS_LOOKS )
            fake_visit(f);
        if ( !f->access.nr_list )
            return 0;
        f->lists++;
        op->u.access.first = f->list_takes < f->access.nr_list
                             ? f->list_takes : f->access.nr_list;
        f->list_takes -= op->u.access.first;
        return op->u.access.first < f->access.nr_list ? ERANGE : 0;

    case VMEV2_CMD_ACCESS_GET:
        op->u.access.access = f->access.access;
        return 0;

    case VMEV2_CMD_RESUME:
        do_resume(f);
        return 0;

    case VMEV2_CMD_DESTROY:
        return do_destroy(f);
    }

    return EOPNOTSUPP;
}

static int fake_dm_op(struct host *host, uint32_t domid, void *buf0,
                      size_t size0, void *buf1, size_t size1)
{
    struct fake *f = to_fake(host);
    struct vmev2_op *op = buf0;

    cr_assert_eq(domid, FAKE_DOMID);
    cr_assert_eq(size0, sizeof(*op));
    cr_assert_leq(size1, HOST_PAGE, "a dm_op buffer is at most a page");
    cr_assert_eq(op->dmop, XEN_DMOP_vm_event);
    cr_assert_eq(op->dmop_pad, 0);

    f->last_cmd = op->cmd;
    if ( f->fail_errno && op->cmd == f->fail_cmd )
    {
        errno = f->fail_errno;
        if ( f->fail_times && !--f->fail_times )
            f->fail_errno = 0;
    }
    else
    {
        if ( f->lease_ends && op->cmd == VMEV2_CMD_CREATE )
            f->state = VMEV2_STATE_IDLE;
        errno = command(f, op, buf1, size1);
    }

    return errno ? -1 : 0;
}

/* ---- mappings ---- */

static void *fake_map(struct host *host, uint32_t domid, uint32_t type,
                      uint32_t id, uint64_t first, uint64_t nr, int prot,
                      unsigned int times)
{
    struct fake *f = to_fake(host);
    uint32_t kind = id & 0xff;
    size_t bytes = nr * HOST_PAGE;
    unsigned int i;
    char *addr;

    cr_assert_eq(domid, FAKE_DOMID);
    cr_assert_eq(type, XENMEM_resource_vm_event);
    cr_assert_lt(kind, VMEV2_RES_KINDS);
    cr_assert_eq(id, VMEV2_RES_ID(f->generation, kind));
    cr_assert_leq(first + nr, f->frames[kind]);
    if ( f->fail_map && f->maps == f->fail_map_after )
    {
        errno = f->fail_map;
        return NULL;
    }

    addr = mmap(NULL, bytes * times, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    cr_assert_neq(addr, MAP_FAILED);
    for ( i = 0; i < times; i++ )
        cr_assert_neq(mmap(addr + i * bytes, bytes, prot,
                           MAP_SHARED | MAP_FIXED, f->memfd[kind],
                           first * HOST_PAGE), MAP_FAILED);
    madvise(addr, bytes * times, MADV_DONTFORK);
    f->maps++;

    return addr;
}

static void fake_unmap(struct host *host, void *addr, uint64_t nr,
                       unsigned int times)
{
    to_fake(host)->unmaps++;
    munmap(addr, nr * HOST_PAGE * times);
}

/* ---- guest memory ---- */

static int guest_at(struct fake *f, uint64_t gpa, size_t size)
{
    cr_assert_leq(gpa % HOST_PAGE + size, HOST_PAGE, "one page at a time");
    if ( gpa < FAKE_GUEST && !(f->guest_holes >> gpa / HOST_PAGE & 1) )
        return 0;

    errno = ENOENT;

    return -1;
}

static int fake_read_phys(struct host *host, uint32_t domid, uint64_t gpa,
                          void *buf, size_t size)
{
    struct fake *f = to_fake(host);

    cr_assert_eq(domid, FAKE_DOMID);
    f->phys_reads++;
    if ( guest_at(f, gpa, size) )
        return -1;
    memcpy(buf, f->guest + gpa, size);

    return 0;
}

static int fake_write_phys(struct host *host, uint32_t domid, uint64_t gpa,
                           const void *buf, size_t size)
{
    struct fake *f = to_fake(host);

    cr_assert_eq(domid, FAKE_DOMID);
    if ( guest_at(f, gpa, size) )
        return -1;
    memcpy(f->guest + gpa, buf, size);

    return 0;
}

static void fake_forget(struct host *host)
{
    (void)host;
}

static int fake_restrict(struct host *host, uint32_t domid)
{
    to_fake(host)->restricted_to = domid;

    return 0;
}

static void fake_close(struct host *host, bool child)
{
    (void)child;
    to_fake(host)->closed = true;
}

static const struct host_ops fake_ops = {
    .name = "fake",
    .caps = VMIRING_CAP_RESTRICT | VMIRING_CAP_SIMULATED,
    .dm_op = fake_dm_op,
    .map = fake_map,
    .unmap = fake_unmap,
    .bind = fake_bind,
    .unbind = fake_unbind,
    .notify = fake_notify,
    .fd = fake_fd,
    .drain = fake_drain,
    .read_phys = fake_read_phys,
    .write_phys = fake_write_phys,
    .forget = fake_forget,
    .restrict_to = fake_restrict,
    .close = fake_close,
};

/* ---- making one ---- */

struct fake *fake_new(uint32_t nr_vcpus)
{
    struct fake *f = calloc(1, sizeof(*f));

    cr_assert(f);
    cr_assert_leq(nr_vcpus, FAKE_VCPUS_MAX);
    f->host.ops = &fake_ops;
    f->nr_vcpus = nr_vcpus;
    f->ring_bytes = VMEV2_RING_MIN;
    f->features = VMEV2_FEAT_SPLIT_RINGS | VMEV2_FEAT_HOLD |
                  VMEV2_FEAT_DEADLINE;
    f->rsp_flags = VMEV2_RSP_KNOWN;
    f->reasons = 0x1fff0;
    f->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    f->guest = calloc(1, FAKE_GUEST);
    cr_assert(f->bell >= 0 && f->guest);

    return f;
}

/* In an ASan build: Criterion's workers end before its own check at exit. */
int __attribute__((weak)) __lsan_do_recoverable_leak_check(void);

void fake_free(struct fake *f)
{
    unsigned int i;

    for ( i = 0; f->ctrl && i < VMEV2_RES_KINDS; i++ )
    {
        munmap(f->mem[i], f->frames[i] * HOST_PAGE);
        close(f->memfd[i]);
    }
    close(f->bell);
    free(f->guest);
    free(f);

    if ( __lsan_do_recoverable_leak_check )
        cr_assert_eq(__lsan_do_recoverable_leak_check(), 0, "leaks");
}

vmiring_options fake_options(void)
{
    static char note[64];

    /* Where the note of who holds the channel goes. */
    snprintf(note, sizeof(note), "/tmp/vmiring-unit-%d", getpid());

    return (vmiring_options){ .size = sizeof(vmiring_options),
                              .domid = FAKE_DOMID, .sim = note };
}

vmiring *fake_open_with(struct fake *f, const vmiring_options *o)
{
    return vmiring_open_on(&f->host, NULL, o);
}

vmiring *fake_open(struct fake *f)
{
    vmiring_options o = fake_options();
    vmiring *h = fake_open_with(f, &o);

    cr_assert(h, "open: %s", vmiring_open_error());

    return h;
}

/* ---- receiving ---- */

bool readable(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, 0) == 1;
}

int must_receive(vmiring *h, struct vmiring_event *ev, int max)
{
    int n = vmiring_receive(h, ev, max);

    cr_assert_gt(n, 0, "receive: %s", vmiring_error(h));

    return n;
}

void must_be_empty(vmiring *h)
{
    struct vmiring_event ev;

    errno = 0;
    cr_assert_eq(vmiring_receive(h, &ev, 1), -1);
    cr_assert_eq(errno, EAGAIN, "errno %d: %s", errno, vmiring_error(h));
}
