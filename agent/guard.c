/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "guard.h"

#define MS 1000000ULL        /* in the ns of events */
#define SPACES 1024U         /* address spaces counted at a time */

/* How a rule looks at an event. */
enum guard_kind {
    CLEARS_BIT,              /* of control register index */
    WRITES_MSR,
    MOVES_TABLE,             /* descriptor index, as in vmiring_descriptor */
    SWITCHES,                /* of one address space, per window */
    BREAKPOINT
};

static const struct guard_rule {
    const char *name;
    enum guard_kind kind;
    uint32_t index;          /* register, MSR or descriptor */
    unsigned int bit;
    bool booted;             /* what a kernel does while it boots */
    bool can_deny;
    enum guard_action action;
    const char *event;       /* as -e names it */
    const char *text;
} rules[] = {
    { "cr0-wp", CLEARS_BIT, VMIRING_CR0, 16, true, true, GUARD_REPORT, "cr0",
      "CR0.WP cleared: the kernel may write to read-only pages" },
    { "cr4-smep", CLEARS_BIT, VMIRING_CR4, 20, false, true, GUARD_REPORT,
      "cr4", "CR4.SMEP cleared: the kernel may execute user pages" },
    { "cr4-smap", CLEARS_BIT, VMIRING_CR4, 21, false, true, GUARD_REPORT,
      "cr4", "CR4.SMAP cleared: the kernel may access user pages" },
    { "cr4-umip", CLEARS_BIT, VMIRING_CR4, 11, false, true, GUARD_REPORT,
      "cr4", "CR4.UMIP cleared: user mode may read GDTR and IDTR" },
    { "lstar", WRITES_MSR, 0xc0000082, 0, true, true, GUARD_REPORT,
      "msr=c0000082", "LSTAR written: the entry of system calls" },
    { "star", WRITES_MSR, 0xc0000081, 0, true, true, GUARD_REPORT,
      "msr=c0000081", "STAR written: the segments of system calls" },
    { "sysenter-cs", WRITES_MSR, 0x174, 0, true, true, GUARD_REPORT,
      "msr=174", "SYSENTER_CS written" },
    { "sysenter-esp", WRITES_MSR, 0x175, 0, true, true, GUARD_REPORT,
      "msr=175", "SYSENTER_ESP written" },
    { "sysenter-eip", WRITES_MSR, 0x176, 0, true, true, GUARD_REPORT,
      "msr=176", "SYSENTER_EIP written: the entry of system calls" },
    { "idt-move", MOVES_TABLE, 1, 0, true, false, GUARD_REPORT, "desc",
      "IDTR loaded: the table of interrupt handlers" },
    { "gdt-move", MOVES_TABLE, 2, 0, true, false, GUARD_REPORT, "desc",
      "GDTR loaded: the table of segments" },
    { "cr3-churn", SWITCHES, VMIRING_CR3, 0, false, false, GUARD_OFF, "cr3",
      "many switches to one address space" },
    { "int3-hook", BREAKPOINT, 0, 0, false, false, GUARD_OFF, "int3",
      "INT3 executed" },
};
#define RULES (sizeof(rules) / sizeof(*rules))

struct space {
    uint64_t cr3, switches;
};

struct guard {
    enum guard_action action[RULES];
    uint64_t lock_after;     /* ns */
    uint64_t locked_from;
    uint64_t threshold, window;
    uint64_t window_end;
    struct space space[SPACES];
};

/* ---- the file ---- */

static int set_action(struct guard *g, size_t i, const char *word, char *err,
                      size_t size)
{
    static const char *const words[] = { "off", "report", "deny" };

    for ( unsigned int a = 0; a < 3; a++ )
    {
        if ( strcmp(word, words[a]) )
            continue;
        if ( a == GUARD_DENY && !rules[i].can_deny )
        {
            snprintf(err, size, "rule \"%s\": cannot be denied, only reported",
                     rules[i].name);
            return -1;
        }
        g->action[i] = a;
        return 0;
    }
    snprintf(err, size, "rule \"%s\": \"%.32s\", expected off, report or deny",
             rules[i].name, word);
    return -1;
}

