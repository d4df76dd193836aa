/* SPDX-License-Identifier: MIT */
/*
 * guestmem DOMID [COMMAND]: reads and steers the test guest through the pages
 * that guest/layout.h describes, mapped by libxenforeignmemory alone: nothing
 * here knows of vm_event, so what it reports is independent of any agent.
 *
 *   show            one line per vCPU and a total (the default)
 *   run, stop       lets vCPUs that wait go; ends them after their iteration
 *   command NAME N  tells vCPU 0 of a guest with the word `serve`: shutdown N
 *                   (a reason), down N, up N, init N, sipi N (a vCPU)
 *   wait-command S  until it has done so; status 1 if it did not work
 *   wait-ready S    until all vCPUs are up (waiting, running or done)
 *   wait-done S     until all vCPUs made their last iteration
 *   wait-count N S  until all vCPUs together made N iterations
 *   rates PID S     for S seconds or more, how fast the vCPUs go on while the
 *                   process PID sleeps, and while it runs
 *
 * The waits end with exit status 3 after S seconds. Status 1: any other error.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <xenforeignmemory.h>

#include "../guest/layout.h"

#define EXIT_TIMEOUT 3
#define LOOK_EVERY_NS 20000000L
/*
 * The vCPUs take turns of up to 10 ms on one emulated CPU: a rate over less
 * than many rounds of all of them is noise.
 */
#define RATES_AWAKE_SECONDS 2.0
#define RATES_LONGEST 8

static struct guest_layout *layout;

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void map_layout(uint32_t domid)
{
    xenforeignmemory_handle *handle = xenforeignmemory_open(NULL, 0);
    xen_pfn_t gfns[GUEST_LAYOUT_PAGES];
    int errors[GUEST_LAYOUT_PAGES];
    size_t i;

    if ( !handle )
        fail("xenforeignmemory_open");
    for ( i = 0; i < GUEST_LAYOUT_PAGES; i++ )
        gfns[i] = GUEST_LAYOUT_GFN + i;

    layout = xenforeignmemory_map(handle, domid, PROT_READ | PROT_WRITE,
                                  GUEST_LAYOUT_PAGES, gfns, errors);
    if ( !layout )
        fail("mapping the guest's counters");
    for ( i = 0; i < GUEST_LAYOUT_PAGES; i++ )
        if ( errors[i] )
        {
            fprintf(stderr, "guest frame %#lx: error %d\n",
                    (unsigned long)gfns[i], errors[i]);
            exit(EXIT_FAILURE);
        }
}

static bool is_valid(void)
{
    const volatile uint32_t *magic = &layout->header.magic;

    return *magic == GUEST_LAYOUT_MAGIC &&
           layout->header.version == GUEST_LAYOUT_VERSION &&
           layout->header.vcpus <= GUEST_MAX_VCPUS;
}

static bool all_reached(uint8_t phase)
{
    uint32_t v;

    if ( !is_valid() )
        return false;
    for ( v = 0; v < layout->header.vcpus; v++ )
        if ( layout->header.phase[v] < phase )
            return false;
    return true;
}

static bool is_ready(uint64_t unused)
{
    (void)unused;
    return all_reached(GUEST_PHASE_WAITING);
}

static bool is_done(uint64_t unused)
{
    (void)unused;
    return all_reached(GUEST_PHASE_DONE);
}

static bool has_count(uint64_t wanted)
{
    uint64_t sum = 0;
    uint32_t v;

    if ( !is_valid() )
        return false;
    for ( v = 0; v < layout->header.vcpus; v++ )
        sum += layout->vcpu[v].iterations.value;
    return sum >= wanted;
}

static int wait_until(bool (*condition)(uint64_t), uint64_t argument,
                      double limit)
{
    const struct timespec pause = { .tv_nsec = LOOK_EVERY_NS };
    double end = seconds_now() + limit;

    while ( !condition(argument) )
    {
        if ( seconds_now() > end )
            return EXIT_TIMEOUT;
        nanosleep(&pause, NULL);
    }
    return EXIT_SUCCESS;
}

