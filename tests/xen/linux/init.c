/* SPDX-License-Identifier: MIT */
/*
 * The first process of a Linux guest under Debian's kernel. It prints a tick
 * each second of the guest's own clock, and keeps the kernel at what changes
 * address spaces meanwhile: processes that pass a byte to each other, and such
 * as begin, touch memory and end.
 *
 *   tick N MS WORK      N counts, MS is the clock, WORK what was done so far
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PASSES_PER_CHILD 500
#define TOUCHED (1U << 20)

static volatile uint64_t *work;

/* Not in a loop of its own: whoever comes here cannot go on. */
static void give_up(const char *what)
{
    perror(what);
    for ( ; ; )
        pause();
}

static void pass_bytes(int from, int to)
{
    char byte;

    while ( read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1 )
        ++*work;
}

static void start_passing(void)
{
    int there[2], back[2];
    char byte = 0;

    if ( pipe(there) || pipe(back) )
        give_up("pipe");
    if ( !fork() )
        pass_bytes(there[0], back[1]);
    if ( !fork() )
        pass_bytes(back[0], there[1]);
    if ( write(there[1], &byte, 1) != 1 )
        give_up("write");
}

/* Children that come and go, one for every so many passes of the others. */
static void start_children(void)
{
    uint64_t next = 0;

    if ( fork() )
        return;
    for ( ; ; )
    {
        pid_t child;

        while ( *work < next )
            usleep(10000);
        next = *work + PASSES_PER_CHILD;
        child = fork();
        if ( !child )
        {
            char *memory = malloc(TOUCHED);

            if ( memory )
                memset(memory, 1, TOUCHED);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
}

static void open_console(void)
{
    int fd;

    mkdir("/dev", 0755);
    if ( mount("dev", "/dev", "devtmpfs", 0, NULL) )
        give_up("devtmpfs");
    fd = open("/dev/hvc0", O_RDWR);
    dup2(fd, 0);
    dup2(fd, 1);
    dup2(fd, 2);
    setvbuf(stdout, NULL, _IONBF, 0);
}

int main(void)
{
    struct timespec at;

    open_console();
    work = mmap(NULL, sizeof(*work), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if ( work == MAP_FAILED )
        give_up("mmap");
    start_passing();
    start_children();

    clock_gettime(CLOCK_MONOTONIC, &at);
    for ( unsigned int n = 1; ; n++ )
    {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        printf("tick %u %llu %llu\n", n,
               now.tv_sec * 1000ULL + now.tv_nsec / 1000000,
               (unsigned long long)*work);
        at.tv_sec++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
}
