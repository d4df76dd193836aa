/* SPDX-License-Identifier: MIT */
/* A check of the unit tests' fakes that fails is a finding. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

void plain_add(struct plain_test *test)
{
    (void)test;
}

void plain_failed(bool fatal, const char *file, int line, const char *what,
                  const char *fmt, ...)
{
    va_list args;

    (void)fatal;
    fprintf(stderr, "%s:%d: failed: %s ", file, line, what);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}
