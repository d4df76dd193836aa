/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmi-sim: a process that plays Xen and its guests, for agents of either ABI.
 * The hypervisor's part is the code of xen/, unmodified.
 */
#include "guest.h"
#include "server.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_DOMAINS 32U
#define MAX_CONNS   256U

static struct guest_config configs[MAX_DOMAINS];
static struct domain *domains[MAX_DOMAINS];     /* NULL: destroyed, not used */
static domid_t domids[MAX_DOMAINS];
static unsigned int nr_domains;                 /* of the command line */
static unsigned int nr_created;
static bool control;
static char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
static uint64_t seed = 1;

static const char usage_text[] =
"usage: vmi-sim [OPTION]...\n"
"Plays Xen and its guests for introspection agents (simulated, no real Xen).\n"
"\n"
"  --socket PATH     where to listen; else $VMI_SIM_SOCKET,\n"
"                    $XDG_RUNTIME_DIR/vmi-sim.sock, " SIMP_SOCKET_DEFAULT "\n"
"  --domain LIST     one domain; may be given again.  LIST is KEY=VALUE,...:\n"
"      name=NAME       (simN)\n"
"      vcpus=N         1 to 1024 (1)\n"
"      program=WORDS   what each vCPU repeats, joined by '+' (gr):\n"
"                      gr cr0 cr3 cr4 msr cpuid int3 desc mem irq\n"
"      rate=R          iterations per second and vCPU, 0: no limit (100)\n"
"      count=C         iterations per vCPU, 0: no end (0)\n"
"      start=HOW       running, paused (by the toolstack), or wait (until the\n"
"                      control word in the guest's memory says so) (running)\n"
"      end=HOW         after the last iteration: halt, off, crash, destroy\n"
"                      (halt)\n"
"      reply=1         check that each guest request's answer changed EDI\n"
"      altp2m=1        alternate views\n"
"  --control         read lines from standard input: 'add LIST' makes a domain,\n"
"                    'remove DOMID' destroys one; without --domain there is\n"
"                    none at the start\n"
"  --seed S          of the guests' random choices (1)\n"
"  --no-v2           offer the legacy ABI alone\n"
"  --no-legacy       offer version 2 alone\n"
"  --param NAME=N    a boot option of Xen's, as vm_event_ring_max\n"
"  --verbose         print Xen's console\n"
"  --help, --version\n"
"\n"
"SIGUSR1 prints the state of all channels, SIGTERM and SIGINT end it.\n"
"exit: 0; 1 something failed, or Xen's memory was not all given back; 2 usage\n";

static void die_usage(const char *what, const char *which)
{
    fprintf(stderr, "vmi-sim: %s: %s\n%s", what, which, usage_text);
    exit(2);
}

static uint64_t number(const char *text, uint64_t max)
{
    char *end;
    uint64_t n;

    errno = 0;
    n = strtoull(text, &end, 0);
    if ( errno || end == text || *end || n > max || *text == '-' )
        die_usage("not a number in range", text);

    return n;
}

static unsigned int choice(const char *text, const char *const *names)
{
    unsigned int i;

    for ( i = 0; names[i]; i++ )
        if ( !strcmp(names[i], text) )
            return i;
    die_usage("unknown value", text);

    return 0;
}

static void set_option(struct guest_config *g, unsigned int key, char *value)
{
    static const char *const starts[] = { "running", "paused", "wait", NULL };
    static const char *const ends[] = { "halt", "off", "crash", "destroy",
                                        NULL };
    unsigned int start;

    switch ( key )
    {
    case 0:
        if ( !*value || strlen(value) >= sizeof(g->name) )
            die_usage("bad name", value);
        strcpy(g->name, value);
        break;

    case 1:
        g->vcpus = number(value, SIM_MAX_VCPUS);
        if ( !g->vcpus )
            die_usage("vcpus", value);
        break;

    case 2:
        if ( !*value || strlen(value) >= sizeof(g->program) )
            die_usage("bad program", value);
        strcpy(g->program, value);
        break;

    case 3:
        g->rate = number(value, 1000000);
        break;

    case 4:
        g->count = number(value, UINT32_MAX);
        break;

    case 5:
        start = choice(value, starts);
        g->paused = start == 1;
        g->wait = start == 2;
        break;

    case 6:
        g->end = choice(value, ends);
        break;

    case 7:
        g->reply = number(value, 1);
        break;

    case 8:
        g->altp2m = number(value, 1);
        break;
    }
}

