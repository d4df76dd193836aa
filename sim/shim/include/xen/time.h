/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_TIME_H
#define SIM_XEN_TIME_H

#include <time.h>

#include <xen/types.h>

/* System time in ns: the machine's monotonic clock, or what a test sets. */
s_time_t sim_now(void);
/* Wall clock as broken down by Xen, with the C library's types. */
static inline struct tm wallclock_time(uint64_t *ns)
{
    struct timespec ts;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &ts);
    if ( ns )
        *ns = ts.tv_nsec;
    gmtime_r(&ts.tv_sec, &tm);

    return tm;
}

/* Xen's mktime() takes the parts. */
unsigned long sim_mktime(unsigned int year, unsigned int mon, unsigned int day,
                         unsigned int hour, unsigned int min, unsigned int sec);
#define mktime sim_mktime

#define NOW()           sim_now()
#define SECONDS(n)      ((s_time_t)(n) * 1000000000LL)
#define MILLISECS(n)    ((s_time_t)(n) * 1000000LL)

#endif
