/* SPDX-License-Identifier: MIT */
/* The instruction at RIP, as text. */
#ifndef AGENT_DISASM_H
#define AGENT_DISASM_H

#include <stddef.h>

#include "record.h"

struct disasm;

/* Opens a decoder per mode now, so that nothing is loaded later. */
struct disasm *disasm_open(void);
void disasm_close(struct disasm *d);

/*
 * Writes "mov cr4, rax" and its length in bytes to *len.  -1: these bytes are
 * no instruction.  d may be NULL (never an instruction).
 */
int disasm_record(struct disasm *d, const struct record *r, char *out,
                  size_t size, unsigned int *len);

#endif /* AGENT_DISASM_H */
