/* SPDX-License-Identifier: MIT */
/*
 * xmmcheck SECONDS: are a process' vector registers its own? Two processes
 * keep a pattern in XMM0 to XMM15 while they are interrupted, by each other and
 * by the domains that share their CPU, and compare. An emulated processor, or a
 * hypervisor, that loses a register loses the end of somebody's memcpy() too.
 *
 * Prints "total rounds=N wrong=N"; exit status 1 when any was wrong, 2 when the
 * check itself failed.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 2
#define SPIN      200000UL   /* iterations for which the registers are held */

struct count {
    uint64_t rounds, wrong;
};

typedef uint64_t registers[16][2];

#define LOAD(n)  "movdqu " #n "*16(%1), %%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n ", " #n "*16(%2)\n\t"
#define EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) \
                 op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)

static void hold(const registers in, registers out)
{
    unsigned long n = SPIN;

    asm volatile ( EACH(LOAD)
                   "1: dec %0\n\t"
                   "jnz 1b\n\t"
                   EACH(STORE)
                   : "+r" (n) : "r" (in), "r" (out)
                   : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                     "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                     "xmm13", "xmm14", "xmm15" );
}

static void child(unsigned int nr, time_t end, struct count *c)
{
    registers in, out;
    unsigned int i;

    while ( time(NULL) < end )
    {
        for ( i = 0; i < 32; i++ )
            in[i / 2][i % 2] = ((uint64_t)nr + 1) << 56 | c->rounds << 8 | i;
        memset(out, 0, sizeof(out));
        hold(in, out);
        c->rounds++;
        if ( memcmp(in, out, sizeof(in)) )
            c->wrong++;
    }
}

int main(int argc, char **argv)
{
    struct count *c, sum = { 0, 0 };
    unsigned int i;
    int status, rc = 0;

    if ( argc != 2 || atoi(argv[1]) <= 0 )
    {
        fprintf(stderr, "usage: xmmcheck SECONDS\n");
        return 2;
    }
    c = mmap(NULL, sizeof(*c) * PROCESSES, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if ( c == MAP_FAILED )
        return 2;
    for ( i = 0; i < PROCESSES; i++ )
        switch ( fork() )
        {
        case -1:
            fprintf(stderr, "xmmcheck: fork: %s\n", strerror(errno));
            return 2;
        case 0:
            child(i, time(NULL) + atoi(argv[1]), &c[i]);
            _exit(0);
        }
    while ( wait(&status) > 0 )
        if ( status )
            rc = 2;
    for ( i = 0; i < PROCESSES; i++ )
    {
        sum.rounds += c[i].rounds;
        sum.wrong += c[i].wrong;
        if ( !c[i].rounds )
            rc = 2;
    }
    printf("total rounds=%llu wrong=%llu\n", (unsigned long long)sum.rounds,
           (unsigned long long)sum.wrong);
    return rc ? rc : sum.wrong != 0;
}
