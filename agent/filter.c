/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "filter.h"
#include "vmiring_capture.h"

/* Places in a packet, as vmiring_capture.h has them. */
static const struct field {
    const char *name;
    unsigned int offset, width;
} fields[] = {
    { "event", 10, 2 }, { "flags", 12, 4 }, { "domid", 16, 4 },
    { "vcpu", 20, 4 }, { "view", 25, 1 }, { "reg", 26, 2 },
    { "error", 28, 4 }, { "seq", 32, 8 }, { "time", 40, 8 },
    { "value", 48, 8 }, { "msr", 48, 8 }, { "leaf", 48, 8 },
    { "gfn", 48, 8 }, { "vector", 48, 8 }, { "rip", 56, 8 }, { "cr3", 64, 8 },
};

/* The names of events are added to these. */
static const struct { const char *name; uint32_t value; } words[] = {
    { "CR0", VMIRING_CR0 }, { "CR3", VMIRING_CR3 }, { "CR4", VMIRING_CR4 },
    { "XCR0", VMIRING_XCR0 }, { "IDTR", 1 }, { "GDTR", 2 }, { "LDTR", 3 },
    { "TR", 4 },
};

static const struct { const char *name, *text; } tests[] = {
    { "sync", "(link[15] & 1 != 0)" }, { "async", "(link[15] & 1 = 0)" },
    { "again", "(link[15] & 2 != 0)" }, { "nested", "(link[15] & 8 != 0)" },
    { "and", "and" }, { "or", "or" }, { "not", "not" },
};

struct translation {
    const char *at;
    FILE *out;
    char *err;
    size_t err_size;
};

static int bad(struct translation *t, const char *what, const char *at, int n)
{
    snprintf(t->err, t->err_size, "%s \"%.*s\"", what, n, at);
    return -1;
}

/* A name is letters, digits and, inside, "-": as the events are called. */
static int name_length(const char *p)
{
    int n = 0;

    while ( isalnum((unsigned char)p[n]) ||
            (p[n] == '-' && isalpha((unsigned char)p[n + 1])) )
        n++;
    return n;
}

static bool is(const char *name, const char *at, int n)
{
    return (int)strlen(name) == n && !strncmp(name, at, n);
}

/* A number or the name of one. */
static int value_of(struct translation *t, uint64_t *value)
{
    const char *at = t->at;
    int n = name_length(at);
    char *end;

    if ( isdigit((unsigned char)*at) )
    {
        *value = strtoull(at, &end, 0);
        if ( end != at + n )
            return bad(t, "no number:", at, n);
        t->at = end;
        return 0;
    }
    t->at += n;
    for ( size_t i = 0; i < sizeof(words) / sizeof(*words); i++ )
        if ( is(words[i].name, at, n) )
        {
            *value = words[i].value;
            return 0;
        }
    for ( uint32_t r = 1; r <= VMIRING_DOMAIN; r++ )
        if ( is(vmiring_reason_name(r), at, n) && !is("unknown", at, n) )
        {
            *value = r;
            return 0;
        }
    return n ? bad(t, "unknown value", at, n) :
               bad(t, "expected a value at", at, strlen(at));
}

static void skip_blanks(struct translation *t)
{
    t->at += strspn(t->at, " \t\n");
}

static const char *const operators[] = { "==", "!=", "<=", ">=", "=", "<", ">" };

static int operator(struct translation *t, const char **op)
{
    skip_blanks(t);
    for ( size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++ )
        if ( !strncmp(t->at, operators[i], strlen(operators[i])) )
        {
            *op = operators[i];
            t->at += strlen(*op);
            skip_blanks(t);
            return 0;
        }
    return bad(t, "expected = != < <= > or >= at", t->at, strlen(t->at));
}

/*
 * The machine of filters compares 32 bits: two comparisons make one of 64.
 * a < b: the high half is less, or equal and the low half less.
 */
static void compare_64(struct translation *t, unsigned int off, const char *op,
                       uint64_t value)
{
    uint32_t high = value >> 32, low = value;

    if ( *op == '=' )
        fprintf(t->out, "(link[%u:4] = %" PRIu32 " and link[%u:4] = %" PRIu32
                ")", off, high, off + 4, low);
    else if ( *op == '!' )
        fprintf(t->out, "(link[%u:4] != %" PRIu32 " or link[%u:4] != %" PRIu32
                ")", off, high, off + 4, low);
    else
        fprintf(t->out, "(link[%u:4] %c %" PRIu32 " or (link[%u:4] = %" PRIu32
                " and link[%u:4] %s %" PRIu32 "))", off, *op, high, off, high,
                off + 4, op, low);
}

