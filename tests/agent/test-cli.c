/* SPDX-License-Identifier: MIT */
/* The command line: what is accepted, what is refused and with which words. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define ARGS_MAX 32

/* Splits line at blanks into argv and parses it; err gets the message. */
static enum exit_code parse(const char *line, struct config *cfg, char *err,
                            size_t size)
{
    static char copy[512];   /* cfg points into it */
    char *argv[ARGS_MAX + 2] = { (char *)"vmi-agent" }, *save = NULL;
    int argc = 1;
    FILE *f = fmemopen(err, size, "w");
    enum exit_code code;

    cr_assert(f && strlen(line) < sizeof(copy));
    strcpy(copy, line);
    for ( char *w = strtok_r(copy, " ", &save); w && argc <= ARGS_MAX;
          w = strtok_r(NULL, " ", &save) )
        argv[argc++] = w;
    code = cli_parse(argc, argv, cfg, f);
    fclose(f);
    return code;
}

static void good(const char *line, struct config *cfg)
{
    char err[512] = "";

    cr_assert_eq(parse(line, cfg, err, sizeof(err)), EXIT_OK, "%s: %s", line,
                 err);
    cr_assert_str_empty(err);
}

Test(cli, domid_alone)
{
    struct config cfg;

    good("--domid 5", &cfg);
    cr_assert_eq(cfg.command, CMD_WATCH);
    cr_assert_eq(cfg.domid, 5);
    cr_assert_eq(cfg.regs, VMIRING_REGS_CORE);
    cr_assert_eq(cfg.abi, VMIRING_ABI_AUTO);
    cr_assert_null(cfg.sim);
    cr_assert(!cfg.events.explicit && cfg.events.nr >= 4);
}

Test(cli, everything)
{
    struct config cfg;

    good("--domid 7 --abi v2 -e cr4:sync,cpuid -o json --duration 1.5 -c 10 "
         "--ring 64K --split-rings --regs all", &cfg);
    cr_assert_eq(cfg.abi, VMIRING_ABI_V2);
    cr_assert_eq(cfg.format, FORMAT_JSON);
    cr_assert_eq(cfg.duration_us, 1500000);
    cr_assert_eq(cfg.count, 10);
    cr_assert_eq(cfg.ring_bytes, 65536);
    cr_assert(cfg.split_rings);
    cr_assert_eq(cfg.regs, VMIRING_REGS_ALL);
    cr_assert_eq(cfg.events.nr, 2);

    good("--name guest --batch 3 --batch-sleep 1000 --reply --deny cr4 "
         "--on-death hold --deadline 500:deny --reattach --takeover "
         "--per-vcpu --privileged -q", &cfg);
    cr_assert_str_eq(cfg.name, "guest");
    cr_assert_eq(cfg.batch, 3);
    cr_assert_eq(cfg.batch_sleep_ms, 1000);
    cr_assert(cfg.reply && cfg.reattach && cfg.takeover && cfg.per_vcpu &&
              cfg.privileged && cfg.quiet && cfg.deadline_deny);
    cr_assert_eq(cfg.deny, DENY_CR4);
    cr_assert_eq(cfg.on_death, VMIRING_DEATH_HOLD);
    cr_assert_eq(cfg.deadline_ms, 500);
}

Test(cli, sim_with_and_without_a_socket)
{
    struct config cfg;

    setenv("VMI_SIM_SOCKET", "/some/where", 1);
    good("--sim --domid 1", &cfg);
    cr_assert_str_eq(cfg.sim, "/some/where");
    good("--domid 1 --sim /tmp/s -q", &cfg);
    cr_assert_str_eq(cfg.sim, "/tmp/s");
    cr_assert(cfg.quiet);
    good("--domid 1 --sim=/tmp/t", &cfg);
    cr_assert_str_eq(cfg.sim, "/tmp/t");
}

Test(cli, default_socket)
{
    char dir[] = "/tmp/vmi-agent-cli.XXXXXX", path[64];
    FILE *f;

    unsetenv("VMI_SIM_SOCKET");
    cr_assert(mkdtemp(dir));
    setenv("XDG_RUNTIME_DIR", dir, 1);
    cr_assert_str_eq(cli_default_socket(), "/run/vmi-sim.sock");
    snprintf(path, sizeof(path), "%s/vmi-sim.sock", dir);
    f = fopen(path, "w");
    cr_assert(f);
    fclose(f);
    cr_assert_str_eq(cli_default_socket(), path);
    unlink(path);
    rmdir(dir);
}

