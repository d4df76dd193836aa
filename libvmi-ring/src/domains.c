/* SPDX-License-Identifier: MIT */
/* The domains of a simulated host. */
#include <errno.h>
#include <string.h>

#include "private.h"
#include "sim_host.h"

static void convert(struct vmiring_domain_entry *out,
                    const struct simp_domain *in)
{
    *out = (struct vmiring_domain_entry){
        .size = sizeof(*out),
        .domid = in->domid, .nr_vcpus = in->nr_vcpus, .state = in->state,
        .shutdown_code = in->shutdown_code, .nr_pages = in->nr_pages,
    };
    memcpy(out->name, in->name, sizeof(out->name));
    memcpy(out->uuid, in->uuid, sizeof(out->uuid));
}

/* One answer of the host; returns how many entries it filled. */
static int some(struct msg *msg, struct host *host, uint32_t *first,
                char *out, size_t stride, uint32_t nr)
{
    struct simp_domain raw[32];
    struct vmiring_domain_entry one;
    int got = sim_list(host, *first, nr < ARRAY_SIZE(raw) ? nr
                                                          : ARRAY_SIZE(raw),
                       raw);
    int i;

    if ( got < 0 )
        return fail(msg, errno, "listing domains: %s", strerror(errno));

    for ( i = 0; i < got; i++ )
    {
        char *entry = out + i * stride;

        memcpy(entry, &stride, sizeof(stride));
        convert(&one, &raw[i]);
        if ( copy_out(msg, "domain_entry", entry, &one, sizeof(one),
                      offsetof(struct vmiring_domain_entry, nr_pages)) )
            return -1;
        *first = raw[i].domid + 1;
    }

    return got;
}

int vmiring_sim_domains(const char *sim, uint32_t first,
                        struct vmiring_domain_entry *out, uint32_t nr)
{
    struct msg *msg = open_msg();
    struct host *host;
    uint32_t done = 0;
    int got = 0;

    if ( !sim )
        return fail(msg, ENOTSUP, "sim: is NULL; on Xen, ask xenstore");
    if ( !out || !nr )
        return fail(msg, EINVAL, "out: is NULL, or nr is 0");

    host = sim_host_open(msg, sim);
    if ( !host )
        return -1;

    while ( done < nr )
    {
        got = some(msg, host, &first, (char *)out + done * out->size,
                   out->size, nr - done);
        if ( got <= 0 )
            break;
        done += got;
    }

    host->ops->close(host, false);

    return got < 0 ? -1 : (int)done;
}

int vmiring_sim_watch(const char *sim)
{
    struct msg *msg = open_msg();
    struct host *host;
    int fd;

    if ( !sim )
        return fail(msg, ENOTSUP, "sim: is NULL; on Xen, watch xenstore");
    host = sim_host_open(msg, sim);
    if ( !host )
        return -1;
    fd = sim_watch(host);
    if ( fd < 0 )
        fail(msg, errno, "watching domains: %s", strerror(errno));

    return fd;
}
