/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"

/*
 * The default modes are those that leave a guest working: #DB is reported
 * asynchronously, because Xen then delivers it to the guest, while a sync
 * answer could only swallow it (the stable ABI has no re-injection); a sync
 * VMEXIT is raised instead of handling the exit, so continuing repeats it.
 * By default only those are watched that a guest raises seldom or that cost
 * it no wait.
 */
const struct event_kind event_kinds[] = {
    { "guest-request", VMIRING_GUEST_REQUEST, 0, MODE_EITHER, true, true,
      WAY_SUBSCRIBE, false, "the guest asks (HVMOP_guest_request_vm_event)" },
    { "cr0", VMIRING_WRITE_CTRLREG, VMIRING_CR0, MODE_EITHER, true, true,
      WAY_SUBSCRIBE, false, "write of CR0" },
    { "cr3", VMIRING_WRITE_CTRLREG, VMIRING_CR3, MODE_EITHER, false, true,
      WAY_SUBSCRIBE, false, "write of CR3, that is a change of address space" },
    { "cr4", VMIRING_WRITE_CTRLREG, VMIRING_CR4, MODE_EITHER, true, true,
      WAY_SUBSCRIBE, false, "write of CR4" },
    { "xcr0", VMIRING_WRITE_CTRLREG, VMIRING_XCR0, MODE_EITHER, true, true,
      WAY_SUBSCRIBE, false, "XSETBV" },
    { "msr", VMIRING_MOV_TO_MSR, 0, MODE_SYNC_ONLY, true, false,
      WAY_SUBSCRIBE, false, "write of MSR msr=HEX, or the system call ones" },
    { "cpuid", VMIRING_CPUID, 0, MODE_SYNC_ONLY, true, false,
      WAY_SUBSCRIBE, true, "CPUID" },
    { "int3", VMIRING_SOFTWARE_BREAKPOINT, 0, MODE_SYNC_ONLY, true, false,
      WAY_SUBSCRIBE, true, "INT3, which is then skipped" },
    { "debug", VMIRING_DEBUG_EXCEPTION, 0, MODE_EITHER, false, false,
      WAY_SUBSCRIBE, true, "#DB; with :sync the guest does not get it" },
    { "desc", VMIRING_DESCRIPTOR_ACCESS, 0, MODE_SYNC_ONLY, true, false,
      WAY_SUBSCRIBE, false, "access to GDTR, IDTR, LDTR or TR" },
    { "interrupt", VMIRING_INTERRUPT, 0, MODE_SYNC_ONLY, true, false,
      WAY_ANSWERS, false, "the next interrupt after each other sync event" },
    { "singlestep", VMIRING_SINGLESTEP, 0, MODE_SYNC_ONLY, true, false,
      WAY_SUBSCRIBE, false, "one instruction after each other sync event" },
    { "mem", VMIRING_MEM_ACCESS, 0, MODE_SYNC_ONLY, true, false,
      WAY_PAGES, false, "mem=FIRST[-LAST]/n|r|w|x|rw|rx|wx|rx2rw|n2rwx: other "
      "access than that to these pages (hex)" },
    { "privcall", VMIRING_PRIVILEGED_CALL, 0, MODE_SYNC_ONLY, true, false,
      WAY_SUBSCRIBE, true, "SMC (Arm)" },
    { "vmexit", VMIRING_VMEXIT, 0, MODE_EITHER, false, false,
      WAY_SUBSCRIBE, false, "each VM exit (Intel)" },
    { "emul-unimplemented", VMIRING_EMUL_UNIMPLEMENTED, 0, MODE_SYNC_ONLY,
      true, false, WAY_SUBSCRIBE, false,
      "an instruction that Xen cannot emulate" },
    { .name = NULL }
};

/* "msr" alone: where system calls enter, and EFER, which enables them. */
static const uint32_t syscall_msrs[] = {
    0x174, 0x175, 0x176,                /* SYSENTER_CS, _ESP, _EIP */
    0xc0000080, 0xc0000081, 0xc0000082, /* EFER, STAR, LSTAR */
    0xc0000083, 0xc0000084              /* CSTAR, FMASK */
};

static int add(struct event_list *list, const struct event_choice *c,
               char *err, size_t err_size)
{
    for ( unsigned int i = 0; i < list->nr; i++ )
        if ( list->item[i].kind == c->kind && list->item[i].msr == c->msr &&
             list->item[i].gfn == c->gfn )
        {
            snprintf(err, err_size, "event \"%s\" is named twice",
                     c->kind->name);
            return -1;
        }
    if ( list->nr == EVENTS_MAX )
    {
        snprintf(err, err_size, "more than %d events", EVENTS_MAX);
        return -1;
    }
    list->item[list->nr++] = *c;
    return 0;
}