static int set_rule(struct guard *g, const char *name,
                    struct json_object *value, char *err, size_t size)
{
    for ( size_t i = 0; i < RULES; i++ )
        if ( !strcmp(name, rules[i].name) )
        {
            if ( json_object_is_type(value, json_type_string) )
                return set_action(g, i, json_object_get_string(value), err,
                                  size);
            snprintf(err, size, "rule \"%s\": expected a text", name);
            return -1;
        }
    snprintf(err, size, "no rule \"%.48s\"", name);
    return -1;
}

/* A whole number in [1, max], in units. */
static int set_number(uint64_t *out, const char *key,
                      struct json_object *value, uint64_t unit, int64_t min,
                      char *err, size_t size)
{
    int64_t n = json_object_get_int64(value);

    if ( !json_object_is_type(value, json_type_int) || n < min ||
         n > 1000000000 )
    {
        snprintf(err, size, "\"%s\": expected a whole number from %" PRId64,
                 key, min);
        return -1;
    }
    *out = n * unit;
    return 0;
}

static int set_key(struct guard *g, const char *key, struct json_object *value,
                   char *err, size_t size)
{
    if ( !strcmp(key, "lock_after_s") )
        return set_number(&g->lock_after, key, value, 1000 * MS, 0, err, size);
    if ( !strcmp(key, "churn_switches") )
        return set_number(&g->threshold, key, value, 1, 1, err, size);
    if ( !strcmp(key, "churn_window_ms") )
        return set_number(&g->window, key, value, MS, 1, err, size);
    if ( strcmp(key, "rules") || !json_object_is_type(value, json_type_object) )
    {
        snprintf(err, size, "unknown key \"%.48s\", or not of its type", key);
        return -1;
    }
    json_object_object_foreach(value, name, action)
        if ( set_rule(g, name, action, err, size) )
            return -1;
    return 0;
}

static int read_file(struct guard *g, const char *path, char *err, size_t size)
{
    struct json_object *o = json_object_from_file(path);
    int rc = 0;

    if ( !json_object_is_type(o, json_type_object) )
    {
        const char *why = o ? NULL : json_util_get_last_err();

        snprintf(err, size, "%s", why ? why : "expected a JSON object");
        json_object_put(o);
        return -1;
    }
    json_object_object_foreach(o, key, value)
        if ( !rc )
            rc = set_key(g, key, value, err, size);
    json_object_put(o);
    return rc;
}

struct guard *guard_load(const char *path, char *err, size_t size)
{
    struct guard *g = calloc(1, sizeof(*g));

    if ( !g )
    {
        snprintf(err, size, "out of memory");
        return NULL;
    }
    for ( size_t i = 0; i < RULES; i++ )
        g->action[i] = rules[i].action;
    g->threshold = 1000;
    g->window = 1000 * MS;
    if ( strcmp(path, "default") && read_file(g, path, err, size) )
    {
        free(g);
        return NULL;
    }
    return g;
}

void guard_free(struct guard *g)
{
    free(g);
}

/* ---- events ---- */

static int need_event(struct event_list *list, const char *name, bool deny,
                      char *err, size_t size)
{
    static struct event_list one;
    struct event_choice *c = NULL;

    if ( events_parse(&one, name, err, size) )
        return -1;
    for ( unsigned int i = 0; i < list->nr && !c; i++ )
        if ( list->item[i].kind == one.item[0].kind &&
             list->item[i].msr == one.item[0].msr )
            c = &list->item[i];
    if ( !c && list->nr == EVENTS_MAX )
    {
        snprintf(err, size, "too many events");
        return -1;
    }
    if ( !c )
    {
        c = &list->item[list->nr++];
        *c = one.item[0];
        if ( c->kind->mode == MODE_EITHER )
            c->sync = deny;
    }
    if ( deny && !c->sync && list->explicit )
    {
        snprintf(err, size, "a rule denies what -e has as %s:async", name);
        return -1;
    }
    c->sync |= deny;
    return 0;
}

int guard_events(const struct guard *g, struct event_list *list, char *err,
                 size_t size)
{
    for ( size_t i = 0; i < RULES; i++ )
        if ( g->action[i] &&
             need_event(list, rules[i].event, g->action[i] == GUARD_DENY, err,
                        size) )
            return -1;
    return 0;
}

void guard_start(struct guard *g, uint64_t now)
{
    g->locked_from = now + g->lock_after;
}

/* ---- matching ---- */