static void parse_domain(struct guest_config *g, unsigned int nr, char *list)
{
    static char *const keys[] = { "name", "vcpus", "program", "rate", "count",
                                  "start", "end", "reply", "altp2m", NULL };
    char *value;

    *g = (struct guest_config){ .rate = 0 };
    snprintf(g->name, sizeof(g->name), "sim%u", nr);
    g->vcpus = 1;
    g->rate = 100;
    strcpy(g->program, "gr");

    while ( *list )
    {
        char *word = list;
        int key = getsubopt(&list, keys, &value);

        if ( key < 0 || !value )
            die_usage("unknown domain option", word);
        set_option(g, key, value);
    }
}

static void add_domain(char *list)
{
    if ( nr_domains == MAX_DOMAINS )
        die_usage("too many domains", list);
    parse_domain(&configs[nr_domains], nr_domains + 1, list);
    nr_domains++;
}

static void set_param(char *text)
{
    char *value = strchr(text, '=');

    if ( !value )
        die_usage("--param needs NAME=N", text);
    *value++ = '\0';
    if ( !sim_param_set(text, number(value, UINT64_MAX)) )
        die_usage("no such boot option", text);
}

static void set_socket(const char *path)
{
    if ( !*path || strlen(path) >= sizeof(socket_path) )
        die_usage("the path does not fit into a socket's address", path);
    strcpy(socket_path, path);
}

static void default_socket(void)
{
    const char *path = getenv("VMI_SIM_SOCKET");
    const char *dir = getenv("XDG_RUNTIME_DIR");
    char joined[4096];

    if ( path && *path )
        set_socket(path);
    else if ( dir && *dir )
    {
        snprintf(joined, sizeof(joined), "%s/vmi-sim.sock", dir);
        set_socket(joined);
    }
    else
        set_socket(SIMP_SOCKET_DEFAULT);
}

static void parse(int argc, char **argv)
{
    enum { SOCKET = 1, DOMAIN, SEED, NO_V2, NO_LEGACY, PARAM, VERBOSE, HELP,
           VERSION, CONTROL };
    static const struct option options[] = {
        { "socket", 1, NULL, SOCKET },  { "domain", 1, NULL, DOMAIN },
        { "control", 0, NULL, CONTROL },
        { "seed", 1, NULL, SEED },      { "no-v2", 0, NULL, NO_V2 },
        { "no-legacy", 0, NULL, NO_LEGACY }, { "param", 1, NULL, PARAM },
        { "verbose", 0, NULL, VERBOSE }, { "help", 0, NULL, HELP },
        { "version", 0, NULL, VERSION }, {}
    };
    int c;

    while ( (c = getopt_long(argc, argv, "", options, NULL)) != -1 )
        switch ( c )
        {
        case SOCKET:    set_socket(optarg); break;
        case DOMAIN:    add_domain(optarg); break;
        case CONTROL:   control = true; break;
        case SEED:      seed = number(optarg, UINT64_MAX); break;
        case NO_V2:     server_offers &= ~SIMP_HAS_V2; break;
        case NO_LEGACY: server_offers &= ~SIMP_HAS_LEGACY; break;
        case PARAM:     set_param(optarg); break;
        case VERBOSE:   sim_console(true); break;

        case HELP:
            fputs(usage_text, stdout);
            exit(0);

        case VERSION:
            printf("vmi-sim %s (a simulated host; contains Xen code, "
                   "GPL-2.0-only)\n", SIM_VERSION);
            exit(0);

        default:
            exit(2);
        }
    if ( optind < argc )
        die_usage("unexpected argument", argv[optind]);
    if ( !nr_domains && !control )
        add_domain((char[]){ "" });
    if ( !socket_path[0] )
        default_socket();
}