Test(cli, commands)
{
    struct config cfg;

    good("--list", &cfg);
    cr_assert_eq(cfg.command, CMD_LIST);
    good("--status 3", &cfg);
    cr_assert(cfg.command == CMD_STATUS && cfg.domid == 3);
    good("--release 4 --sim /x", &cfg);
    cr_assert(cfg.command == CMD_RELEASE && cfg.domid == 4);
    good("--probe", &cfg);
    cr_assert_eq(cfg.command, CMD_PROBE);
    good("--probe --domid 9", &cfg);
    cr_assert(cfg.have_domid && cfg.domid == 9);
    good("--version", &cfg);
    cr_assert_eq(cfg.command, CMD_VERSION);
    good("-h", &cfg);
    cr_assert_eq(cfg.command, CMD_HELP);
}

/* Sizes with their units, and the largest that fits. */
Test(cli, ring_sizes)
{
    static const struct { const char *arg; uint32_t bytes; } cases[] = {
        { "--domid 1 --ring 4096", 4096 },
        { "--domid 1 --ring 4k", 4096 },
        { "--domid 1 --ring 1M", 1U << 20 },
        { "--domid 1 --ring 4095M", 4095U << 20 },
        { "--domid 1 --ring 4294967295", UINT32_MAX },
    };
    struct config cfg;

    for ( size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++ )
    {
        good(cases[i].arg, &cfg);
        cr_expect_eq(cfg.ring_bytes, cases[i].bytes, "%s", cases[i].arg);
    }
}

Test(cli, refused)
{
    static const struct { const char *line, *says; } cases[] = {
        { "", "expected --domid" },
        { "--domid 1 --name x", "expected --domid" },
        { "--domid 1 --all", "expected --domid" },
        { "--all --name x", "expected --domid" },
        { "--all -c 5", "are for one domain" },
        { "--name web* -c 5", "are for one domain" },
        { "--domid x", "expected a domain number" },
        { "--domid -1", "expected a domain number" },
        { "--domid 1x", "expected a domain number" },
        { "--domid 32752", "expected a domain number" },
        { "--domid 99999999999999999999", "expected a domain number" },
        { "--domid 1 --domid 2", "more than one domain" },
        { "--domid 1 extra", "unexpected \"extra\"" },
        { "--domid 1 --abi v3", "expected one of auto v2 legacy" },
        { "--domid 1 --regs some", "expected one of none core all" },
        { "--domid 1 -o xml", "expected one of text json" },
        { "--domid 1 --on-death sleep", "expected one of detach" },
        { "--domid 1 --ring 0", "expected a size" },
        { "--domid 1 --ring 4G", "expected a size" },
        { "--domid 1 --ring 4096M", "expected a size" },
        { "--domid 1 --ring 4294967296", "expected a size" },
        { "--domid 1 --ring K", "expected a size" },
        { "--domid 1 --ring 4KK", "expected a size" },
        { "--domid 1 --duration 0", "expected seconds" },
        { "--domid 1 --duration -3", "expected seconds" },
        { "--domid 1 --duration nan", "expected seconds" },
        { "--domid 1 --duration inf", "expected seconds" },
        { "--domid 1 --duration 5s", "expected seconds" },
        { "--domid 1 -c 0", "expected a number of events" },
        { "--domid 1 -c -5", "expected a number of events" },
        { "--domid 1 --batch 0", "expected a number from 1" },
        { "--domid 1 --batch 65537", "expected a number from 1" },
        { "--domid 1 --batch-sleep x", "expected a number from 1" },
        { "--domid 1 --deadline 0", "expected 1 to 60000" },
        { "--domid 1 --deadline 60001", "expected 1 to 60000" },
        { "--domid 1 --deadline 5:allow", "expected 1 to 60000" },
        { "--domid 1 --deny xcr0", "expected one of cr0 cr3 cr4 msr" },
        { "--domid 1 --deny msr", "must be watched" },
        { "--domid 1 --deny cr3 -e cr3:async", "needs \"cr3:sync\"" },
        { "--domid 1 -e cr5", "unknown event \"cr5\"" },
        { "--domid 1 -e cr0,", "unknown event" },
        { "--domid 1 -e cr0,cr0", "named twice" },
        { "--domid 1 -e cpuid:async", "no asynchronous form" },
        { "--domid 1 -e cr0:maybe", "expected \":sync\" or \":async\"" },
        { "--domid 1 -e cr0=1", "takes no value" },
        { "--domid 1 -e msr=xyz", "expected an MSR's number" },
        { "--domid 1 -e msr=", "expected an MSR's number" },
        { "--domid 1 -e msr=-1", "expected an MSR's number" },
        { "--domid 1 -e msr=100000000", "expected an MSR's number" },
        { "--domid 1 -e mem", "expected pages" },
        { "--domid 1 -e mem=", "expected pages" },
        { "--domid 1 -e mem=800", "expected pages" },
        { "--domid 1 -e mem=800/", "expected pages" },
        { "--domid 1 -e mem=800/rwx", "expected pages" },
        { "--domid 1 -e mem=800-7ff/r", "expected pages" },
        { "--domid 1 -e mem=800-10000000000/r", "expected pages" },
        { "--domid 1 -e mem=800/r:async", "no asynchronous form" },
        { "--domid 1 -e mem=800/r,mem=800/w", "named twice" },
        { "--domid 1 -e cr0 -e cr3", "expected once" },
        { "--domid 1 --reply --regs none", "--reply changes registers" },
        { "--domid 1 --abi legacy --ring 64K", "need the v2 ABI" },
        { "--domid 1 --abi legacy --deadline 5", "need the v2 ABI" },
        { "--list --probe", "only one of" },
        { "--status x", "expected a domain number" },
        { "--domid 1 --bogus", "unknown option \"--bogus\"" },
        { "--domid 1 --batch-sleep", "--batch-sleep: expected an argument" },
        { "-x --domid 1", "unknown option \"-x\"" },
        { "--domid", "--domid: expected an argument" },
        { "--domid 1 --re", "unknown option \"--re\"" },   /* ambiguous */
        { "--status 1 --domid 1", "more than one domain" },
    };

    for ( size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++ )
    {
        struct config cfg;
        char err[512] = "";

        cr_expect_eq(parse(cases[i].line, &cfg, err, sizeof(err)),
                     EXIT_USAGE, "accepted: %s", cases[i].line);
        cr_expect(strstr(err, cases[i].says), "%s: said \"%s\"",
                  cases[i].line, err);
    }
}

