/* SPDX-License-Identifier: MIT */
/*
 * Building JSON with json-c.  Every function takes a NULL object or value,
 * when memory ran out, and leaves it so: check once, at the end.
 */
#ifndef AGENT_JSONOUT_H
#define AGENT_JSONOUT_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

struct json_object *jo_object(const char *type);   /* NULL: without "type" */
/* Takes the value. */
void jo_put(struct json_object *o, const char *key, struct json_object *v);
void jo_str(struct json_object *o, const char *key, const char *s);
void jo_u32(struct json_object *o, const char *key, uint32_t value);
void jo_bool(struct json_object *o, const char *key, bool value);
/* As decimal and hex strings: many readers of JSON know doubles only. */
void jo_count(struct json_object *o, const char *key, uint64_t value);
void jo_hex(struct json_object *o, const char *key, uint64_t value);

/*
 * One line with its newline, valid until the next call; NULL: out of memory.
 * Takes the object.
 */
const char *jo_line(struct json_object *o);

#endif /* AGENT_JSONOUT_H */