/* ---- the socket ---- */

/* A socket that nobody listens on is what an earlier run left. */
static bool somebody_listens(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool yes = !connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
               errno != ECONNREFUSED;

    close(fd);

    return yes;
}

static int listen_at(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    mode_t old = umask(0077);
    int rc;

    strcpy(addr.sun_path, path);
    rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    if ( rc && errno == EADDRINUSE && !somebody_listens(&addr) )
    {
        unlink(path);
        rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    }
    umask(old);
    if ( rc || listen(fd, 16) )
    {
        fprintf(stderr, "vmi-sim: cannot listen at %s: %s\n", path,
                errno == EADDRINUSE ? "another vmi-sim does" : strerror(errno));
        exit(1);
    }

    return fd;
}

static struct {
    pthread_t thread;
    int fd;
    bool used;
    bool done;              /* set by the thread when it ends */
} conns[MAX_CONNS];

static void *run_conn(void *arg)
{
    unsigned int i = (uintptr_t)arg;

    sim_thread_init();
    pthread_setname_np(pthread_self(), "client");
    serve(conns[i].fd);
    __atomic_store_n(&conns[i].done, true, __ATOMIC_RELEASE);

    return NULL;
}

static void end_conn(unsigned int i)
{
    pthread_join(conns[i].thread, NULL);
    close(conns[i].fd);
    conns[i].used = false;
}

/* A thread that has ended gives its place to the next connection. */
static void accept_one(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    unsigned int i;

    if ( fd < 0 )
        return;
    for ( i = 0; i < MAX_CONNS; i++ )
    {
        if ( conns[i].used && __atomic_load_n(&conns[i].done, __ATOMIC_ACQUIRE) )
            end_conn(i);
        if ( !conns[i].used )
            break;
    }
    if ( i == MAX_CONNS )
    {
        close(fd);
        return;
    }
    conns[i].used = true;
    conns[i].done = false;
    conns[i].fd = fd;
    BUG_ON(pthread_create(&conns[i].thread, NULL, run_conn,
                          (void *)(uintptr_t)i));
}

static void end_conns(void)
{
    unsigned int i;

    for ( i = 0; i < MAX_CONNS; i++ )
        if ( conns[i].used )
        {
            shutdown(conns[i].fd, SHUT_RDWR);
            end_conn(i);
        }
}

/* ---- domains ---- */

static bool create_domain(unsigned int i, const char **error)
{
    struct guest_config *g = &configs[i];

    g->seed = seed + nr_created;
    domids[i] = nr_created + 1;
    domains[i] = guest_create(domids[i], g, error);
    nr_created += !!domains[i];

    return domains[i];
}

static void create_domains(void)
{
    unsigned int i;

    guest_init();
    for ( i = 0; i < nr_domains; i++ )
    {
        const char *error;

        if ( !create_domain(i, &error) )
            die_usage("unknown or too long program", error);
    }
}

static void start_domain(unsigned int i)
{
    const struct guest_config *g = &configs[i];

    printf("vmi-sim: simulated domain %u '%s': %u vCPUs, program %s, "
           "rate %" PRIu64 "/s, count %" PRIu64 "\n", domids[i], g->name,
           g->vcpus, g->program, g->rate, g->count);
    guest_start(domains[i]);
}

static void start_domains(void)
{
    unsigned int i;

    for ( i = 0; i < nr_domains; i++ )
        start_domain(i);
}

static void destroy_domain(unsigned int i)
{
    printf("vmi-sim: simulated domain %u '%s': %" PRIu64
           " iterations made, destroyed\n", domids[i], configs[i].name,
           guest_iterations(domains[i]));
    fflush(stdout);
    guest_destroy(domains[i]);
    domains[i] = NULL;
    server_domains_changed();
}