/* Nanoseconds that the process ran, by the scheduler's own account. */
static uint64_t run_time(const char *pid)
{
    char path[64];
    uint64_t ns = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
    file = fopen(path, "r");
    if ( !file || fscanf(file, "%" SCNu64, &ns) != 1 )
        fail(path);
    fclose(file);
    return ns;
}

struct interval_sum {
    double seconds;
    uint64_t iterations[GUEST_MAX_VCPUS];
};

static void print_rates(const char *name, const struct interval_sum *sum)
{
    uint64_t low = UINT64_MAX, all = 0;
    uint32_t v;

    for ( v = 0; v < layout->header.vcpus; v++ )
    {
        all += sum->iterations[v];
        if ( sum->iterations[v] < low )
            low = sum->iterations[v];
    }
    printf("%s seconds=%.2f", name, sum->seconds);
    if ( sum->seconds > 0 )
        printf(" rate=%.0f slowest_vcpu=%.0f", (double)all / sum->seconds,
               (double)low / sum->seconds);
    printf("\n");
}

/*
 * An interval counts as asleep when the process did not run at all in it, and
 * as awake when it ran for a tenth of it or more; what lies between tells
 * nothing. It goes on until RATES_AWAKE_SECONDS of awake intervals were seen,
 * RATES_LONGEST times the duration at most. Prints both rates, and "ratio=N":
 * the smallest, over the vCPUs, of the rate asleep in percent of the rate awake.
 */
static int show_rates(const char *pid, double duration)
{
    static struct interval_sum asleep, awake;
    const struct timespec interval = { .tv_nsec = LOOK_EVERY_NS };
    uint64_t before[GUEST_MAX_VCPUS], ran = run_time(pid);
    double begin = seconds_now(), then = begin, now = begin, lowest;
    uint32_t v;

    for ( v = 0; v < layout->header.vcpus; v++ )
        before[v] = layout->vcpu[v].iterations.value;

    while ( now < begin + duration ||
            (awake.seconds < RATES_AWAKE_SECONDS &&
             now < begin + duration * RATES_LONGEST) )
    {
        uint64_t run;
        struct interval_sum *sum;

        nanosleep(&interval, NULL);
        now = seconds_now();
        run = run_time(pid) - ran;
        ran += run;
        sum = !run ? &asleep
                   : (double)run > (now - then) * 1e8 ? &awake : NULL;
        for ( v = 0; v < layout->header.vcpus; v++ )
        {
            uint64_t n = layout->vcpu[v].iterations.value;

            if ( sum )
                sum->iterations[v] += n - before[v];
            before[v] = n;
        }
        if ( sum )
            sum->seconds += now - then;
        then = now;
    }

    print_rates("asleep", &asleep);
    print_rates("awake", &awake);
    if ( asleep.seconds <= 0 || awake.seconds <= 0 )
        return EXIT_FAILURE;

    lowest = 1e9;
    for ( v = 0; v < layout->header.vcpus; v++ )
    {
        double fast = (double)awake.iterations[v] / awake.seconds;
        double slow = (double)asleep.iterations[v] / asleep.seconds;

        if ( fast > 0 && slow / fast < lowest )
            lowest = slow / fast;
    }
    printf("ratio=%.0f\n", lowest * 100);
    return EXIT_SUCCESS;
}

static void print_block(const struct guest_vcpu_block *b)
{
    printf("iterations=%" PRIu64 " checked=%" PRIu64 " mismatched=%" PRIu64
           " cpuid_native=%" PRIu64 " cpuid_replaced=%" PRIu64
           " kept=%" PRIu64 " denied=%" PRIu64 " traps=%" PRIu64 "\n",
           b->iterations.value, b->checked.value, b->mismatched.value,
           b->cpuid_native.value, b->cpuid_replaced.value,
           b->writes_kept.value, b->writes_denied.value, b->traps.value);
}

