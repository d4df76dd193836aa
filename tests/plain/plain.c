/* SPDX-License-Identifier: MIT */
/*
 * Runs the tests of a program, each in a process of its own, but for those that
 * PLAIN_SKIP names: "suite.name suite.name".
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
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
    /* An emulated processor is slower. */
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
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if ( pid == 0 )
        run_child(test);
    if ( pid < 0 || waitpid(pid, &status, 0) != pid )
    {
        perror("fork");
        return false;
    }
    if ( status )
        fprintf(stderr, "%s.%s failed: wait status %#x\n", test->suite,
                test->name, (unsigned int)status);

    return !status;
}

static bool skipped(const struct plain_test *test)
{
    const char *list = getenv("PLAIN_SKIP");
    char name[128];

    snprintf(name, sizeof(name), "%s.%s", test->suite, test->name);

    return list && strstr(list, name);
}

int main(void)
{
    const struct plain_test *test;
    unsigned int nr = 0, bad = 0, left_out = 0;

    for ( test = tests; test; test = test->next )
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
