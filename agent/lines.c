/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"

void lines_begin(struct lines *l, int fd, bool json, const char *mark)
{
    l->fd = fd;
    l->json = json;
    l->mark = mark;
    l->used = 0;
    l->skipping = false;
}

void lines_end(struct lines *l)
{
    if ( l->fd >= 0 )
        close(l->fd);
    l->fd = -1;
    l->bad += l->used > 0;   /* torn: the process ended while it wrote */
    l->used = 0;
}

int lines_read(struct lines *l)
{
    ssize_t n;

    if ( l->fd < 0 )
        return -1;
    n = read(l->fd, l->buf + l->used, sizeof(l->buf) - l->used);
    if ( n > 0 )
        l->used += n;
    else if ( !n || (errno != EAGAIN && errno != EINTR) )
        return -1;
    return 0;
}

/* No byte that could end the line early or speak to a terminal. */
static bool printable(const char *line, size_t len)
{
    for ( size_t i = 0; i < len; i++ )
        if ( (unsigned char)line[i] < ' ' && line[i] != '\t' )
            return false;
    return true;
}

/* The keys of the mark, which a worker must not use; spelt with no escapes. */
static bool is_ours(const char *key, size_t len)
{
    static const char *const ours[] = {
        "host", "boot", "domid", "domain", "uuid"
    };

    for ( size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++ )
        if ( len == strlen(ours[i]) && !memcmp(key, ours[i], len) )
            return true;
    return memchr(key, '\\', len);
}

/*
 * One object, from the first byte to the last, that names no domain or host: a
 * worker in an enemy's hands must not speak for another one.  Nothing more is
 * checked here.  Readers may take the first object of a line, and the first or
 * the last of two equal keys, so neither may be there.
 */
static bool one_object(const char *s, size_t len)
{
    unsigned int depth = 0;
    bool key = false;

    for ( size_t i = 0; i < len; i++ )
    {
        size_t from = i + 1;

        switch ( s[i] )
        {
        case '{':
        case '[':
            key = s[i] == '{' && !depth;
            depth++;
            break;
        case '}':
        case ']':
            if ( !depth || (!--depth && i + 1 < len) )
                return false;
            break;
        case ',':
            key = depth == 1;
            break;
        case '"':
            while ( ++i < len && s[i] != '"' )
                i += s[i] == '\\';
            if ( i >= len || (key && is_ours(s + from, i - from)) )
                return false;
            key = false;
            break;
        }
    }
    return depth == 0;
}

static bool mark(struct lines *l, size_t len)
{
    if ( !printable(l->buf, len) )
        return false;
    if ( !l->json )
    {
        snprintf(l->out, sizeof(l->out), "%s%.*s\n", l->mark, (int)len,
                 l->buf);
        return true;
    }
    while ( len && l->buf[len - 1] == ' ' )
        len--;
    if ( len < 3 || l->buf[0] != '{' || l->buf[len - 1] != '}' ||
         !one_object(l->buf, len) )
        return false;
    snprintf(l->out, sizeof(l->out), "%.*s,%s}\n", (int)len - 1, l->buf,
             l->mark);
    return true;
}

const char *lines_next(struct lines *l)
{
    char *end;

    while ( (end = memchr(l->buf, '\n', l->used)) )
    {
        size_t len = end - l->buf;
        bool good = !l->skipping && mark(l, len);

        l->skipping = false;
        l->used -= len + 1;
        memmove(l->buf, end + 1, l->used);
        if ( good )
            return l->out;
        l->bad++;
    }
    if ( l->used == sizeof(l->buf) )
    {
        l->skipping = true;
        l->used = 0;
    }
    return NULL;
}
