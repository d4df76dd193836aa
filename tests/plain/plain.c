/* SPDX-License-Identifier: MIT */
/*
 * Runs the tests of a program, each in a process of its own, but for those that
 * PLAIN_SKIP names: "suite.name suite.name".  PLAIN_FIRST=SECONDS ends with the
 * first that fails, or takes so long; PLAIN_EARLY names suites to begin with;
 * PLAIN_TIMES=1 says what each took.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

static struct plain_test *tests;
static bool failed;

void plain_add(struct plain_test *test)
{
    test->next = tests;
    tests = test;
}

void plain_failed(bool fatal, const char *file, int line, const char *what,
                  const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "%s:%d: failed: %s ", file, line, what);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    failed = true;
    if ( fatal )
        _exit(1);
}

static void run_child(const struct plain_test *test)
{
    const char *first = getenv("PLAIN_FIRST");

    /* An emulated processor is slower. */
    if ( first )
    {
        const struct rlimit limit = { (rlim_t)atoi(first), (rlim_t)atoi(first) };

        /* Of the processor's time: a machine that others use fails nothing. */
        setrlimit(RLIMIT_CPU, &limit);
        alarm(6 * (unsigned int)atoi(first));
    }
    else
        alarm(test->timeout > 0 ? 4 * (unsigned int)test->timeout : 60);
    if ( test->init )
        test->init();
    test->run();
    if ( test->fini )
        test->fini();
    exit(failed);
}

static bool run(const struct plain_test *test)
{
    struct timespec from, to;
    int status;
    pid_t pid;

    fflush(NULL);
    clock_gettime(CLOCK_MONOTONIC, &from);
    pid = fork();
    if ( pid == 0 )
        run_child(test);
    if ( pid < 0 || waitpid(pid, &status, 0) != pid )
    {
        perror("fork");
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    if ( getenv("PLAIN_TIMES") )
        printf("%s.%s %ld ms\n", test->suite, test->name,
               (to.tv_sec - from.tv_sec) * 1000 +
               (to.tv_nsec - from.tv_nsec) / 1000000);
    if ( status )
        fprintf(stderr, "%s.%s failed: wait status %#x\n", test->suite,
                test->name, (unsigned int)status);

    return !status;
}

static bool listed(const char *variable, const char *name)
{
    const char *list = getenv(variable);

    return list && strstr(list, name);
}

static bool skipped(const struct plain_test *test)
{
    char name[128];

    snprintf(name, sizeof(name), "%s.%s", test->suite, test->name);

    return listed("PLAIN_SKIP", name);
}

/* The suites of PLAIN_EARLY before the others. */
static const struct plain_test *next_test(const struct plain_test *test,
                                          bool *early)
{
    for ( test = test ? test->next : tests;; test = test->next )
    {
        if ( !test && *early )
        {
            *early = false;
            test = tests;
        }
        if ( !test || listed("PLAIN_EARLY", test->suite) == *early )
            return test;
    }
}

int main(void)
{
    bool until_bad = getenv("PLAIN_FIRST") != NULL, early = true;
    unsigned int nr = 0, bad = 0, left_out = 0;
    const struct plain_test *test = NULL;

    while ( !(until_bad && bad) && (test = next_test(test, &early)) )
        if ( skipped(test) )
            left_out++;
        else
        {
            nr++;
            bad += !run(test);
        }
    printf("%u tests, %u failed, %u left out\n", nr, bad, left_out);

    return bad || !nr;
}
