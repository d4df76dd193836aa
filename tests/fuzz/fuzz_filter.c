/* SPDX-License-Identifier: MIT */
/*
 * A --filter, and a packet behind its NUL that it is asked about: whatever the
 * text, it is refused with a message or can be asked.
 */
#include <stdlib.h>

#include "filter.h"
#include "input.h"

/* libpcap keeps some of what it was making when it met an error. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length = strnlen((const char *)data, size);
    char *text = malloc(length + 1), err[256] = "", *translated;
    struct filter *f;

    MUST(text);
    if ( length )
        memcpy(text, data, length);
    text[length] = '\0';

    translated = filter_translate(text, err, sizeof(err));
    MUST(translated || *err);
    err[0] = '\0';
    f = filter_compile(text, err, sizeof(err));
    MUST(f || *err);
    MUST(!f || translated);
    if ( f && length < size )
        filter_match(f, data + length + 1, size - length - 1);
    filter_free(f);
    free(translated);
    free(text);

    return 0;
}
