/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched list
 * sched run SCENARIO MODEL MODE FROM COUNT
 * sched replay SCENARIO MODEL MODE SEED [FROM]
 *
 * MODEL is sc, tso or weak; MODE is random or pct.  run makes COUNT runs, with
 * the seeds from FROM on; replay makes one, and prints every step.  What a
 * process remembers (the order in which locks were taken) takes part: so
 * replay first makes the runs of the seeds from FROM on, unseen.
 */
#include "world.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A process makes so many, so that what killed agents leave is given back. */
#define BATCH 200U

/* What a batch tells its parent. */
struct report {
    uint64_t seed, steps, hash;
};

extern const char __executable_start;

static const char *const models[] = { "sc", "tso", "weak" };
static const char *const modes[] = { "random", "pct" };

static int find_name(const char *name, const char *const *names,
                     unsigned int nr)
{
    unsigned int i;

    for ( i = 0; i < nr; i++ )
        if ( !strcmp(name, names[i]) )
            return i;

    return -1;
}

static const struct scenario *find_scenario(const char *name)
{
    const struct scenario *s;

    for ( s = scenarios; s->name; s++ )
        if ( !strcmp(s->name, name) )
            return s;

    return NULL;
}

static void one(const struct scenario *s, int model, int mode, uint64_t seed,
                struct report *r)
{
    r->seed = seed;
    rt_begin(seed, model, mode);
    s->run();
    r->steps += rt_steps();
    r->hash = (r->hash ^ rt_hash()) * 0x100000001b3ULL;
}

static int run(const struct scenario *s, int model, int mode, uint64_t from,
               uint64_t count)
{
    struct report *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t done = 0;

    while ( done < count )
    {
        uint64_t n = min(count - done, (uint64_t)BATCH), i;
        int status;
        pid_t pid = fork();

        if ( !pid )
        {
            rt_init();
            sim_init();
            for ( i = 0; i < n; i++ )
                one(s, model, mode, from + done + i, r);
            _exit(test_failures());
        }
        if ( pid < 0 || waitpid(pid, &status, 0) != pid || status )
        {
            printf("failed %s %s %s seed %"PRIu64": see it with\n"
                   "  tests/sched/replay %s %s %s %"PRIu64" %"PRIu64"\n",
                   s->name, models[model], modes[mode], r->seed, s->name,
                   models[model], modes[mode], r->seed, from + done);
            return 1;
        }
        done += n;
    }
    printf("ok %s %s %s seeds %"PRIu64" to %"PRIu64" steps %"PRIu64
           " hash %016"PRIx64"\n", s->name, models[model], modes[mode], from,
           from + count - 1, r->steps, r->hash);

    return 0;
}

static int replay(const struct scenario *s, int model, int mode, uint64_t seed,
                  uint64_t from)
{
    struct report r = {};

    rt_init();
    sim_init();
    for ( ; from < seed; from++ )
        one(s, model, mode, from, &r);
    memset(&r, 0, sizeof(r));
    rt_trace(true);
    /* So that addresses can be found in the program's file. */
    printf("code at %#lx\n", (unsigned long)&__executable_start);
    one(s, model, mode, seed, &r);
    printf("no failure; %"PRIu64" steps, hash %016"PRIx64"\n", r.steps, r.hash);

    return test_failures();
}

int main(int argc, char **argv)
{
    const struct scenario *s;
    int model, mode;

    if ( argc == 2 && !strcmp(argv[1], "list") )
    {
        for ( s = scenarios; s->name; s++ )
            printf("%-18s %s\n", s->name, s->what);
        return 0;
    }
    s = argc > 4 ? find_scenario(argv[2]) : NULL;
    model = s ? find_name(argv[3], models, ARRAY_SIZE(models)) : -1;
    mode = s ? find_name(argv[4], modes, ARRAY_SIZE(modes)) : -1;
    if ( model < 0 || mode < 0 )
        goto usage;
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    if ( !strcmp(argv[1], "run") && argc == 7 )
        return run(s, model, mode, strtoull(argv[5], NULL, 0),
                   strtoull(argv[6], NULL, 0));
    if ( !strcmp(argv[1], "replay") && (argc == 6 || argc == 7) )
        return replay(s, model, mode, strtoull(argv[5], NULL, 0),
                      strtoull(argv[argc - 1], NULL, 0));

 usage:
    fprintf(stderr, "usage: sched list\n"
            "       sched run SCENARIO sc|tso|weak random|pct FROM COUNT\n"
            "       sched replay SCENARIO sc|tso|weak random|pct SEED [FROM]\n");

    return 2;
}