/* FIELD [& MASK] OP VALUE; a mask where there are 32 bits only. */
static int comparison(struct translation *t, const struct field *f)
{
    uint64_t value, mask = 0;
    const char *op;
    bool masked;

    skip_blanks(t);
    masked = *t->at == '&';
    if ( masked )
    {
        t->at++;
        skip_blanks(t);
        if ( value_of(t, &mask) )
            return -1;
    }
    if ( operator(t, &op) || value_of(t, &value) )
        return -1;
    if ( f->width == 8 && !masked )
    {
        compare_64(t, f->offset, op, value);
        return 0;
    }
    if ( f->width == 8 && (mask >> 32) && (uint32_t)mask )
        return bad(t, "a mask of the high or of the low 32 bits, not both:",
                   f->name, strlen(f->name));
    if ( f->width == 8 && mask >> 32 )
        fprintf(t->out, "(link[%u:4] & %" PRIu64 " %s %" PRIu64 ")", f->offset,
                mask >> 32, op, value >> 32);
    else if ( value > UINT32_MAX || mask > UINT32_MAX )
        return bad(t, "more than 32 bits for", f->name, strlen(f->name));
    else if ( masked )
        fprintf(t->out, "(link[%u:%u] & %" PRIu64 " %s %" PRIu64 ")",
                f->width == 8 ? f->offset + 4 : f->offset,
                f->width == 8 ? 4 : f->width, mask, op, value);
    else
        fprintf(t->out, "(link[%u:%u] %s %" PRIu64 ")", f->offset, f->width,
                op, value);
    return 0;
}

static int word(struct translation *t)
{
    const char *at = t->at;
    int n = name_length(at);

    t->at += n;
    for ( size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++ )
        if ( is(tests[i].name, at, n) )
            return fputs(tests[i].text, t->out) < 0 ? -1 : 0;
    for ( size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++ )
        if ( is(fields[i].name, at, n) )
            return comparison(t, &fields[i]);
    return bad(t, "unknown name", at, n);
}

static int translate(struct translation *t)
{
    static const char *const signs[] = { "(", ")", "&&", "||", "!" };

    for ( ;; )
    {
        size_t i;

        skip_blanks(t);
        if ( !*t->at )
            return 0;
        for ( i = 0; i < sizeof(signs) / sizeof(*signs); i++ )
            if ( !strncmp(t->at, signs[i], strlen(signs[i])) )
                break;
        if ( i < sizeof(signs) / sizeof(*signs) )
        {
            fprintf(t->out, "%s", signs[i]);
            t->at += strlen(signs[i]);
        }
        else if ( !name_length(t->at) )
            return bad(t, "cannot read", t->at, strlen(t->at));
        else if ( word(t) )
            return -1;
        fputc(' ', t->out);
    }
}

char *filter_translate(const char *text, char *err, size_t size)
{
    char *result = NULL;
    size_t length;
    struct translation t = { .at = text, .err = err, .err_size = size };
    int rc;

    t.out = open_memstream(&result, &length);
    if ( !t.out )
    {
        snprintf(err, size, "out of memory");
        return NULL;
    }
    rc = translate(&t);
    if ( !fclose(t.out) && !rc )
        return result;
    free(result);
    return NULL;
}

struct filter {
    struct bpf_program program;
};

struct filter *filter_compile(const char *text, char *err, size_t size)
{
    char *translated = filter_translate(text, err, size);
    pcap_t *p = pcap_open_dead(VMIRING_CAPTURE_LINKTYPE, 65535);
    struct filter *f = calloc(1, sizeof(*f));
    int rc = -1;

    if ( translated && (!p || !f) )
        snprintf(err, size, "out of memory");
    else if ( translated )
    {
        rc = pcap_compile(p, &f->program, translated, 1,
                          PCAP_NETMASK_UNKNOWN);
        if ( rc )
            snprintf(err, size, "%s", pcap_geterr(p));
    }
    if ( p )
        pcap_close(p);
    free(translated);
    if ( !rc )
        return f;
    free(f);
    return NULL;
}

void filter_free(struct filter *f)
{
    if ( f )
        pcap_freecode(&f->program);
    free(f);
}

bool filter_match(const struct filter *f, const uint8_t *packet, size_t size)
{
    struct pcap_pkthdr hdr = { .caplen = size, .len = size };

    return !f || pcap_offline_filter(&f->program, &hdr, packet);
}
