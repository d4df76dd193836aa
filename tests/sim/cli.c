/* SPDX-License-Identifier: MIT */
/* vmi-sim's command line: what it says, and its exit status. */
#include "scenarios.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs it to its end; what it says, on either stream, is put in text. */
static int run(char *const argv[], char *text, size_t room)
{
    const char *program = getenv("VMI_SIM");
    int out[2], status;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    if ( pipe(out) )
        fatal("pipe: %s", strerror(errno));
    pid = fork();
    if ( !pid )
    {
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        execv(program ? program : "vmi-sim", argv);
        _exit(127);
    }
    close(out[1]);
    while ( n < room - 1 && (got = read(out[0], text + n, room - 1 - n)) > 0 )
        n += got;
    text[n] = '\0';
    close(out[0]);
    if ( waitpid(pid, &status, 0) != pid || !WIFEXITED(status) )
        fatal("vmi-sim did not exit");

    return WEXITSTATUS(status);
}

static void expect(int status, const char *says, const char *arg,
                   const char *value)
{
    char *argv[] = { "vmi-sim", (char *)arg, (char *)value, NULL };
    char text[8192];

    if ( !CHECK(run(argv, text, sizeof(text)) == status && strstr(text, says)) )
        fprintf(stderr, "    %s %s: %s\n", arg, value ? value : "", text);
}

static void test_options(void)
{
    expect(0, "simulated", "--version", NULL);
    expect(0, "GPL-2.0-only", "--version", NULL);
    expect(0, "usage: vmi-sim", "--help", NULL);
    expect(2, "no-such", "--no-such", NULL);
    expect(2, "usage", "surplus", NULL);
    expect(2, "unknown domain option", "--domain", "colour=red");
    expect(2, "unknown domain option", "--domain", "vcpus");
    expect(2, "vcpus", "--domain", "vcpus=0");
    expect(2, "not a number", "--domain", "vcpus=1025");
    expect(2, "not a number", "--domain", "rate=fast");
    expect(2, "not a number", "--domain", "rate=-1");
    expect(2, "bad name", "--domain", "name=");
    expect(2, "unknown value", "--domain", "start=later");
    expect(2, "unknown value", "--domain", "end=well");
    expect(2, "NAME=N", "--param", "vm_event_ring_max");
    expect(2, "no such boot option", "--param", "nothing=1");
    expect(2, "not a number", "--seed", "");
    expect(2, "does not fit", "--socket", "");
    expect(1, "cannot listen", "--socket", "/nonexistent/folder/sock");
}

/* A bad program is found before anything is left behind. */
static void test_program(void)
{
    char *argv[] = { "vmi-sim", "--socket", t.sim.path, "--domain",
                     "program=gr+dance", NULL };
    char text[8192];

    CHECK_EQ(run(argv, text, sizeof(text)), 2);
    CHECK(strstr(text, "dance"));
    CHECK(access(t.sim.path, F_OK));
}

/* One at a socket; but what a dead one left is no obstacle. */
static void test_socket(void)
{
    char *argv[] = { "vmi-sim", "--socket", t.sim.path, NULL };
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char text[8192];
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    strcpy(addr.sun_path, t.sim.path);
    if ( bind(fd, (struct sockaddr *)&addr, sizeof(addr)) )
        fatal("bind: %s", strerror(errno));
    close(fd);

    t.events = 1;
    start_guest("program=gr");
    CHECK_EQ(run(argv, text, sizeof(text)), 1);
    CHECK(strstr(text, "another vmi-sim"));
    CHECK(sim_call(&t.sim, SIMP_DOMINFO, 1, NULL, NULL, 0, text,
                   sizeof(text)) == 0);
    end_guest();
    CHECK(access(addr.sun_path, F_OK));
}

void scenario_cli(void)
{
    sim_make_path(&t.sim);
    test_options();
    test_program();
    test_socket();
}
