/* SPDX-License-Identifier: MIT */
/* Output never blocks, never tears a line, and counts what it drops. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output.h"

#define LINES 20000

static void ignore_sigpipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

/* "line 000123 xxxx...\n" of varying length. */
static const char *line(int i)
{
    static char s[160];
    int n = snprintf(s, sizeof(s), "line %06d ", i);

    memset(s + n, 'x', i % 100);
    strcpy(s + n + i % 100, "\n");
    return s;
}

/* Checks one chunk of what the reader got; counts its lines. */
static int check(FILE *f, int *last)
{
    char s[256];
    int n = 0, i;

    while ( fgets(s, sizeof(s), f) )
    {
        cr_assert_eq(sscanf(s, "line %d", &i), 1, "torn: %s", s);
        cr_assert_str_eq(s, line(i));
        cr_assert_gt(i, *last);
        *last = i;
        n++;
    }
    return n;
}

/*
 * Nobody reads: the pipe and then the queue fill up, the rest is dropped.
 * Reading afterwards gives whole lines, in order, and as many as were kept.
 */
static void overflow(int fds[2])
{
    struct output o;
    FILE *f = fdopen(fds[0], "r");
    int last = -1, got;

    cr_assert(f);
    cr_assert_eq(output_open(&o, fds[1], 65536), 0);
    for ( int i = 0; i < LINES; i++ )
    {
        output_line(&o, line(i));
        output_write(&o);
    }
    cr_assert_gt(o.drops, 0);
    cr_assert_lt(o.drops, LINES);
    cr_assert(output_write(&o), "the reader has not read yet");

    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    got = 0;
    do
    {
        clearerr(f);
        got += check(f, &last);
    }
    while ( output_write(&o) );
    clearerr(f);
    got += check(f, &last);
    cr_assert_eq(got + (int)o.drops, LINES);
    output_close(&o);
    fclose(f);
    close(fds[1]);
}

Test(output, pipe, .init = ignore_sigpipe)
{
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    overflow(fds);
}

Test(output, socket, .init = ignore_sigpipe)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    overflow(fds);
}

/* The shell that shares our terminal or pipe must not find it changed. */
Test(output, leaves_the_description_as_it_was)
{
    struct output o;
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(output_open(&o, fds[1], 4096), 0);
    cr_assert_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    output_close(&o);
    cr_assert_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
}

Test(output, file)
{
    FILE *f = tmpfile();
    struct output o;
    int last = -1;

    cr_assert(f);
    cr_assert_eq(output_open(&o, fileno(f), 65536), 0);
    for ( int i = 0; i < LINES; i++ )
    {
        cr_assert(output_line(&o, line(i)));
        cr_assert(!output_write(&o));
    }
    output_close(&o);
    rewind(f);
    cr_assert_eq(check(f, &last), LINES);
    fclose(f);
}

Test(output, reader_gone, .init = ignore_sigpipe)
{
    struct output o;
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(output_open(&o, fds[1], 4096), 0);
    cr_assert(output_line(&o, "one\n"));
    close(fds[0]);
    cr_assert(!output_write(&o));
    cr_assert(o.dead);
    cr_assert_eq(o.drops, 1);
    cr_assert(!output_line(&o, "two\n"));
    cr_assert_eq(o.drops, 2);
    output_close(&o);
}

/* What does not leave in time is dropped, and the call comes back. */
Test(output, drain_gives_up, .init = ignore_sigpipe, .timeout = 20)
{
    struct output o;
    int fds[2];
    uint64_t before;

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(output_open(&o, fds[1], 1 << 20), 0);
    for ( int i = 0; i < 5000; i++ )
        output_line(&o, line(i));
    before = o.drops;
    cr_assert_gt(output_drain(&o, 50), 0);
    cr_assert_gt(o.drops, before);
    cr_assert_eq(output_room(&o), 1 << 20);
    output_close(&o);
}

Test(output, line_out_of_memory_counts)
{
    struct output o;
    FILE *f = tmpfile();

    cr_assert(f);
    cr_assert_eq(output_open(&o, fileno(f), 4096), 0);
    cr_assert(!output_line(&o, NULL));
    cr_assert_eq(o.drops, 1);
    output_close(&o);
    fclose(f);
}

Test(output, close_of_what_was_never_opened)
{
    struct output o = OUTPUT_CLOSED;

    output_close(&o);
    cr_assert_neq(fcntl(0, F_GETFD), -1, "closed somebody else's fd");
    cr_assert(!output_line(&o, "x\n"));
}
