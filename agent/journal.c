/* SPDX-License-Identifier: MIT */
/*
 * Lines for the journal: one datagram each, "KEY=value" per line.  Not through
 * sd_journal_send(), which waits for a journal that does not read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "journal.h"
#include "print.h"

#define SOCKET "/run/systemd/journal/socket"

enum { PRI_WARNING = 4, PRI_NOTICE = 5, PRI_INFO = 6 };

static const struct identity *whose;
static char entry[2048];

void print_journal_identity(const struct identity *id)
{
    whose = id;
}

int journal_connect(void)
{
    const char *path = getenv("VMI_JOURNAL_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd;

    path = path && *path ? path : SOCKET;
    if ( strlen(path) >= sizeof(to.sun_path) )
    {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(to.sun_path, path);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if ( fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) )
    {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* The text's own line ends would end the field. */
static const char *make(int priority, const char *text)
{
    int n;

    if ( !text )
        return NULL;
    n = snprintf(entry, sizeof(entry), "PRIORITY=%d\n"
                 "SYSLOG_IDENTIFIER=vmi-agent\n", priority);
    if ( whose )
        n += snprintf(entry + n, sizeof(entry) - n, "VMI_DOMID=%" PRIu32 "\n"
                      "VMI_UUID=%s\n", whose->domid, whose->uuid);
    n += snprintf(entry + n, sizeof(entry) - n, "MESSAGE=");
    for ( ; *text && n < (int)sizeof(entry) - 2; text++ )
        if ( *text != '\n' || text[1] )
            entry[n++] = *text == '\n' ? ';' : *text;
    entry[n++] = '\n';
    entry[n] = '\0';
    return entry;
}

static const char *journal_header(const struct print_header *h)
{
    return make(PRI_NOTICE, print_text.header(h));
}

static const char *journal_released(uint64_t n)
{
    return make(PRI_WARNING, print_text.released(n));
}

static const char *journal_record(const struct record *r, struct disasm *d)
{
    const char *line = make(r->reason == RECORD_GUARD ? PRI_WARNING :
                            r->reason >= VMIRING_LOST ? PRI_NOTICE : PRI_INFO,
                            print_text.record(r, d));
    size_t n = strlen(line);

    if ( r->reason == RECORD_GUARD )
        snprintf(entry + n, sizeof(entry) - n, "VMI_RULE=%s\n",
                 r->u.guard.rule);
    else if ( r->reason < VMIRING_LOST )
        snprintf(entry + n, sizeof(entry) - n, "VMI_EVENT=%s\nVMI_VCPU=%"
                 PRIu32 "\nVMI_SEQ=%" PRIu64 "\n",
                 vmiring_reason_name(r->reason), r->vcpu, r->seq);
    return line;
}

static const char *journal_drops(uint64_t n)
{
    return make(PRI_WARNING, print_text.drops(n));
}

static const char *journal_expired(uint64_t n)
{
    return make(PRI_WARNING, print_text.expired(n));
}

static const char *journal_vcpu(const struct print_vcpu *v)
{
    return make(PRI_NOTICE, print_text.vcpu(v));
}

static const char *journal_totals(const struct print_totals *t)
{
    return make(PRI_NOTICE, print_text.totals(t));
}

static const char *journal_counts(const struct print_totals *t)
{
    return make(PRI_NOTICE, print_text.counts(t));
}

const struct printer print_journal = {
    journal_header, journal_released, journal_record, journal_drops,
    journal_expired, journal_vcpu, journal_totals, journal_counts
};
