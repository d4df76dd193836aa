/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonout.h"

static char *line;
static size_t room;

struct json_object *jo_object(const char *type)
{
    struct json_object *o = json_object_new_object();

    if ( type )
        jo_str(o, "type", type);
    return o;
}

void jo_put(struct json_object *o, const char *key, struct json_object *v)
{
    if ( !o || !v || json_object_object_add(o, key, v) )
        json_object_put(v);
}

void jo_str(struct json_object *o, const char *key, const char *s)
{
    jo_put(o, key, json_object_new_string(s));
}

void jo_u32(struct json_object *o, const char *key, uint32_t value)
{
    jo_put(o, key, json_object_new_int64(value));
}

void jo_bool(struct json_object *o, const char *key, bool value)
{
    jo_put(o, key, json_object_new_boolean(value));
}

void jo_count(struct json_object *o, const char *key, uint64_t value)
{
    char s[24];

    snprintf(s, sizeof(s), "%" PRIu64, value);
    jo_str(o, key, s);
}

void jo_hex(struct json_object *o, const char *key, uint64_t value)
{
    char s[24];

    snprintf(s, sizeof(s), "0x%" PRIx64, value);
    jo_str(o, key, s);
}

static int make_room(size_t size)
{
    char *more;

    if ( size <= room )
        return 0;
    more = realloc(line, size);
    if ( !more )
        return -1;
    line = more;
    room = size;
    return 0;
}

const char *jo_line(struct json_object *o)
{
    size_t len = 0;
    const char *s = NULL, *result = NULL;

    if ( o )
        s = json_object_to_json_string_length(
            o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
    if ( s && !make_room(len + 2) )
    {
        memcpy(line, s, len);
        memcpy(line + len, "\n", 2);
        result = line;
    }
    json_object_put(o);
    return result;
}
