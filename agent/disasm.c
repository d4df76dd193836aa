/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <capstone/capstone.h>

#include "disasm.h"

enum { MODE_16, MODE_32, MODE_64, MODE_A64, MODE_A32, MODE_T32, MODES };

struct disasm {
    csh handle[MODES];
    cs_insn *insn[MODES];
};

static int open_mode(struct disasm *d, int i)
{
    static const struct { cs_arch arch; cs_mode mode; } modes[MODES] = {
        [MODE_16] = { CS_ARCH_X86, CS_MODE_16 },
        [MODE_32] = { CS_ARCH_X86, CS_MODE_32 },
        [MODE_64] = { CS_ARCH_X86, CS_MODE_64 },
        [MODE_A64] = { CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN },
        [MODE_A32] = { CS_ARCH_ARM, CS_MODE_ARM | CS_MODE_V8 },
        [MODE_T32] = { CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_V8 },
    };

    if ( cs_open(modes[i].arch, modes[i].mode, &d->handle[i]) != CS_ERR_OK )
    {
        d->handle[i] = 0;
        return -1;
    }
    d->insn[i] = cs_malloc(d->handle[i]);
    return d->insn[i] ? 0 : -1;
}

struct disasm *disasm_open(void)
{
    struct disasm *d = calloc(1, sizeof(*d));

    for ( int i = 0; d && i < MODES; i++ )
        if ( open_mode(d, i) )
        {
            disasm_close(d);
            return NULL;
        }
    return d;
}

void disasm_close(struct disasm *d)
{
    if ( !d )
        return;
    for ( int i = 0; i < MODES; i++ )
    {
        if ( d->insn[i] )
            cs_free(d->insn[i], 1);
        if ( d->handle[i] )
            cs_close(&d->handle[i]);
    }
    free(d);
}

static int mode_of(const struct record *r)
{
    switch ( record_code_bits(r) )
    {
    case 64:
        return r->arm64 ? MODE_A64 : MODE_64;
    case 32:
        return r->arm64 ? MODE_A32 : MODE_32;
    default:
        return r->arm64 ? MODE_T32 : MODE_16;
    }
}

int disasm_record(struct disasm *d, const struct record *r, char *out,
                  size_t size, unsigned int *len)
{
    int mode = mode_of(r);
    const uint8_t *code = r->insn;
    size_t left = r->insn_len;
    uint64_t address = r->insn_addr;

    if ( !d || r->insn_state != INSN_READ ||
         !cs_disasm_iter(d->handle[mode], &code, &left, &address,
                         d->insn[mode]) )
        return -1;
    snprintf(out, size, "%s%s%s", d->insn[mode]->mnemonic,
             *d->insn[mode]->op_str ? " " : "", d->insn[mode]->op_str);
    *len = d->insn[mode]->size;
    return 0;
}
