/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domains.h"
#include "identity.h"

static void read_boot_id(char *out, size_t size)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

    if ( fd >= 0 )
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

static void format_uuid(struct identity *id)
{
    static const uint8_t none[16];
    char *out = id->uuid;

    if ( !memcmp(id->uuid_bytes, none, sizeof(none)) )
        return;
    for ( unsigned int i = 0; i < 16; i++ )
        out += sprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ?
                       "-" : "", id->uuid_bytes[i]);
}

void identity_of_host(struct identity *id)
{
    *id = (struct identity){ .domid = 0 };
    if ( gethostname(id->host, sizeof(id->host) - 1) )
        id->host[0] = '\0';
    read_boot_id(id->boot_id, sizeof(id->boot_id));
}

void identity_find(struct identity *id, const char *sim, uint32_t domid)
{
    identity_of_host(id);
    id->domid = domid;
    domains_uuid(sim, domid, id->uuid_bytes);
    format_uuid(id);
}

void identity_of_capture(struct identity *id,
                         const struct vmiring_capture_info *info,
                         uint32_t domid)
{
    *id = (struct identity){ .domid = domid };
    snprintf(id->host, sizeof(id->host), "%s", info->host);
    snprintf(id->boot_id, sizeof(id->boot_id), "%s", info->boot_id);
    memcpy(id->uuid_bytes, info->uuid, sizeof(id->uuid_bytes));
    format_uuid(id);
}

uint64_t identity_wall(const struct identity *id, uint64_t time)
{
    return id->clock.wall + (time - id->clock.time);
}
