/* SPDX-License-Identifier: MIT */
/* A fuzzer's input, taken from the front; zeros when it has ended. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
    const uint8_t *at;
    size_t left;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void take(struct input *in, void *to, size_t size)
{
    size_t have = size < in->left ? size : in->left;

    memset(to, 0, size);
    if ( !have )
        return;
    memcpy(to, in->at, have);
    in->at += have;
    in->left -= have;
}

static inline uint8_t take8(struct input *in)
{
    uint8_t v;

    take(in, &v, sizeof(v));

    return v;
}

static inline uint16_t take16(struct input *in)
{
    uint16_t v;

    take(in, &v, sizeof(v));

    return v;
}

static inline uint32_t take32(struct input *in)
{
    uint32_t v;

    take(in, &v, sizeof(v));

    return v;
}

static inline uint64_t take64(struct input *in)
{
    uint64_t v;

    take(in, &v, sizeof(v));

    return v;
}

/* What must hold; a fuzzer finds an input for which it does not. */
#define MUST(cond) do {                                                     \
    if ( !(cond) )                                                          \
        __builtin_trap();                                                   \
} while ( 0 )

#endif /* FUZZ_INPUT_H */
