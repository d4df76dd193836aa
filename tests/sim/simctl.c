/* SPDX-License-Identifier: MIT */
#include "simctl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What has not happened by then will not. */
#define PATIENCE_S 60

void fatal(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* ---- the process ---- */

static void run_sim(const struct sim *s, const char *domain, int out)
{
    const char *program = getenv("VMI_SIM");

    /* Does not outlive a test that fails. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    execl(program ? program : "vmi-sim", "vmi-sim", "--socket", s->path,
          "--domain", domain, (char *)NULL);
    _exit(127);
}

/* The line that says that it listens is the last of its start. */
static void wait_ready(int out)
{
    char text[4096];
    size_t n = 0;

    while ( n < sizeof(text) - 1 )
    {
        ssize_t got = read(out, text + n, sizeof(text) - 1 - n);

        if ( got <= 0 )
            fatal("vmi-sim did not start");
        n += got;
        text[n] = '\0';
        if ( strstr(text, "ready at") )
            return;
    }
    fatal("vmi-sim says too much");
}

static struct sim *unfinished;
static pid_t owner;

/* A test that fails leaves no folder behind. */
static void clean_up(void)
{
    if ( !unfinished || getpid() != owner )
        return;
    unlink(unfinished->path);
    rmdir(unfinished->dir);
}

void sim_make_path(struct sim *s)
{
    if ( !owner )
        atexit(clean_up);
    owner = getpid();
    unfinished = s;
    strcpy(s->dir, "/tmp/sim-test.XXXXXX");
    if ( !mkdtemp(s->dir) )
        fatal("mkdtemp: %s", strerror(errno));
    snprintf(s->path, sizeof(s->path), "%s/sock", s->dir);
}

void sim_start(struct sim *s, const char *domain)
{
    int out[2];

    if ( !s->path[0] )
        sim_make_path(s);
    if ( pipe(out) )
        fatal("pipe: %s", strerror(errno));

    s->pid = fork();
    if ( s->pid < 0 )
        fatal("fork: %s", strerror(errno));
    if ( !s->pid )
        run_sim(s, domain, out[1]);
    close(out[1]);
    wait_ready(out[0]);
    /* The reading end stays open, so that its farewell finds a reader. */
    s->sock = -1;
    sim_reconnect(s);
    sim_hello(s);
}

int sim_end(struct sim *s)
{
    int status;

    close(s->sock);
    kill(s->pid, SIGTERM);
    if ( waitpid(s->pid, &status, 0) != s->pid )
        fatal("waitpid: %s", strerror(errno));
    rmdir(s->dir);
    s->path[0] = '\0';
    unfinished = NULL;

    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- requests ---- */

void sim_reconnect(struct sim *s)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if ( s->sock >= 0 )
        close(s->sock);
    strcpy(addr.sun_path, s->path);
    s->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if ( connect(s->sock, (struct sockaddr *)&addr, sizeof(addr)) )
        fatal("cannot connect to %s: %s", s->path, strerror(errno));
}

ssize_t sim_raw(struct sim *s, const void *packet, size_t size, void *reply,
                size_t room)
{
    if ( send(s->sock, packet, size, MSG_NOSIGNAL) != (ssize_t)size )
        return 0;

    return recv(s->sock, reply, room, 0);
}

int sim_call(struct sim *s, uint32_t op, uint32_t domid, const uint64_t arg[4],
             const void *data, uint32_t size, void *out, uint32_t room)
{
    static uint32_t cookie;
    uint8_t packet[SIMP_PACKET_MAX], reply[SIMP_PACKET_MAX];
    struct simp_req req = { .op = op, .cookie = ++cookie, .domid = domid,
                            .data_size = { size } };
    struct simp_rep rep;
    ssize_t n;

    if ( arg )
        memcpy(req.arg, arg, sizeof(req.arg));
    memcpy(packet, &req, sizeof(req));
    if ( size )
        memcpy(packet + sizeof(req), data, size);
    n = sim_raw(s, packet, sizeof(req) + size, reply, sizeof(reply));
    memcpy(&rep, reply, sizeof(rep));
    if ( n < (ssize_t)sizeof(rep) || rep.cookie != cookie || rep.op != op )
        fatal("op %u: no reply that fits", op);
    if ( rep.rc < 0 )
        return rep.rc;
    if ( rep.data_size[0] > room )
        fatal("op %u: %u bytes of reply", op, rep.data_size[0]);
    if ( out )
        memcpy(out, reply + sizeof(rep), rep.data_size[0]);

    return rep.rc;
}

void sim_hello(struct sim *s)
{
    const uint64_t arg[4] = { SIMP_MAGIC, SIMP_VERSION };

    if ( sim_call(s, SIMP_HELLO, 0, arg, "test", 4, NULL, 0) )
        fatal("HELLO was refused");
}

/* ---- the guests ---- */

static void read_phys(struct sim *s, uint64_t gpa, void *to, uint32_t size)
{
    const uint64_t arg[4] = { gpa, size };

    if ( sim_call(s, SIMP_READ_PHYS, 1, arg, NULL, 0, to, size) )
        fatal("cannot read guest memory");
}

void sim_control(struct sim *s, uint32_t control)
{
    const uint64_t arg[4] = {
        GUEST_LAYOUT_PHYS + offsetof(struct guest_header, control)
    };

    if ( sim_call(s, SIMP_WRITE_PHYS, 1, arg, &control, sizeof(control), NULL,
                  0) )
        fatal("cannot write guest memory");
}

void sim_counters(struct sim *s, unsigned int vcpu, struct guest_vcpu_block *b)
{
    read_phys(s, GUEST_LAYOUT_PHYS + offsetof(struct guest_layout, vcpu) +
                 vcpu * sizeof(*b), b, sizeof(*b));
}

uint64_t sim_iterations(struct sim *s, unsigned int vcpus)
{
    struct guest_vcpu_block b;
    uint64_t sum = 0;
    unsigned int i;

    for ( i = 0; i < vcpus; i++ )
    {
        sim_counters(s, i, &b);
        sum += b.iterations.value;
    }

    return sum;
}

bool sim_all_done(struct sim *s, unsigned int vcpus)
{
    uint8_t phase[GUEST_MAX_VCPUS];
    unsigned int i;

    read_phys(s, GUEST_LAYOUT_PHYS + offsetof(struct guest_header, phase),
              phase, sizeof(phase));
    for ( i = 0; i < vcpus; i++ )
        if ( phase[i] != GUEST_PHASE_DONE )
            return false;

    return true;
}

static time_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec;
}

/* The guests' memory can't be waited on: looks again every millisecond. */
static void look_again(time_t end, const char *what)
{
    if ( now() > end )
        fatal("%s: not after %d s", what, PATIENCE_S);
    poll(NULL, 0, 1);
}

void sim_wait_iterations(struct sim *s, unsigned int vcpus, uint64_t n)
{
    time_t end = now() + PATIENCE_S;

    while ( sim_iterations(s, vcpus) < n )
        look_again(end, "the guest goes on");
}

void sim_wait_done(struct sim *s, unsigned int vcpus)
{
    time_t end = now() + PATIENCE_S;

    while ( !sim_all_done(s, vcpus) )
        look_again(end, "the guest is done");
}