static int show(void)
{
    static const char *const phases[] = { "down", "waiting", "running", "done" };
    struct guest_vcpu_block total = { 0 };
    uint32_t v;

    if ( !is_valid() )
    {
        fprintf(stderr, "the guest has not set up its counters\n");
        return EXIT_FAILURE;
    }

    for ( v = 0; v < layout->header.vcpus; v++ )
    {
        const struct guest_vcpu_block *b = &layout->vcpu[v];
        uint8_t phase = layout->header.phase[v];

        printf("vcpu %" PRIu32 " phase=%s ", v,
               phase <= GUEST_PHASE_DONE ? phases[phase] : "?");
        print_block(b);
        total.iterations.value += b->iterations.value;
        total.checked.value += b->checked.value;
        total.mismatched.value += b->mismatched.value;
        total.cpuid_native.value += b->cpuid_native.value;
        total.cpuid_replaced.value += b->cpuid_replaced.value;
        total.writes_kept.value += b->writes_kept.value;
        total.writes_denied.value += b->writes_denied.value;
        total.traps.value += b->traps.value;
    }
    printf("total vcpus=%" PRIu32 " ", layout->header.vcpus);
    print_block(&total);
    return EXIT_SUCCESS;
}

static int set_control(uint32_t control)
{
    if ( !is_valid() )
    {
        fprintf(stderr, "the guest has not set up its counters\n");
        return EXIT_FAILURE;
    }
    layout->header.control = control;
    return EXIT_SUCCESS;
}

static int give_command(const char *name, uint32_t argument)
{
    static const char *const names[] = {
        [GUEST_COMMAND_SHUTDOWN] = "shutdown", [GUEST_COMMAND_DOWN] = "down",
        [GUEST_COMMAND_UP] = "up",             [GUEST_COMMAND_INIT] = "init",
        [GUEST_COMMAND_SIPI] = "sipi",
    };
    uint32_t i;

    for ( i = GUEST_COMMAND_SHUTDOWN; i <= GUEST_COMMAND_SIPI; i++ )
        if ( !strcmp(name, names[i]) )
        {
            layout->header.argument = argument;
            layout->header.command = i;
            return EXIT_SUCCESS;
        }
    fprintf(stderr, "guestmem: a guest has no command '%s'\n", name);
    return EXIT_FAILURE;
}

static bool has_obeyed(uint64_t unused)
{
    (void)unused;
    return layout->header.command == GUEST_COMMAND_NONE;
}

static int wait_command(double limit)
{
    int status = wait_until(has_obeyed, 0, limit);

    return status ? status : layout->header.failed ? EXIT_FAILURE : status;
}

int main(int argc, char **argv)
{
    const char *command = argc > 2 ? argv[2] : "show";

    if ( argc < 2 )
    {
        fprintf(stderr, "usage: guestmem DOMID [show|run|stop|command NAME N|"
                        "wait-command S|wait-ready S|"
                        "wait-done S|wait-count N S|rates PID S]\n");
        return EXIT_FAILURE;
    }
    map_layout((uint32_t)strtoul(argv[1], NULL, 10));

    if ( !strcmp(command, "show") )
        return show();
    if ( !strcmp(command, "run") )
        return set_control(GUEST_CONTROL_RUN);
    if ( !strcmp(command, "stop") )
        return set_control(GUEST_CONTROL_STOP);
    if ( !strcmp(command, "command") && argc == 5 )
        return give_command(argv[3], (uint32_t)strtoul(argv[4], NULL, 10));
    if ( !strcmp(command, "wait-command") && argc == 4 )
        return wait_command(atof(argv[3]));
    if ( !strcmp(command, "wait-ready") && argc == 4 )
        return wait_until(is_ready, 0, atof(argv[3]));
    if ( !strcmp(command, "wait-done") && argc == 4 )
        return wait_until(is_done, 0, atof(argv[3]));
    if ( !strcmp(command, "wait-count") && argc == 5 )
        return wait_until(has_count, strtoull(argv[3], NULL, 10),
                          atof(argv[4]));
    if ( !strcmp(command, "rates") && argc == 5 )
        return show_rates(argv[3], atof(argv[4]));

    fprintf(stderr, "guestmem: unknown command '%s'\n", command);
    return EXIT_FAILURE;
}
