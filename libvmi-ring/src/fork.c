/* SPDX-License-Identifier: MIT */
/*
 * Are we the process that opened the handle?
 *
 * Resource mappings are not inherited, so a child that touched a ring would
 * die by SIGSEGV.  getpid() is a system call, which is too dear for every
 * answer; a page that the kernel zeroes in a child costs one load.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "private.h"

int fork_mark(vmiring *h)
{
    uint32_t *page = mmap(NULL, HOST_PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if ( page == MAP_FAILED )
        return fail(&h->msg, ENOMEM, "no memory for the handle");

    h->pid = getpid();

    /* Kernels before 4.14 and some emulators lack it: use the pid there. */
    if ( madvise(page, HOST_PAGE, MADV_WIPEONFORK) )
    {
        munmap(page, HOST_PAGE);
        return 0;
    }

    *page = 1;
    h->alive = (void SHARED *)page;

    return 0;
}

bool fork_is_child(const vmiring *h)
{
    return h->alive ? !shm_read32(h->alive) : h->pid != getpid();
}

void fork_unmark(vmiring *h)
{
    if ( h->alive )
        munmap((void __force *)h->alive, HOST_PAGE);
    h->alive = NULL;
}
