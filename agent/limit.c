/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limit.h"
#include "vmiring.h"

#define SECOND 1000000000ULL

static int set(struct limit *l, const char *name, size_t length, uint32_t value)
{
    int found = -1;

    for ( uint32_t r = 1; r < LIMIT_REASONS; r++ )
    {
        const char *known = vmiring_reason_name(r);

        if ( name && (strlen(known) != length || strncmp(name, known, length) ||
                      !strcmp(known, "unknown")) )
            continue;
        l->per_second[r] = value;
        found = 0;
    }
    return found;
}

int limit_parse(struct limit *l, const char *text, char *err, size_t size)
{
    while ( *text )
    {
        const char *end = strchrnul(text, ',');
        const char *equals = memchr(text, '=', end - text);
        const char *digits = equals ? equals + 1 : text;
        char *stop;
        unsigned long value = strtoul(digits, &stop, 10);

        if ( *digits < '0' || *digits > '9' || stop != end || !value ||
             value > 1000000000 )
        {
            snprintf(err, size, "\"%.*s\": expected lines per second, as 100 "
                     "or cpuid=100", (int)(end - text), text);
            return -1;
        }
        if ( set(l, equals ? text : NULL, equals ? equals - text : 0, value) )
        {
            snprintf(err, size, "no event \"%.*s\"", (int)(equals - text),
                     text);
            return -1;
        }
        text = *end ? end + 1 : end;
    }
    return 0;
}

bool limit_pass(struct limit *l, uint32_t reason, uint64_t time,
                uint64_t *told)
{
    *told = 0;
    if ( reason >= LIMIT_REASONS || !l->per_second[reason] )
        return true;
    if ( time >= l->second[reason] )
    {
        l->second[reason] = time + SECOND;
        l->printed[reason] = 0;
        *told = l->held_back[reason];
        l->held_back[reason] = 0;
    }
    if ( l->printed[reason] < l->per_second[reason] )
    {
        l->printed[reason]++;
        return true;
    }
    l->held_back[reason]++;
    return false;
}