/* Without -e, what is denied becomes sync by itself. */
Test(cli, deny_makes_a_default_sync)
{
    struct config cfg;
    bool found = false;

    good("--domid 1 --deny cr3", &cfg);
    for ( unsigned int i = 0; i < cfg.events.nr; i++ )
        if ( cfg.events.item[i].kind->index == VMIRING_CR3 )
            found = cfg.events.item[i].sync;
    cr_assert(found);
}

Test(events, msr_alone_is_the_system_call_ones)
{
    struct event_list list;
    char err[128];
    bool lstar = false;

    cr_assert_eq(events_parse(&list, "msr", err, sizeof(err)), 0);
    for ( unsigned int i = 0; i < list.nr; i++ )
        lstar |= list.item[i].msr == 0xc0000082;
    cr_assert(lstar && list.nr == 8);
}

Test(events, an_msr_by_number)
{
    struct event_list list;
    char err[128], name[48];
    struct vmiring_subscription s;

    cr_assert_eq(events_parse(&list, "msr=0x176,msr=C0000082:sync", err,
                              sizeof(err)), 0);
    cr_assert_eq(list.nr, 2);
    cr_assert_eq(list.item[0].msr, 0x176);
    event_choice_name(&list.item[1], name, sizeof(name));
    cr_assert_str_eq(name, "msr=c0000082:sync");
    event_subscription(&list.item[1], VMIRING_REGS_CORE, &s);
    cr_assert(s.size == sizeof(s) && s.reason == VMIRING_MOV_TO_MSR &&
              s.msr == 0xc0000082 && s.sync);
}

