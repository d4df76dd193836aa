/* SPDX-License-Identifier: MIT */
/* What a worker prints is passed on in whole lines that name its domain. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"

#define TEXT_MARK "web 1234 "
#define JSON_MARK "\"domain\":\"web\",\"uuid\":\"1234\""

static struct lines l;
static int writer;

static void begin(bool json)
{
    int fds[2];

    cr_assert_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    l.bad = 0;
    lines_begin(&l, fds[0], json, json ? JSON_MARK : TEXT_MARK);
    writer = fds[1];
}

static void put(const char *s, size_t len)
{
    cr_assert_eq(write(writer, s, len), (ssize_t)len);
    cr_assert_eq(lines_read(&l), 0);
}

/* One string in, one line (or NULL) out, and then none. */
static void expect(const char *in, const char *out)
{
    const char *got;

    put(in, strlen(in));
    got = lines_next(&l);
    if ( out )
    {
        cr_assert(got);
        cr_assert_str_eq(got, out);
        got = lines_next(&l);
    }
    cr_assert_null(got, "%s", got);
}

static void end(uint64_t bad)
{
    close(writer);
    cr_assert_eq(lines_read(&l), -1);
    lines_end(&l);
    cr_assert_eq(l.bad, bad, "%lu", (unsigned long)l.bad);
    cr_assert_eq(l.fd, -1);
}

Test(lines, text)
{
    begin(false);
    expect("one\n", TEXT_MARK "one\n");
    expect("tw", NULL);
    expect("o\n", TEXT_MARK "two\n");
    expect("\n", TEXT_MARK "\n");
    end(0);
}

Test(lines, several_at_once)
{
    begin(false);
    put("a\nb\nc\n", 6);
    cr_assert_str_eq(lines_next(&l), TEXT_MARK "a\n");
    cr_assert_str_eq(lines_next(&l), TEXT_MARK "b\n");
    cr_assert_str_eq(lines_next(&l), TEXT_MARK "c\n");
    cr_assert_null(lines_next(&l));
    end(0);
}

Test(lines, json)
{
    begin(true);
    expect("{\"a\":1}\n", "{\"a\":1," JSON_MARK "}\n");
    expect("{ \"a\": 1 } \n", "{ \"a\": 1 ," JSON_MARK "}\n");
    end(0);
}

/* A worker may be in an enemy's hands. */
Test(lines, json_that_is_none)
{
    begin(true);
    expect("hello\n", NULL);
    expect("{}\n", NULL);
    expect("{\"a\":1\n", NULL);
    expect("\n", NULL);
    expect("{\"a\":\"\x1b[2J\"}\n", NULL);
    end(5);
}

/* Nobody else's name, in whatever way a reader might come to it. */
Test(lines, json_forged)
{
    begin(true);
    expect("{\"domain\":\"other\",\"a\":1}\n", NULL);
    expect("{\"a\":1, \"uuid\":\"u\"}\n", NULL);
    expect("{\"a\":1,\"uu\\u0069d\":\"u\"}\n", NULL);
    expect("{\"domain\":\"other\",\"a\":\"}\n", NULL);
    expect("{\"type\":\"event\",\"a\":1}{}\n", NULL);
    expect("{\"a\":1}]{\"b\":1}\n", NULL);
    expect("{\"a\":{\"b\":1}\n", NULL);
    expect("{\"a\":\"b\\\"}\n", NULL);
    end(8);
    begin(true);
    expect("{\"type\":\"left\",\"host\":\"other-host\",\"a\":1}\n", NULL);
    expect("{\"type\":\"left\",\"boot\":\"x\"}\n", NULL);
    expect("{\"type\":\"left\",\"domid\":7}\n", NULL);
    end(3);
}

/* Values, and keys of inner objects, may be what they like. */
Test(lines, json_inner_names)
{
    begin(true);
    expect("{\"a\":\"domain\",\"b\":[{\"uuid\":\"x}\"},\"uuid\"]}\n",
           "{\"a\":\"domain\",\"b\":[{\"uuid\":\"x}\"},\"uuid\"]," JSON_MARK "}\n");
    expect("{\"a\":\"\\\"}{\\\\\"}\n",
           "{\"a\":\"\\\"}{\\\\\"," JSON_MARK "}\n");
    end(0);
}

Test(lines, too_long)
{
    static char big[4096];

    begin(false);
    memset(big, 'x', sizeof(big));
    for ( unsigned int i = 0; i < 3 * LINES_MAX; i += sizeof(big) )
    {
        put(big, sizeof(big));
        cr_assert_null(lines_next(&l));
    }
    expect("\nnext\n", TEXT_MARK "next\n");
    end(1);
}

Test(lines, terminal_control_and_nul)
{
    begin(false);
    expect("a\x1b]0;x\n", NULL);
    put("a\0b\n", 4);
    cr_assert_null(lines_next(&l));
    expect("good\tline\n", TEXT_MARK "good\tline\n");
    end(2);
}

Test(lines, torn_at_the_end)
{
    begin(false);
    expect("whole\nto", TEXT_MARK "whole\n");
    end(1);
}
