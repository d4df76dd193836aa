/* SPDX-License-Identifier: MIT */
/* Messages: one per handle, and one per thread for an open that failed. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "private.h"

int fail(struct msg *msg, int err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(msg->text, sizeof(msg->text), fmt, args);
    va_end(args);

    errno = err;

    return -1;
}

struct msg *open_msg(void)
{
    static _Thread_local struct msg msg;

    return &msg;
}

const char *vmiring_open_error(void)
{
    return open_msg()->text;
}

const char *vmiring_error(const vmiring *h)
{
    return h->msg.text;
}
