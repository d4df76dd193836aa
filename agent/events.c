/* SPDX-License-Identifier: MIT */
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
      false, false, "the guest asks for it (HVMOP_guest_request_vm_event)" },
    { "cr0", VMIRING_WRITE_CTRLREG, VMIRING_CR0, MODE_EITHER, true, true,
      false, false, "write of CR0" },
    { "cr3", VMIRING_WRITE_CTRLREG, VMIRING_CR3, MODE_EITHER, false, true,
      false, false, "write of CR3, that is a change of address space" },
    { "cr4", VMIRING_WRITE_CTRLREG, VMIRING_CR4, MODE_EITHER, true, true,
      false, false, "write of CR4" },
    { "xcr0", VMIRING_WRITE_CTRLREG, VMIRING_XCR0, MODE_EITHER, true, true,
      false, false, "XSETBV" },
    { "msr", VMIRING_MOV_TO_MSR, 0, MODE_SYNC_ONLY, true, false,
      false, false, "write of an MSR: msr=HEX, or those of system calls" },
    { "cpuid", VMIRING_CPUID, 0, MODE_SYNC_ONLY, true, false,
      false, true, "CPUID" },
    { "int3", VMIRING_SOFTWARE_BREAKPOINT, 0, MODE_SYNC_ONLY, true, false,
      false, true, "INT3, which is then skipped" },
    { "debug", VMIRING_DEBUG_EXCEPTION, 0, MODE_EITHER, false, false,
      false, true, "#DB; with :sync the guest does not get it" },
    { "desc", VMIRING_DESCRIPTOR_ACCESS, 0, MODE_SYNC_ONLY, true, false,
      false, false, "access to GDTR, IDTR, LDTR or TR" },
    { "interrupt", VMIRING_INTERRUPT, 0, MODE_SYNC_ONLY, true, false,
      true, false, "the next interrupt after each other sync event" },
    { "singlestep", VMIRING_SINGLESTEP, 0, MODE_SYNC_ONLY, true, false,
      false, false, "one instruction after each other sync event" },
    { "mem", VMIRING_MEM_ACCESS, 0, MODE_SYNC_ONLY, true, false,
      false, false, "access to pages whose access rights were reduced" },
    { "privcall", VMIRING_PRIVILEGED_CALL, 0, MODE_SYNC_ONLY, true, false,
      false, true, "SMC (Arm)" },
    { "vmexit", VMIRING_VMEXIT, 0, MODE_EITHER, false, false,
      false, false, "each VM exit (Intel)" },
    { "emul-unimplemented", VMIRING_EMUL_UNIMPLEMENTED, 0, MODE_SYNC_ONLY,
      true, false, false, false, "an instruction that Xen cannot emulate" },
    { .name = NULL }
};

/* "msr" alone: where system calls enter, and EFER, which enables them. */
static const uint32_t syscall_msrs[] = {
    0x174, 0x175, 0x176,                /* SYSENTER_CS, _ESP, _EIP */
    0xc0000080, 0xc0000081, 0xc0000082, /* EFER, STAR, LSTAR */
    0xc0000083, 0xc0000084              /* CSTAR, FMASK */
};

static int add(struct event_list *list, const struct event_kind *kind,
               bool sync, uint32_t msr, char *err, size_t err_size)
{
    struct event_choice *c = list->item;

    for ( unsigned int i = 0; i < list->nr; i++ )
        if ( c[i].kind == kind && c[i].msr == msr )
        {
            snprintf(err, err_size, "event \"%s\" is named twice", kind->name);
            return -1;
        }
    if ( list->nr == EVENTS_MAX )
    {
        snprintf(err, err_size, "more than %d events", EVENTS_MAX);
        return -1;
    }
    c[list->nr++] = (struct event_choice){ kind, sync, msr };
    return 0;
}

void events_default(struct event_list *list)
{
    char err[64];

    *list = (struct event_list){ .explicit = false };
    for ( const struct event_kind *k = event_kinds; k->name; k++ )
        if ( k->by_default )
            (void)add(list, k, k->sync, 0, err, sizeof(err));
}

static const struct event_kind *find_name(const char *name, size_t len)
{
    for ( const struct event_kind *k = event_kinds; k->name; k++ )
        if ( strlen(k->name) == len && !memcmp(k->name, name, len) )
            return k;
    return NULL;
}

/* The ":sync" or ":async" behind a name.  -1: neither, or not possible. */
static int parse_mode(const struct event_kind *kind, const char *mode,
                      bool *sync, char *err, size_t err_size)
{
    if ( !strcmp(mode, ":sync") )
        *sync = true;
    else if ( !strcmp(mode, ":async") )
        *sync = false;
    else
    {
        snprintf(err, err_size,
                 "expected \":sync\" or \":async\" after \"%s\", not \"%s\"",
                 kind->name, mode);
        return -1;
    }
    if ( kind->mode == MODE_SYNC_ONLY && !*sync )
    {
        snprintf(err, err_size, "event \"%s\" has no asynchronous form: Xen "
                 "always waits for the answer", kind->name);
        return -1;
    }
    return 0;
}

static int parse_msr(const char *hex, uint32_t *msr, char **end)
{
    unsigned long value;

    errno = 0;
    value = strtoul(hex, end, 16);
    if ( errno || *end == hex || value > UINT32_MAX || hex[0] == '-' ||
         hex[0] == '+' )
        return -1;
    *msr = value;
    return 0;
}

static int parse_one(struct event_list *list, char *word, char *err,
                     size_t err_size)
{
    size_t len = strcspn(word, ":=");
    const struct event_kind *kind = find_name(word, len);
    bool have_msr = false, sync;
    uint32_t msr = 0;
    char *rest = word + len;

    if ( !kind )
    {
        snprintf(err, err_size, "unknown event \"%.*s\"; --help lists them",
                 (int)len, word);
        return -1;
    }
    if ( *rest == '=' )
    {
        if ( kind->reason != VMIRING_MOV_TO_MSR ||
             parse_msr(rest + 1, &msr, &rest) )
        {
            snprintf(err, err_size, "\"%s\": only msr takes a value, the "
                     "MSR's number in hex", word);
            return -1;
        }
        have_msr = true;
    }
    sync = kind->sync;
    if ( *rest && parse_mode(kind, rest, &sync, err, err_size) )
        return -1;

    if ( kind->reason != VMIRING_MOV_TO_MSR || have_msr )
        return add(list, kind, sync, msr, err, err_size);

    for ( size_t i = 0; i < sizeof(syscall_msrs) / sizeof(*syscall_msrs); i++ )
        if ( add(list, kind, sync, syscall_msrs[i], err, err_size) )
            return -1;
    return 0;
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

const struct event_kind *event_kind_find(uint32_t reason, uint32_t index)
{
    for ( const struct event_kind *k = event_kinds; k->name; k++ )
        if ( k->reason == reason && k->index == index )
            return k;
    return NULL;
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
    const char *mode = c->sync ? "sync" : "async";

    if ( c->kind->reason == VMIRING_MOV_TO_MSR )
        snprintf(buf, size, "%s=%" PRIx32 ":%s", c->kind->name, c->msr, mode);
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
    };
    /* What sets registers has to know all the others. */
    if ( c->sync && c->kind->needs_regs && regs < VMIRING_REGS_CORE )
        s->regs = VMIRING_REGS_CORE;
}
