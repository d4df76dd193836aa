/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rest of the simulated host: the heap, faults on demand, the console,
 * boot options, permissions, domains and the hypercalls.
 */
#include "sim.h"

#include <xen/guest_access.h>
#include <xen/keyhandler.h>
#include <xen/param.h>
#include <xsm/xsm.h>
#include <public/vm_event_v2.h>

#include <stdlib.h>

int sim_nr_allocs, sim_nr_pages, sim_nr_maps, sim_nr_ports, sim_nr_domains;

void sim_count(int *counter, int by)
{
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

/* ---- faults on demand ---- */

static unsigned int fail_in;
static bool alloc_failed, guest_fails;
static unsigned int preempt_every, preempt_calls, preempted;
static int deny, deny_v2;

void sim_fail_alloc(unsigned int n)
{
    __atomic_store_n(&alloc_failed, false, __ATOMIC_RELAXED);
    __atomic_store_n(&fail_in, n, __ATOMIC_RELAXED);
}

bool sim_alloc_failed(void)
{
    return __atomic_load_n(&alloc_failed, __ATOMIC_RELAXED);
}

bool sim_take_alloc(void)
{
    if ( !__atomic_load_n(&fail_in, __ATOMIC_RELAXED) ||
         __atomic_sub_fetch(&fail_in, 1, __ATOMIC_RELAXED) )
        return true;

    __atomic_store_n(&alloc_failed, true, __ATOMIC_RELAXED);

    return false;
}

void sim_fail_guest_access(bool fail)
{
    __atomic_store_n(&guest_fails, fail, __ATOMIC_RELAXED);
}

bool sim_guest_fault(const void *p)
{
    return !p || __atomic_load_n(&guest_fails, __ATOMIC_RELAXED);
}

void sim_preempt_every(unsigned int n)
{
    preempt_calls = preempted = 0;
    __atomic_store_n(&preempt_every, n, __ATOMIC_RELAXED);
}

unsigned int sim_preempted(void)
{
    return preempted;
}

bool hypercall_preempt_check(void)
{
    unsigned int n = __atomic_load_n(&preempt_every, __ATOMIC_RELAXED);

    if ( !n || ++preempt_calls % n )
        return false;
    preempted++;

    return true;
}

void sim_xsm_deny(int rc)
{
    deny = rc;
}

void sim_xsm_deny_v2(int rc)
{
    deny_v2 = rc;
}

int sim_xsm(xsm_default_t action, const struct domain *d)
{
    const struct domain *caller = current->domain;

    if ( deny )
        return deny;
    if ( caller == hardware_domain )
        return 0;

    return action == XSM_DM_PRIV && caller->target == d ? 0 : -EPERM;
}

int sim_xsm_v2(xsm_default_t action, const struct domain *d)
{
    return deny_v2 ?: sim_xsm(action, d);
}

/* ---- wall clock ---- */

unsigned long sim_mktime(unsigned int year, unsigned int mon, unsigned int day,
                         unsigned int hour, unsigned int min, unsigned int sec)
{
    struct tm tm = {
        .tm_year = (int)year - 1900, .tm_mon = (int)mon - 1,
        .tm_mday = (int)day, .tm_hour = (int)hour, .tm_min = (int)min,
        .tm_sec = (int)sec,
    };

    return timegm(&tm);
}

/* ---- heap ---- */

void *sim_alloc(size_t size, size_t nr, bool zero)
{
    void *p;

    if ( !sim_take_alloc() )
        return NULL;
    BUG_ON(__builtin_mul_overflow(size, nr, &size));
    p = malloc(size ?: 1);
    BUG_ON(!p);
    memset(p, zero ? 0 : 0xa5, size);
    sim_count(&sim_nr_allocs, 1);

    return p;
}

void sim_free(void *p)
{
    if ( p )
        sim_count(&sim_nr_allocs, -1);
    free(p);
}

/* ---- console ---- */

static bool console_on;
static unsigned long console_lines;

void sim_console(bool on)
{
    console_on = on;
}

unsigned long sim_console_lines(void)
{
    return __atomic_load_n(&console_lines, __ATOMIC_RELAXED);
}

/* One conversion of printf(), or Xen's %pd and %pv; returns what is behind. */
static const char *print_one(FILE *to, const char *spec, va_list *args)
{
    char one[16] = "%";
    size_t n = strspn(spec + 1, "-+ #0123456789.hlzjt") + 2;
    unsigned int longs = 0;
    size_t i;

    if ( spec[1] == 'p' && (spec[2] == 'd' || spec[2] == 'v') )
    {
        const struct vcpu *v = NULL;
        const struct domain *d = NULL;

        if ( spec[2] == 'v' )
            v = va_arg(*args, const struct vcpu *);
        else
            d = va_arg(*args, const struct domain *);
        fprintf(to, "d%u", (v ? v->domain : d)->domain_id);
        if ( v )
            fprintf(to, "v%u", v->vcpu_id);
        return spec + 3;
    }

    BUG_ON(n >= sizeof(one));
    memcpy(one, spec, n);
    for ( i = 1; i < n; i++ )
        longs += one[i] == 'l' || one[i] == 'z' || one[i] == 'j';

    switch ( one[n - 1] )
    {
    case '%':
        fputc('%', to);
        break;

    case 's':
        fprintf(to, one, va_arg(*args, const char *));
        break;

    case 'p':
        fprintf(to, one, va_arg(*args, const void *));
        break;

    default:
        if ( longs )
            fprintf(to, one, va_arg(*args, long));
        else
            fprintf(to, one, va_arg(*args, int));
        break;
    }

    return spec + n;
}

void printk(const char *fmt, ...)
{
    va_list args;

    __atomic_fetch_add(&console_lines, 1, __ATOMIC_RELAXED);
    if ( !console_on )
        return;
    if ( fmt[0] == '<' && fmt[1] && fmt[2] == '>' )
        fmt += 3;

    flockfile(stderr);
    fputs("(simulated XEN) ", stderr);
    va_start(args, fmt);
    while ( *fmt )
        if ( *fmt == '%' )
            fmt = print_one(stderr, fmt, &args);
        else
            fputc(*fmt++, stderr);
    va_end(args);
    funlockfile(stderr);
}

static struct {
    unsigned char key;
    void (*fn)(unsigned char key);
} keys[8];

void register_keyhandler(unsigned char key, void (*fn)(unsigned char key),
                         const char *desc, bool diagnostic)
{
    unsigned int i;

    (void)desc;
    (void)diagnostic;
    for ( i = 0; keys[i].fn; i++ )
        BUG_ON(i + 1 == ARRAY_SIZE(keys) || keys[i].key == key);
    keys[i].key = key;
    keys[i].fn = fn;
}

void sim_press_key(unsigned char key)
{
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(keys); i++ )
        if ( keys[i].fn && keys[i].key == key )
            keys[i].fn(key);
}

/* ---- boot options ---- */

static struct {
    const char *name;
    void *var;
    size_t size;
} params[16];

void sim_param_add(const char *name, void *var, size_t size)
{
    unsigned int i;

    for ( i = 0; params[i].name; i++ )
        BUG_ON(i + 1 == ARRAY_SIZE(params));
    params[i].name = name;
    params[i].var = var;
    params[i].size = size;
}

bool sim_param_set(const char *name, uint64_t value)
{
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(params) && params[i].name; i++ )
        if ( !strcmp(params[i].name, name) )
        {
            /* Little-endian, as the simulated machine is. */
            memcpy(params[i].var, &value, params[i].size);
            return true;
        }

    return false;
}