void events_default(struct event_list *list)
{
    *list = (struct event_list){ .explicit = false };
    for ( const struct event_kind *k = event_kinds; k->name; k++ )
        if ( k->by_default )
            list->item[list->nr++] = (struct event_choice){
                .kind = k, .sync = k->sync
            };
}

static const struct event_kind *find_name(const char *name, size_t len)
{
    for ( const struct event_kind *k = event_kinds; k->name; k++ )
        if ( strlen(k->name) == len && !memcmp(k->name, name, len) )
            return k;
    return NULL;
}

/* The ":sync" or ":async" behind a name.  -1: neither, or not possible. */
static int parse_hex(const char *hex, uint64_t max, uint64_t *out, char **end)
{
    errno = 0;
    *out = strtoull(hex, end, 16);
    return errno || *end == hex || *out > max || !isxdigit((uint8_t)hex[0]);
}

/* The largest physical address of x86 and Arm has 52 bits. */
#define GFN_MAX (UINT64_MAX >> (64 - 52 + 12))

/* The rights that leave something to report, in the order of their numbers. */
static const char *const accesses[] = {
    "n", "r", "w", "rw", "x", "rx", "wx", NULL, "rx2rw", "n2rwx"
};

static int parse_sync(struct event_choice *c, bool sync, char *err,
                      size_t err_size)
{
    c->sync = sync;
    if ( c->kind->mode != MODE_SYNC_ONLY || sync )
        return 0;
    snprintf(err, err_size, "event \"%s\" has no asynchronous form: Xen "
             "always waits for the answer", c->kind->name);
    return -1;
}

/* One word behind a colon; what a kind does not have is not one. */
static int parse_mode(struct event_choice *c, const char *mode, char *err,
                      size_t err_size)
{
    const bool cr = c->kind->reason == VMIRING_WRITE_CTRLREG;
    const bool msr = c->kind->reason == VMIRING_MOV_TO_MSR;
    char *end;

    if ( !strcmp(mode, "sync") || !strcmp(mode, "async") )
        return parse_sync(c, *mode == 's', err, err_size);
    if ( !strcmp(mode, "onchange") && (cr || msr) )
    {
        c->onchange = true;
        return 0;
    }
    if ( !strcmp(mode, "user") && c->kind->reason == VMIRING_GUEST_REQUEST )
    {
        c->user = true;
        return 0;
    }
    if ( !strncmp(mode, "mask=", 5) && cr &&
         !parse_hex(mode + 5, UINT64_MAX, &c->mask, &end) && !*end )
        return 0;
    snprintf(err, err_size, "expected \":sync\" or \":async\"%s after \"%s\", "
             "not \":%s\"", cr ? ", \":onchange\", \":mask=HEX\"" :
             msr ? ", \":onchange\"" :
             c->kind->reason == VMIRING_GUEST_REQUEST ? ", \":user\"" : "",
             c->kind->name, mode);
    return -1;
}

static int parse_modes(struct event_choice *c, char *rest, char *err,
                       size_t err_size)
{
    char *mode;

    if ( *rest && *rest != ':' )
    {
        snprintf(err, err_size, "cannot read \"%s\" after \"%s\"", rest,
                 c->kind->name);
        return -1;
    }
    if ( *rest )
        rest++;
    else
        return 0;
    while ( (mode = strsep(&rest, ":")) )
        if ( parse_mode(c, mode, err, err_size) )
            return -1;
    return 0;
}

static int parse_access(const char *word, uint32_t *access, char **end)
{
    size_t len = strcspn(word, ":");

    for ( size_t i = 0; i < sizeof(accesses) / sizeof(*accesses); i++ )
        if ( accesses[i] && strlen(accesses[i]) == len &&
             !memcmp(accesses[i], word, len) )
        {
            *access = i;
            *end = (char *)word + len;
            return 0;
        }
    return -1;
}

/* "800-8ff/rx" */
static int parse_pages(struct event_choice *c, const char *arg, char **end)
{
    uint64_t last;

    if ( parse_hex(arg, GFN_MAX, &c->gfn, end) )
        return -1;
    last = c->gfn;
    if ( **end == '-' && parse_hex(*end + 1, GFN_MAX, &last, end) )
        return -1;
    if ( last < c->gfn || **end != '/' )
        return -1;
    c->nr = last - c->gfn + 1;
    return parse_access(*end + 1, &c->access, end);
}

