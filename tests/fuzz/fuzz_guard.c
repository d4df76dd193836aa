/* SPDX-License-Identifier: MIT */
/* A file of --guard: refused with a message, or rules whose events fit. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guard.h"
#include "input.h"

static int file;
static char path[32];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    file = memfd_create("guard", MFD_CLOEXEC);
    MUST(file >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);

    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char err[256] = "";
    struct event_list list = { 0 };
    struct guard *g;

    MUST(!ftruncate(file, 0));
    MUST(pwrite(file, data, size, 0) == (ssize_t)size);
    g = guard_load(path, err, sizeof(err));
    MUST(g || *err);
    if ( g )
    {
        MUST(!guard_events(g, &list, err, sizeof(err)) || *err);
        MUST(list.nr <= EVENTS_MAX);
    }
    guard_free(g);

    return 0;
}
