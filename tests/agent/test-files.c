/* SPDX-License-Identifier: MIT */
/* Files after the privileges: what the system call filter lets pass, and how
 * files are renamed and replaced. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "filter.h"
#include "limit.h"
#include "outfile.h"
#include "vmiring.h"

static char dir[] = "/tmp/vmi-agent-files.XXXXXX";
static struct outfile f;

static void set_up(void)
{
    char path[64];

    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    cr_assert_eq(outfile_init(&f, path), 0);
}

static void tear_down(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

#define FILES_TEST(name) Test(files, name, .init = set_up, .fini = tear_down)

static int put(const char *text)
{
    int fd = outfile_open(&f, O_WRONLY | O_CREAT | O_TRUNC);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : close(fd);
}

static void holds(const char *name, const char *text)
{
    char path[96], got[64] = "";
    FILE *in;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    in = fopen(path, "r");
    cr_assert_eq(!in, !text, "%s", name);
    if ( !in )
        return;
    cr_assert(fgets(got, sizeof(got), in));
    fclose(in);
    cr_assert_str_eq(got, text);
}

FILES_TEST(shift_keeps_so_many)
{
    for ( const char *c = "1\0002\0003\0004\0"; *c; c += 2 )
    {
        cr_assert_eq(outfile_shift(&f, 2), 0);
        cr_assert_eq(put(c), 0);
    }
    holds("log", "4");
    holds("log.1", "3");
    holds("log.2", "2");
    holds("log.3", NULL);
}

FILES_TEST(replace_is_whole)
{
    struct stat st;
    int old;

    cr_assert_eq(outfile_replace(&f, "first"), 0);
    old = outfile_open(&f, O_RDONLY);
    cr_assert_eq(outfile_replace(&f, "second"), 0);
    holds("log", "second");
    /* Who had the old one open still reads all of it. */
    cr_assert_eq(fstat(old, &st), 0);
    cr_assert_eq(st.st_size, 5);
    holds(".log.new", NULL);
}

/* The folder is the agent's user's, and the agent that opens is still root. */
FILES_TEST(links_are_not_followed)
{
    static const int flags[] = {
        O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND,
        O_WRONLY | O_APPEND, O_RDONLY
    };
    char path[96];

    snprintf(path, sizeof(path), "%s/log", dir);
    for ( int there = 0; there < 2; there++ )
    {
        cr_assert_eq(symlink("elsewhere", path), 0);
        for ( size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++ )
        {
            errno = 0;
            cr_assert_eq(outfile_open(&f, flags[i]), -1, "%zu", i);
            cr_assert_eq(errno, ELOOP);
        }
        holds("elsewhere", there ? "kept" : NULL);
        cr_assert_eq(unlink(path), 0);
        strcpy(f.name, "elsewhere");
        cr_assert_eq(put("kept"), 0);
        strcpy(f.name, "log");
    }
    /* One that is moved away is not followed either. */
    cr_assert_eq(symlink("elsewhere", path), 0);
    cr_assert_eq(outfile_shift(&f, 1), 0);
    cr_assert_eq(put("new"), 0);
    holds("log", "new");
    holds("elsewhere", "kept");
}

FILES_TEST(names)
{
    struct outfile g;
    char path[600];

    cr_assert_eq(outfile_init(&g, "/nowhere/at/all"), -1);
    cr_assert_eq(errno, ENOENT);
    cr_assert_eq(outfile_init(&g, "/tmp/"), -1);
    cr_assert_eq(errno, EISDIR);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    cr_assert_eq(outfile_init(&g, path), -1);
    cr_assert_eq(errno, ENAMETOOLONG);
    cr_assert_eq(f.dir, OUTFILE_FD_BASE);
    for ( int i = 1; i < OUTFILE_FD_MAX; i++ )
        cr_assert_eq(outfile_init(&g, "/tmp/x"), 0);
    cr_assert_eq(outfile_init(&g, "/tmp/x"), -1);
    cr_assert_eq(errno, EMFILE);
}