static bool meets_write(const struct guard_rule *r,
                        const struct vmiring_event *ev, struct guard_hit *hit)
{
    struct vmiring_ctrlreg cr;
    struct vmiring_msr msr;

    if ( r->kind == CLEARS_BIT && !vmiring_get_ctrlreg(ev, &cr) )
    {
        hit->old_value = cr.old_value;
        hit->new_value = cr.new_value;
        return cr.index == r->index &&
               (cr.old_value & ~cr.new_value) >> r->bit & 1;
    }
    if ( r->kind == WRITES_MSR && !vmiring_get_msr(ev, &msr) )
    {
        hit->old_value = msr.old_value;
        hit->new_value = msr.new_value;
        return msr.msr == r->index && msr.new_value != msr.old_value;
    }
    return false;
}

static bool meets(const struct guard *g, const struct guard_rule *r,
                  const struct vmiring_event *ev, struct guard_hit *hit)
{
    struct vmiring_descriptor desc;

    if ( r->booted && ev->time < g->locked_from )
        return false;
    if ( r->kind == MOVES_TABLE )
        return !vmiring_get_descriptor(ev, &desc) && desc.is_write &&
               desc.descriptor == r->index;
    if ( r->kind == BREAKPOINT )
        return ev->reason == VMIRING_SOFTWARE_BREAKPOINT;
    return meets_write(r, ev, hit);
}

bool guard_denies(const struct guard *g, const struct vmiring_event *ev)
{
    struct guard_hit hit;

    if ( !g || !(ev->flags & VMIRING_EV_SYNC) )
        return false;
    for ( size_t i = 0; i < RULES; i++ )
        if ( g->action[i] == GUARD_DENY && meets(g, &rules[i], ev, &hit) )
            return true;
    return false;
}

/* The place of an address space, or NULL: there are too many of them. */
static struct space *space_of(struct guard *g, uint64_t cr3)
{
    uint64_t at = (cr3 >> 12) * 0x9e3779b97f4a7c15ULL >> 54;

    for ( unsigned int i = 0; i < 8; i++ )
    {
        struct space *s = &g->space[(at + i) % SPACES];

        if ( !s->switches )
            s->cr3 = cr3;
        if ( s->cr3 == cr3 )
            return s;
    }
    return NULL;
}

typedef void emit_fn(void *ctx, const struct guard_hit *hit);

static void end_window(struct guard *g, const struct guard_rule *r,
                       emit_fn *emit, void *ctx)
{
    for ( unsigned int i = 0; i < SPACES; i++ )
    {
        struct guard_hit hit = {
            .rule = r->name, .text = r->text, .new_value = g->space[i].cr3,
            .count = g->space[i].switches,
        };

        if ( hit.count >= g->threshold )
            emit(ctx, &hit);
        g->space[i].switches = 0;
    }
}

static void count_switch(struct guard *g, const struct guard_rule *r,
                         const struct vmiring_event *ev, emit_fn *emit,
                         void *ctx)
{
    struct vmiring_ctrlreg cr;
    struct space *s;

    if ( vmiring_get_ctrlreg(ev, &cr) || cr.index != VMIRING_CR3 )
        return;
    if ( ev->time >= g->window_end )
    {
        if ( g->window_end )
            end_window(g, r, emit, ctx);
        g->window_end = ev->time + g->window;
    }
    /* Bit 63 keeps translations, the low bits are a tag: no part of it. */
    s = space_of(g, cr.new_value & 0x000ffffffffff000ULL);
    if ( s )
        s->switches++;
}

void guard_report(struct guard *g, const struct vmiring_event *ev, bool denied,
                  emit_fn *emit, void *ctx)
{
    for ( size_t i = 0; g && i < RULES; i++ )
    {
        struct guard_hit hit = { .rule = rules[i].name,
                                 .text = rules[i].text };

        if ( !g->action[i] )
            continue;
        if ( rules[i].kind == SWITCHES )
            count_switch(g, &rules[i], ev, emit, ctx);
        else if ( meets(g, &rules[i], ev, &hit) )
        {
            hit.denied = denied && g->action[i] == GUARD_DENY;
            emit(ctx, &hit);
        }
    }
}

void guard_help(FILE *out)
{
    static const char *const words[] = { "off", "report", "deny" };

    for ( size_t i = 0; i < RULES; i++ )
        fprintf(out, "      %-14s%-8s%s\n", rules[i].name,
                words[rules[i].action], rules[i].text);
}