Test(events, options)
{
    struct event_list list;
    char err[160], name[EVENT_NAME_MAX];
    struct vmiring_subscription s;
    static const char *const bad[] = {
        "cpuid:onchange", "msr=176:mask=1", "cr0:user", "cr0:mask=",
        "cr0:mask=1x", "cr0:mask", "guest-request:onchange", "cr0:", "cr0:sync:",
        "mem=800/rx:user",
    };

    cr_assert_eq(events_parse(&list, "cr4:async:onchange:mask=8000000000000080,"
                              "msr=176:onchange,guest-request:user", err,
                              sizeof(err)), 0, "%s", err);
    event_subscription(&list.item[0], VMIRING_REGS_CORE, &s);
    cr_assert(!s.sync && s.onchangeonly && s.mask == 0x8000000000000080 &&
              !s.userspace);
    event_choice_name(&list.item[0], name, sizeof(name));
    cr_assert_str_eq(name, "cr4:async:onchange:mask=8000000000000080");
    event_subscription(&list.item[1], VMIRING_REGS_CORE, &s);
    cr_assert(s.sync && s.onchangeonly && !s.mask);
    event_subscription(&list.item[2], VMIRING_REGS_CORE, &s);
    cr_assert(s.sync && s.userspace && !s.onchangeonly);
    event_choice_name(&list.item[2], name, sizeof(name));
    cr_assert_str_eq(name, "guest-request:sync:user");
    for ( size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++ )
        cr_assert_eq(events_parse(&list, bad[i], err, sizeof(err)), -1, "%s",
                     bad[i]);
}

Test(events, pages)
{
    struct event_list list;
    char err[128], name[EVENT_NAME_MAX];

    cr_assert_eq(events_parse(&list, "mem=0x800-8ff/rx,mem=900/n2rwx", err,
                              sizeof(err)), 0, "%s", err);
    cr_assert(list.item[0].gfn == 0x800 && list.item[0].nr == 0x100 &&
              list.item[0].access == VMIRING_ACCESS_RX && list.item[0].sync);
    cr_assert(list.item[1].nr == 1 && !list.item[1].sync &&
              list.item[1].access == VMIRING_ACCESS_N2RWX);
    event_choice_name(&list.item[0], name, sizeof(name));
    cr_assert_str_eq(name, "mem=800-8ff/rx:sync");
}

/* What sets registers in its answer needs them, whatever --regs says. */
Test(events, needed_registers_are_captured)
{
    struct event_list list;
    struct vmiring_subscription s;
    char err[128];

    cr_assert_eq(events_parse(&list, "cpuid,cr3", err, sizeof(err)), 0);
    event_subscription(&list.item[0], VMIRING_REGS_NONE, &s);
    cr_assert_eq(s.regs, VMIRING_REGS_CORE);
    event_subscription(&list.item[1], VMIRING_REGS_NONE, &s);
    cr_assert_eq(s.regs, VMIRING_REGS_NONE);
    cr_assert_eq(s.index, VMIRING_CR3);
    cr_assert(!s.sync);
}

Test(events, too_many)
{
    struct event_list list;
    char arg[1024] = "msr=1", err[128];

    for ( int i = 2; i <= EVENTS_MAX + 1; i++ )
        snprintf(arg + strlen(arg), sizeof(arg) - strlen(arg), ",msr=%x", i);
    cr_assert_neq(events_parse(&list, arg, err, sizeof(err)), 0);
    cr_assert(strstr(err, "more than"));
}

Test(exitcodes, of_open)
{
    cr_assert_eq(exit_code_of_open(ENOENT), EXIT_NO_DOMAIN);
    cr_assert_eq(exit_code_of_open(EACCES), EXIT_PERMISSION);
    cr_assert_eq(exit_code_of_open(ENOSYS), EXIT_NO_XEN);
    cr_assert_eq(exit_code_of_open(EBUSY), EXIT_BUSY);
    cr_assert_eq(exit_code_of_open(EPROTONOSUPPORT), EXIT_NO_ABI);
    cr_assert_eq(exit_code_of_open(ENOTSUP), EXIT_NO_ABI);
    cr_assert_eq(exit_code_of_open(ELIBACC), EXIT_NO_ABI);
    cr_assert_eq(exit_code_of_open(ENODEV), EXIT_GONE);
    cr_assert_eq(exit_code_of_open(EOWNERDEAD), EXIT_TAKEN);
    cr_assert_eq(exit_code_of_open(ESTALE), EXIT_ENDED);
    cr_assert_eq(exit_code_of_open(ENXIO), EXIT_NO_CHANNEL);
    cr_assert_eq(exit_code_of_open(ENOMEM), EXIT_INTERNAL);
}
