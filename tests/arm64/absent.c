/* SPDX-License-Identifier: MIT */
/* Libraries that are not in a cross build. Xen's: there is no real Xen to open. */
#include <errno.h>
#include <stdio.h>

#include <pcap/pcap.h>

#include "private.h"

struct host *xen_host_open(struct msg *msg)
{
    fail(msg, ENOENT, "no Xen: built without its libraries");

    return NULL;
}

/* Nor is libpcap: no capture can be opened. */
pcap_t *pcap_open_offline_with_tstamp_precision(const char *name, u_int precision,
                                                char *error)
{
    (void)name;
    (void)precision;
    snprintf(error, PCAP_ERRBUF_SIZE, "built without libpcap");

    return NULL;
}

void pcap_close(pcap_t *p)
{
    (void)p;
}

int pcap_datalink(pcap_t *p)
{
    (void)p;

    return -1;
}

int pcap_next_ex(pcap_t *p, struct pcap_pkthdr **header, const u_char **data)
{
    (void)p;
    (void)header;
    (void)data;

    return PCAP_ERROR;
}

char *pcap_geterr(pcap_t *p)
{
    static char text[] = "built without libpcap";

    (void)p;

    return text;
}