/* What runs behind the filter: its exit status, or the signal's number. */
static int confined(int (*fn)(void))
{
    pid_t pid = fork();
    int status;

    cr_assert_geq(pid, 0);
    if ( !pid )
        _exit(confine_syscalls(false, stderr) ? 99 : fn());
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* 0 is success, so a test says which step failed. */
static int use_folder(void)
{
    if ( put("one") )
        return 101;
    if ( outfile_shift(&f, 3) )
        return 102;
    if ( outfile_replace(&f, "two") )
        return 103;
    return outfile_has_content(&f) ? 0 : 104;
}

static int open_elsewhere(void)
{
    int fd = open("/etc/passwd", O_RDONLY);

    return fd < 0 && errno == EACCES ? 0 : 101;
}

/* A descriptor on either side of those that are ours. */
static int open_at_another(void)
{
    for ( int fd = OUTFILE_FD_BASE - 1; fd <= OUTFILE_FD_BASE + 4; fd += 5 )
        if ( openat(fd, "log", O_RDONLY) >= 0 || errno != EACCES )
            return 101;
    return 0;
}

static int rename_away(void)
{
    return renameat(f.dir, "log", AT_FDCWD, "/tmp/vmi-agent-away");
}

static int unlink_it(void)
{
    return !unlinkat(f.dir, "log", 0) || errno != EACCES ? 101 : 0;
}

FILES_TEST(confined)
{
    cr_assert_eq(put("x"), 0);
    cr_assert_geq(dup2(f.dir, OUTFILE_FD_BASE - 1), 0);
    cr_assert_eq(dup2(f.dir, OUTFILE_FD_BASE + 4), OUTFILE_FD_BASE + 4);
    /* All of this works without the filter. */
    cr_assert_eq(open_at_another(), 101);
    cr_assert_eq(open_elsewhere(), 101);
    cr_assert_eq(confined(use_folder), 0);
    cr_assert_eq(confined(open_elsewhere), 0);
    cr_assert_eq(confined(open_at_another), 0);
    cr_assert_eq(confined(unlink_it), 0);
    cr_assert_eq(confined(rename_away), SIGSYS);
}

/* ---- limits and filters: what their texts mean ---- */

Test(limit, per_second_of_event_time)
{
    struct limit l = { .per_second = { 0 } };
    char err[200];
    uint64_t told;

    cr_assert_eq(limit_parse(&l, "cpuid=2", err, sizeof(err)), 0);
    cr_assert(limit_pass(&l, VMIRING_CPUID, 5, &told));
    cr_assert(limit_pass(&l, VMIRING_CPUID, 6, &told));
    cr_assert_not(limit_pass(&l, VMIRING_CPUID, 7, &told));
    cr_assert_not(limit_pass(&l, VMIRING_CPUID, 1000000004, &told));
    cr_assert(limit_pass(&l, VMIRING_GUEST_REQUEST, 8, &told));
    cr_assert(limit_pass(&l, VMIRING_CPUID, 1000000005, &told));
    cr_assert_eq(told, 2);
    cr_assert(limit_pass(&l, VMIRING_LOST, 9, &told));
    cr_assert_eq(limit_parse(&l, "7", err, sizeof(err)), 0);
    cr_assert_eq(l.per_second[VMIRING_GUEST_REQUEST], 7);
    cr_assert_eq(limit_parse(&l, "nothing=7", err, sizeof(err)), -1);
    cr_assert(strstr(err, "nothing"));
    cr_assert_eq(limit_parse(&l, "cpuid=0", err, sizeof(err)), -1);
    cr_assert_eq(limit_parse(&l, "cpuid=1x", err, sizeof(err)), -1);
    cr_assert_eq(limit_parse(&l, "cpuid=", err, sizeof(err)), -1);
}

static void becomes(const char *text, const char *expected)
{
    char err[200] = "";
    char *got = filter_translate(text, err, sizeof(err));

    cr_assert(got, "%s: %s", text, err);
    cr_assert_str_eq(got, expected);
    free(got);
}

Test(filter, translation)
{
    becomes("vcpu = 3", "(link[20:4] = 3) ");
    becomes("event=mov-to-msr&&sync",
            "(link[10:2] = 5) && (link[15] & 1 != 0) ");
    becomes("cr3 = 0x100000002",
            "(link[64:4] = 1 and link[68:4] = 2) ");
    becomes("seq <= 5", "(link[32:4] < 0 or (link[32:4] = 0 and "
            "link[36:4] <= 5)) ");
    becomes("not (rip & 0xfff = 0x10)", "not ( (link[60:4] & 4095 = 16) ) ");
    becomes("rip & 0xffff000000000000 != 0",
            "(link[56:4] & 4294901760 != 0) ");
}
