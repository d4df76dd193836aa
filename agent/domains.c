/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "domains.h"
#include "vmiring.h"

#define SIM_CHUNK 32

/* A name ends up on terminals and in JSON: printable ASCII only. */
static void copy_name(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s", name ? name : "");
    for ( ; *out; out++ )
        if ( *out < ' ' || *out > '~' )
            *out = '?';
}

static int add(struct domain_list *list, uint32_t domid, const char *name,
               const char *uuid)
{
    struct domain_entry *more =
        realloc(list->entry, (list->nr + 1) * sizeof(*more));

    if ( !more )
        return -1;
    list->entry = more;
    more += list->nr++;
    more->domid = domid;
    copy_name(more->name, sizeof(more->name), name);
    copy_name(more->uuid, sizeof(more->uuid), uuid);
    return 0;
}

static struct xs_handle *store_open(void)
{
    struct xs_handle *xs = xs_open(0);

    if ( !xs && errno != EACCES && errno != EPERM && errno != ENOMEM )
        errno = ENOSYS;
    return xs;
}

/* The caller frees it; NULL: it has none. */
static char *store_key(struct xs_handle *xs, uint32_t domid, const char *key)
{
    char path[48];

    snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/%s", domid, key);
    return xs_read(xs, XBT_NULL, path, NULL);
}

static char *store_name(struct xs_handle *xs, uint32_t domid)
{
    return store_key(xs, domid, "name");
}

static int store_list(struct xs_handle *xs, struct domain_list *list)
{
    unsigned int nr;
    char **dir = xs_directory(xs, XBT_NULL, "/local/domain", &nr);
    int rc = 0;

    if ( !dir )
        return -1;
    for ( unsigned int i = 0; !rc && i < nr; i++ )
    {
        uint32_t domid = strtoul(dir[i], NULL, 10);
        char *name = store_name(xs, domid);
        char *vm = store_key(xs, domid, "vm");   /* "/vm/UUID" */
        const char *uuid = vm ? strrchr(vm, '/') : NULL;

        rc = add(list, domid, name, uuid ? uuid + 1 : NULL);
        free(name);
        free(vm);
    }
    free(dir);
    return rc;
}

static void uuid_text(const uint8_t uuid[16], char out[DOMAIN_UUID_LEN + 1])
{
    char *at = out;

    for ( unsigned int i = 0; i < 16; i++ )
        at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" :
                          "%02x", uuid[i]);
}

static int sim_list(const char *sim, struct domain_list *list)
{
    char uuid[DOMAIN_UUID_LEN + 1];
    struct vmiring_domain_entry got[SIM_CHUNK];
    uint32_t first = 0;
    int n;

    do
    {
        got[0].size = sizeof(*got);
        n = vmiring_sim_domains(sim, first, got, SIM_CHUNK);
        for ( int i = 0; i < n; i++ )
        {
            uuid_text(got[i].uuid, uuid);
            if ( add(list, got[i].domid, got[i].name, uuid) )
                return -1;
            first = got[i].domid + 1;
        }
    }
    while ( n == SIM_CHUNK );
    return n < 0 ? -1 : 0;
}

int domains_list(const char *sim, struct domain_list *list)
{
    struct xs_handle *xs;
    int rc;

    *list = (struct domain_list){ .nr = 0 };
    if ( sim )
        rc = sim_list(sim, list);
    else
    {
        xs = store_open();
        if ( !xs )
            return -1;
        rc = store_list(xs, list);
        xs_close(xs);
    }
    if ( rc )
        domains_free(list);
    return rc;
}

void domains_free(struct domain_list *list)
{
    int saved = errno;

    free(list->entry);
    *list = (struct domain_list){ .nr = 0 };
    errno = saved;
}

int domains_find(const char *sim, const char *name, uint32_t *domid)
{
    struct domain_list list;
    unsigned int found = 0;

    if ( domains_list(sim, &list) )
        return -1;
    for ( unsigned int i = 0; i < list.nr; i++ )
        if ( !strcmp(list.entry[i].name, name) )
        {
            *domid = list.entry[i].domid;
            found++;
        }
    domains_free(&list);
    if ( found == 1 )
        return 0;
    errno = found ? EMLINK : ENOENT;
    return -1;
}

const char *domains_error(const char *sim, int err)
{
    if ( sim && err != ENOENT )
        return vmiring_open_error();
    switch ( err )
    {
    case ENOENT:
        return "no domain of that name";
    case ENOSYS:
        return "no Xen here: xenstore does not answer";
    default:
        return strerror(err);
    }
}

/* A simulated host has no other way than the list. */
static void sim_name(const char *sim, uint32_t domid, char *name, size_t size)
{
    struct vmiring_domain_entry e = { .size = sizeof(e) };

    if ( vmiring_sim_domains(sim, domid, &e, 1) == 1 && e.domid == domid )
        copy_name(name, size, e.name);
}

void domains_name(const char *sim, uint32_t domid, char *name,
                  unsigned int size)
{
    struct xs_handle *xs;
    char *found;

    *name = '\0';
    if ( sim )
    {
        sim_name(sim, domid, name, size);
        return;
    }
    xs = store_open();
    if ( !xs )
        return;
    found = store_name(xs, domid);
    copy_name(name, size, found);
    free(found);
    xs_close(xs);
}

/* "/vm/01234567-...": 32 hex digits with dashes. */
static void parse_uuid(const char *text, uint8_t uuid[16])
{
    unsigned int n = 0;

    for ( ; *text && n < 32; text++ )
    {
        const char *digits = "0123456789abcdef";
        const char *d = *text == '-' ? NULL : strchr(digits, *text);

        if ( *text == '-' )
            continue;
        if ( !d )
            break;
        uuid[n / 2] = uuid[n / 2] << 4 | (d - digits);
        n++;
    }
    if ( n != 32 )
        memset(uuid, 0, 16);
}

void domains_uuid(const char *sim, uint32_t domid, uint8_t uuid[16])
{
    struct vmiring_domain_entry e = { .size = sizeof(e) };
    struct xs_handle *xs;
    char path[48];
    char *vm;

    memset(uuid, 0, 16);
    if ( sim )
    {
        if ( vmiring_sim_domains(sim, domid, &e, 1) == 1 && e.domid == domid )
            memcpy(uuid, e.uuid, 16);
        return;
    }
    xs = store_open();
    if ( !xs )
        return;
    snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/vm", domid);
    vm = xs_read(xs, XBT_NULL, path, NULL);
    if ( vm && !strncmp(vm, "/vm/", 4) )
        parse_uuid(vm + 4, uuid);
    free(vm);
    xs_close(xs);
}
