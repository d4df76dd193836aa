/* SPDX-License-Identifier: MIT */
/*
 * The only program of a Linux guest: says once a second, on the console, what
 * the guest's own clock shows and how much work was done; and a second process
 * works, with what makes a kernel write to many pages: new memory, fork, exec,
 * a pipe. Lines: "up MS", then "tick N MS ROUNDS", and "wrong TEXT" once if
 * something is not as it should be.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE   4096U
#define PAGES  32U
#define STATUS 7

static volatile uint64_t *rounds;

static void wrong(const char *what)
{
    printf("wrong %s\n", what);
    for ( ; ; )
        pause();
}

static unsigned long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000 +
           (unsigned long long)t.tv_nsec / 1000000;
}

/* Each page gets a number of its own, and still has it at the end. */
static void new_memory(uint64_t round)
{
    uint64_t *m = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned int i;

    if ( m == MAP_FAILED )
        wrong("mmap");
    for ( i = 0; i < PAGES; i++ )
        m[i * PAGE / sizeof(*m)] = round * PAGES + i;
    for ( i = 0; i < PAGES; i++ )
        if ( m[i * PAGE / sizeof(*m)] != round * PAGES + i )
            wrong("memory");
    munmap(m, PAGES * PAGE);
}

static void new_process(void)
{
    int status, p[2];
    char word[4] = "";
    pid_t pid;

    if ( pipe(p) )
        wrong("pipe");
    pid = fork();
    if ( pid < 0 )
        wrong("fork");
    if ( !pid )
    {
        dup2(p[1], STDOUT_FILENO);
        execl("/init", "init", "child", (char *)NULL);
        _exit(1);
    }
    close(p[1]);
    if ( read(p[0], word, 3) != 3 || strcmp(word, "it\n") )
        wrong("pipe's content");
    close(p[0]);
    if ( waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
         WEXITSTATUS(status) != STATUS )
        wrong("exit status");
}

static void work(void)
{
    const struct timespec rest = { .tv_nsec = 1000000 };

    for ( ; ; )
    {
        new_memory(*rounds);
        new_process();
        ++*rounds;
        nanosleep(&rest, NULL);
    }
}

int main(int argc, char **argv)
{
    struct timespec next;
    unsigned int n;

    if ( argc == 2 && !strcmp(argv[1], "child") )
        return write(STDOUT_FILENO, "it\n", 3) == 3 ? STATUS : 1;

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("up %llu\n", now_ms());
    rounds = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if ( rounds == MAP_FAILED )
        wrong("shared memory");
    if ( !fork() )
        work();

    clock_gettime(CLOCK_MONOTONIC, &next);
    for ( n = 1; ; n++ )
    {
        next.tv_sec++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        printf("tick %u %llu %llu\n", n, now_ms(),
               (unsigned long long)*rounds);
    }
}