/* What stands behind "=".  Moves *rest behind it. */
static int parse_value(struct event_choice *c, char **rest, char *err,
                       size_t err_size)
{
    const char *arg = *rest + 1;
    uint64_t msr;

    if ( c->kind->reason == VMIRING_MOV_TO_MSR )
    {
        if ( !parse_hex(arg, UINT32_MAX, &msr, rest) )
        {
            c->msr = msr;
            return 0;
        }
        snprintf(err, err_size, "msr=%s: expected an MSR's number in hex", arg);
    }
    else if ( c->kind->way == WAY_PAGES )
    {
        if ( !parse_pages(c, arg, rest) )
            return 0;
        snprintf(err, err_size, "mem=%s: expected pages and what stays "
                 "allowed, as 800-8ff/rx", arg);
    }
    else
        snprintf(err, err_size, "\"%s\" takes no value", c->kind->name);
    return -1;
}

static int add_syscall_msrs(struct event_list *list, struct event_choice *c,
                            char *err, size_t err_size)
{
    for ( size_t i = 0; i < sizeof(syscall_msrs) / sizeof(*syscall_msrs); i++ )
    {
        c->msr = syscall_msrs[i];
        if ( add(list, c, err, err_size) )
            return -1;
    }
    return 0;
}

static int parse_one(struct event_list *list, char *word, char *err,
                     size_t err_size)
{
    size_t len = strcspn(word, ":=");
    struct event_choice c = { .kind = find_name(word, len) };
    char *rest = word + len;
    bool value = *rest == '=';

    if ( !c.kind )
    {
        snprintf(err, err_size, "unknown event \"%.*s\"; --help lists them",
                 (int)len, word);
        return -1;
    }
    if ( value && parse_value(&c, &rest, err, err_size) )
        return -1;
    c.sync = c.kind->sync && c.access != VMIRING_ACCESS_N2RWX;
    if ( parse_modes(&c, rest, err, err_size) )
        return -1;
    if ( c.kind->reason == VMIRING_MOV_TO_MSR && !value )
        return add_syscall_msrs(list, &c, err, err_size);
    if ( c.kind->way == WAY_PAGES && !value )
    {
        snprintf(err, err_size, "mem: expected pages and what stays allowed, "
                 "as mem=800-8ff/rx");
        return -1;
    }
    return add(list, &c, err, err_size);
}

int events_parse(struct event_list *list, const char *arg, char *err,
                 size_t err_size)
{
    char *copy = strdup(arg), *next = copy, *word;
    int rc = 0;

    if ( !copy )
    {
        snprintf(err, err_size, "out of memory");
        return -1;
    }
    *list = (struct event_list){ .explicit = true };
    while ( !rc && (word = strsep(&next, ",")) )
        rc = parse_one(list, word, err, err_size);
    free(copy);
    return rc;
}

bool events_have(const struct event_list *list, uint32_t reason)
{
    for ( unsigned int i = 0; i < list->nr; i++ )
        if ( list->item[i].kind->reason == reason )
            return true;
    return false;
}

void event_choice_name(const struct event_choice *c, char *buf, size_t size)
{
    char mode[48];

    snprintf(mode, sizeof(mode), "%s%s%s", c->sync ? "sync" : "async",
             c->onchange ? ":onchange" : "", c->user ? ":user" : "");
    if ( c->mask )
        snprintf(mode + strlen(mode), sizeof(mode) - strlen(mode),
                 ":mask=%" PRIx64, c->mask);
    if ( c->kind->reason == VMIRING_MOV_TO_MSR )
        snprintf(buf, size, "%s=%" PRIx32 ":%s", c->kind->name, c->msr, mode);
    else if ( c->kind->way == WAY_PAGES )
        snprintf(buf, size, "%s=%" PRIx64 "-%" PRIx64 "/%s:%s", c->kind->name,
                 c->gfn, c->gfn + c->nr - 1, accesses[c->access], mode);
    else
        snprintf(buf, size, "%s:%s", c->kind->name, mode);
}

void event_subscription(const struct event_choice *c, uint8_t regs,
                        struct vmiring_subscription *s)
{
    *s = (struct vmiring_subscription){
        .size = sizeof(*s),
        .reason = c->kind->reason,
        .sync = c->sync,
        .regs = regs,
        .index = c->kind->index,
        .msr = c->msr,
        .onchangeonly = c->onchange,
        .userspace = c->user,
        .mask = c->mask,
    };
    /* What sets registers has to know all the others. */
    if ( c->sync && c->kind->needs_regs && regs < VMIRING_REGS_CORE )
        s->regs = VMIRING_REGS_CORE;
}