static void destroy_ended(void)
{
    uint64_t n;
    unsigned int i;

    if ( read(guest_end_fd(), &n, sizeof(n)) != sizeof(n) )
        return;
    for ( i = 0; i < MAX_DOMAINS; i++ )
        if ( domains[i] && guest_wants_destroy(domains[i]) )
            destroy_domain(i);
}

/* ---- domains that come and go ---- */

static void control_add(char *list)
{
    const char *error;
    unsigned int i;

    for ( i = 0; i < MAX_DOMAINS && domains[i]; i++ )
        ;
    if ( i == MAX_DOMAINS )
        die_usage("too many domains", list);
    parse_domain(&configs[i], nr_created + 1, list);
    if ( !create_domain(i, &error) )
        die_usage("unknown or too long program", error);
    start_domain(i);
    fflush(stdout);
    server_domains_changed();
}

static void control_remove(const char *text)
{
    domid_t domid = number(text, UINT16_MAX);
    unsigned int i;

    for ( i = 0; i < MAX_DOMAINS; i++ )
        if ( domains[i] && domids[i] == domid )
        {
            destroy_domain(i);
            return;
        }
    printf("vmi-sim: there is no domain %u to remove\n", domid);
    fflush(stdout);
}

static void control_line(char *line)
{
    if ( !strncmp(line, "add ", 4) || !strcmp(line, "add") )
        control_add(line + 3 + (line[3] == ' '));
    else if ( !strncmp(line, "remove ", 7) )
        control_remove(line + 7);
    else if ( *line )
        die_usage("unknown command on standard input", line);
}

/* False: no more will come.  A line that is too long is no command. */
static bool control_input(void)
{
    static char line[512];
    static size_t used;
    ssize_t n = read(STDIN_FILENO, line + used, sizeof(line) - 1 - used);
    char *end;

    if ( n <= 0 )
        return n < 0 && errno == EINTR;
    used += n;
    line[used] = '\0';
    while ( (end = strchr(line, '\n')) )
    {
        *end++ = '\0';
        control_line(line);
        used -= end - line;
        memmove(line, end, used + 1);
    }
    if ( used == sizeof(line) - 1 )
        die_usage("too long a line on standard input", line);

    return true;
}

static void run(int listener, int signals)
{
    struct pollfd fds[4] = { { .fd = listener, .events = POLLIN },
                             { .fd = signals, .events = POLLIN },
                             { .fd = guest_end_fd(), .events = POLLIN },
                             { .fd = control ? STDIN_FILENO : -1,
                               .events = POLLIN } };

    for ( ; ; )
    {
        struct signalfd_siginfo info;

        if ( poll(fds, 4, -1) < 0 )
            continue;
        if ( fds[0].revents )
            accept_one(listener);
        if ( fds[2].revents )
            destroy_ended();
        if ( fds[3].revents && !control_input() )
            fds[3].fd = -1;
        if ( !fds[1].revents ||
             read(signals, &info, sizeof(info)) != sizeof(info) )
            continue;
        if ( info.ssi_signo != SIGUSR1 )
            return;
        sim_console(true);
        sim_press_key('k');
    }
}

int main(int argc, char **argv)
{
    sigset_t set;
    unsigned int i;
    int listener, signals;

    parse(argc, argv);

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    BUG_ON(pthread_sigmask(SIG_BLOCK, &set, NULL));
    signals = signalfd(-1, &set, SFD_CLOEXEC);

    sim_init();
    create_domains();
    listener = listen_at(socket_path);
    start_domains();
    printf("vmi-sim: a simulated host, no real Xen; ready at %s\n", socket_path);
    fflush(stdout);

    run(listener, signals);

    close(listener);
    unlink(socket_path);
    end_conns();
    for ( i = 0; i < MAX_DOMAINS; i++ )
        if ( domains[i] )
            destroy_domain(i);
    sim_softirq_drain();

    return sim_leaks() ? 1 : 0;
}
