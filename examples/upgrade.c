/* SPDX-License-Identifier: MIT */
/*
 * upgrade: an agent that is replaced while it runs, without losing an event.
 *
 * With the policy HOLD Xen keeps the channel when its agent leaves: what is in
 * the slots and rings stays there, vCPUs that wait for an answer go on waiting,
 * and new events are kept too.  On SIGHUP this program leaves the channel and
 * executes its own file again - a newer one, if somebody has installed it.  The
 * new program attaches and goes on where the old one stopped; the subscriptions
 * are still there.  What it has to know of its past it gets as arguments.
 *
 * The guest stands still meanwhile, and as long as it takes: an upgrade that
 * fails is noticed by whoever supervises this, or bounded by a deadline.
 *
 *     upgrade DOMID [SOCKET]
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmiring.h>

#define BATCH 64

static volatile sig_atomic_t stop, upgrade;

struct state {
    unsigned int upgrades;
    uint64_t received;
};

static void on_stop(int sig)
{
    (void)sig;
    stop = 1;
}

static void on_upgrade(int sig)
{
    (void)sig;
    upgrade = 1;
}

/* SA_RESTART is not set: a wait ends when a signal comes. */
static void catch_signals(void)
{
    struct sigaction ends = { .sa_handler = on_stop };
    struct sigaction renews = { .sa_handler = on_upgrade };

    sigaction(SIGINT, &ends, NULL);
    sigaction(SIGTERM, &ends, NULL);
    sigaction(SIGHUP, &renews, NULL);
}

static const struct vmiring_subscription requests = {
    .size = sizeof(requests), .reason = VMIRING_GUEST_REQUEST, .sync = 1,
    .regs = VMIRING_REGS_NONE
};

/* A batch is answered, counted and given back as a whole: none is half done. */
static int handle(vmiring *h, struct state *st)
{
    struct vmiring_event ev[BATCH];
    int n = vmiring_receive(h, ev, BATCH);
    int i;

    if ( n < 0 && errno == EAGAIN )
        return vmiring_wait(h, 200) && errno != EAGAIN && errno != EINTR ? -1
                                                                         : 0;
    if ( n < 0 )
        return errno == EINTR ? 0 : -1;

    for ( i = 0; i < n; i++ )
    {
        if ( ev[i].reason != VMIRING_GUEST_REQUEST )
            continue;
        st->received++;
        if ( vmiring_respond(h, &ev[i], NULL) )
            return -1;
    }
    if ( vmiring_flush(h) )
        return -1;
    vmiring_release(h);

    return 0;
}

/* Does not return when it works. */
static int become_new(vmiring *h, const struct state *st, char **argv)
{
    char upgrades[16], received[24];
    char *args[] = { argv[0], argv[1], argv[2] ? argv[2] : "", upgrades,
                     received, NULL };

    snprintf(upgrades, sizeof(upgrades), "%u", st->upgrades + 1);
    snprintf(received, sizeof(received), "%" PRIu64, st->received);

    if ( vmiring_leave(h) )
        return -1;
    fflush(stdout);
    execvp(argv[0], args);
    perror("exec");

    /* The channel is still held; who restarts us attaches to it. */
    exit(1);
}

static int run(vmiring *h, struct state *st, char **argv)
{
    int rc = st->upgrades ? 0 : vmiring_subscribe(h, &requests);

    if ( !rc && !st->upgrades )
        printf("%8s %16s\n", "upgrades", "received");
    while ( !rc && !stop )
    {
        printf("%8u %16" PRIu64 "\n", st->upgrades, st->received);
        fflush(stdout);
        while ( !rc && !stop && !upgrade )
            rc = handle(h, st);
        if ( !rc && !stop )
            rc = become_new(h, st, argv);
    }

    return rc;
}

/* What was raised until the subscription ended is answered, too. */
static int finish(vmiring *h, struct state *st)
{
    uint64_t before;
    int rc = vmiring_unsubscribe(h, &requests);

    do {
        before = st->received;
        if ( !rc )
            rc = handle(h, st);
    } while ( !rc && st->received != before );
    printf("%8u %16" PRIu64 "\n", st->upgrades, st->received);

    return rc;
}

int main(int argc, char **argv)
{
    vmiring_options opts = { .size = sizeof(opts),
                             .on_death = VMIRING_DEATH_HOLD };
    struct state st = { .upgrades = 0 };
    vmiring *h;
    int rc;

    if ( argc < 2 || argc == 4 || argc > 5 )
    {
        fprintf(stderr, "usage: %s DOMID [SOCKET]\n", argv[0]);
        return 2;
    }
    opts.domid = strtoul(argv[1], NULL, 10);
    opts.sim = argc > 2 && *argv[2] ? argv[2] : NULL;
    if ( argc == 5 )
    {
        st.upgrades = strtoul(argv[3], NULL, 10);
        st.received = strtoull(argv[4], NULL, 10);
        opts.flags = VMIRING_OPEN_REATTACH;
    }
    catch_signals();

    h = vmiring_open(&opts);
    if ( !h )
    {
        fprintf(stderr, "%s\n", vmiring_open_error());
        return 1;
    }
    rc = run(h, &st, argv);
    if ( !rc )
        rc = finish(h, &st);
    if ( rc )
        fprintf(stderr, "%s\n", vmiring_error(h));
    vmiring_close(h);

    return rc ? 1 : 0;
}
