/* SPDX-License-Identifier: MIT */
/* A thread that writes a file: order, errors, room, and a disk that hangs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "writer.h"

#define LONG_MS 20000

static char dir[] = "/tmp/vmi-agent-writer.XXXXXX";
static struct outfile f;

static void set_up(void)
{
    char path[64];

    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    cr_assert_eq(outfile_init(&f, path), 0);
}

static void tear_down(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

#define WRITER_TEST(name) Test(writer, name, .init = set_up, .fini = tear_down)

static struct writer *start(int fd, size_t size, bool whole)
{
    struct writer *w = writer_new(&f, fd, size, whole, 2);

    cr_assert(w);
    cr_assert_eq(writer_start(w), 0);
    return w;
}

static int fresh(void)
{
    return outfile_open(&f, O_WRONLY | O_CREAT | O_TRUNC);
}

static bool put(struct writer *w, enum writer_op op, const char *text)
{
    return writer_put(w, op, text, strlen(text), 1);
}

static void holds(const char *name, const char *text)
{
    char path[96], got[64] = "";
    FILE *in;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    in = fopen(path, "r");
    cr_assert_eq(!in, !text, "%s", name);
    if ( !in )
        return;
    cr_assert_eq(fread(got, 1, sizeof(got) - 1, in), strlen(text));
    fclose(in);
    cr_assert_str_eq(got, text);
}

WRITER_TEST(in_order)
{
    struct writer *w = start(fresh(), 1000, true);

    cr_assert(put(w, WRITER_DATA, "one "));
    cr_assert(put(w, WRITER_DATA, "two "));
    cr_assert(put(w, WRITER_SHIFT, "three "));
    cr_assert(put(w, WRITER_DATA, "four "));
    cr_assert(put(w, WRITER_REOPEN, ""));
    cr_assert(put(w, WRITER_DATA, "five"));
    cr_assert_eq(writer_drain(w, LONG_MS), 0);
    holds("log.1", "one two ");
    holds("log", "three four five");
    cr_assert(put(w, WRITER_REPLACE, "six"));
    cr_assert_eq(writer_drain(w, LONG_MS), 0);
    holds("log", "six");
    cr_assert_eq(writer_lost(w), 0);
    cr_assert_eq(writer_error(w), 0);
    writer_free(w);
}

/* Something failed before the threads began: what is there is written. */
WRITER_TEST(never_started)
{
    struct writer *w = writer_new(&f, fresh(), 1000, false, 0);

    cr_assert(put(w, WRITER_DATA, "one"));
    cr_assert_eq(writer_drain(w, 0), 0);
    writer_free(w);
    holds("log", "one");
}

/* A log goes on when there is room again, a file that needs all of it does not,
 * before it is begun anew. */
WRITER_TEST(errors)
{
    for ( int whole = 0; whole < 2; whole++ )
    {
        struct writer *w = start(open("/dev/full", O_WRONLY), 1000, whole);
        struct pollfd p = { .fd = writer_fd(w), .events = POLLIN };

        cr_assert(put(w, WRITER_DATA, "one"));
        cr_assert_eq(poll(&p, 1, LONG_MS), 1);
        writer_ack(w);
        cr_assert_eq(poll(&p, 1, 0), 0);
        cr_assert_eq(writer_error(w), ENOSPC);
        cr_assert_eq(writer_error(w), 0);
        cr_assert_eq(writer_lost(w), 1);
        cr_assert(put(w, WRITER_DATA, "two"));
        cr_assert_eq(writer_drain(w, LONG_MS), 0);
        cr_assert_eq(writer_lost(w), 2);
        /* Told of once, not for each part that goes the same way. */
        cr_assert_eq(writer_error(w), whole ? 0 : ENOSPC);
        cr_assert(put(w, WRITER_SHIFT, "three"));
        cr_assert_eq(writer_drain(w, LONG_MS), 0);
        holds("log", "three");
        cr_assert_eq(writer_lost(w), 2);
        writer_free(w);
        cr_assert_eq(unlinkat(f.dir, "log", 0), 0);
    }
}

WRITER_TEST(a_folder_that_is_gone)
{
    struct writer *w = start(fresh(), 1000, false);

    cr_assert_eq(unlinkat(f.dir, "log", 0), 0);
    cr_assert_eq(rmdir(dir), 0);
    cr_assert(put(w, WRITER_REOPEN, ""));
    cr_assert_eq(writer_drain(w, LONG_MS), 0);
    cr_assert_eq(writer_error(w), ENOENT);
    /* It keeps what it has: nothing but that request is lost. */
    cr_assert(put(w, WRITER_DATA, "one"));
    cr_assert_eq(writer_drain(w, LONG_MS), 0);
    cr_assert_eq(writer_lost(w), 1);
    writer_free(w);
}

/* Fills the pipe and then the writer; returns how many parts it took. */
static unsigned int fill(struct writer *w, size_t size)
{
    char part[1024];
    unsigned int n = 0;

    memset(part, 'x', sizeof(part));
    while ( writer_put(w, WRITER_DATA, part, sizeof(part), 1) )
        n++;
    cr_assert_geq(n, size / sizeof(part));
    return n;
}

WRITER_TEST(room)
{
    struct writer *w;
    struct pollfd p = { .events = POLLIN };
    unsigned int n;
    char got[4096];
    int fds[2];
    size_t all = 0;

    cr_assert_eq(pipe(fds), 0);
    w = start(fds[1], 1 << 20, false);
    n = fill(w, 1 << 20);
    cr_assert(!writer_has_room(w, 1024));
    /* A file can be begun all the same. */
    cr_assert(put(w, WRITER_SHIFT, "header"));
    cr_assert(!put(w, WRITER_DATA, "more"));
    p.fd = writer_fd(w);
    while ( !poll(&p, 1, 0) )
        all += read(fds[0], got, sizeof(got));
    writer_ack(w);
    cr_assert(put(w, WRITER_DATA, "more"));
    while ( all < n * 1024 )
        all += read(fds[0], got, sizeof(got));
    cr_assert_eq(all, n * 1024);
    cr_assert_eq(writer_drain(w, LONG_MS), 0);
    holds("log", "headermore");
    cr_assert_eq(writer_lost(w), 0);
    writer_free(w);
    close(fds[0]);
}

/* Every part is lost but those in the pipe; the one in the middle counts. */
WRITER_TEST(hangs)
{
    unsigned int n, in_pipe = 65536 / 1024;
    struct writer *w;
    uint64_t lost;
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(fcntl(fds[1], F_SETPIPE_SZ, 65536), 65536);
    w = start(fds[1], 1 << 20, false);
    n = fill(w, 1 << 20);
    lost = writer_drain(w, 50);
    cr_assert_geq(lost, n - in_pipe);
    cr_assert_eq(writer_lost(w), lost);
    writer_free(w);
    /* Its thread ends by itself, whenever the disk comes back. */
    close(fds[0]);
}
