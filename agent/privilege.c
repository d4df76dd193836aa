/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privilege.h"

#define OVERFLOW_ID 65534   /* the kernel's, and "nobody" where it is named */

static int failed(FILE *err, const char *what)
{
    fprintf(err, "vmi-agent: dropping privileges: %s: %s; expected this to "
            "work, --privileged goes on without\n", what, strerror(errno));
    return -1;
}

static int restrict_handles(vmiring *h, FILE *err)
{
    if ( !vmiring_restrict(h) )
        return 0;
    if ( errno != ENOTSUP )
    {
        fprintf(err, "vmi-agent: restricting to the domain: %s\n",
                vmiring_error(h));
        return -1;
    }
    fprintf(err, "vmi-agent: warning: %s\n",
            vmiring_abi_used(h) == VMIRING_ABI_LEGACY ?
            "the legacy ABI needs unrestricted hypercalls: this process can "
            "control every domain of the host until it ends" :
            "this host cannot restrict handles to one domain");
    return 0;
}

/* A bounding set that is empty keeps a set-uid program from gaining any. */
static int empty_bounding_set(void)
{
    for ( int cap = 0; cap < 64; cap++ )
        if ( prctl(PR_CAPBSET_DROP, cap) )
            return errno == EINVAL && cap ? 0 : -1;
    return 0;
}

void privilege_user(uid_t *uid, gid_t *gid)
{
    const struct passwd *pw = getpwnam("vmi-agent");

    if ( !pw )
        pw = getpwnam("nobody");
    *uid = *gid = OVERFLOW_ID;
    if ( pw && pw->pw_uid && pw->pw_gid )
    {
        *uid = pw->pw_uid;
        *gid = pw->pw_gid;
    }
}

static int become_user(FILE *err)
{
    uid_t uid;
    gid_t gid;

    privilege_user(&uid, &gid);
    if ( empty_bounding_set() )
        return failed(err, "capability bounding set");
    if ( setgroups(0, NULL) )
        return failed(err, "setgroups");
    if ( setresgid(gid, gid, gid) )
        return failed(err, "setgid");
    if ( setresuid(uid, uid, uid) )
        return failed(err, "setuid");
    if ( !setuid(0) )
    {
        errno = EPERM;
        return failed(err, "root came back");
    }
    return 0;
}

static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3
    };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    return syscall(SYS_capset, &header, data);
}

int privilege_drop(vmiring *h, FILE *err)
{
    if ( restrict_handles(h, err) )
        return -1;
    if ( !geteuid() && become_user(err) )
        return -1;
    if ( drop_capabilities() )
        return failed(err, "capset");
    if ( prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) )
        return failed(err, "no_new_privs");
    /* Another process of that user must not trace what holds the handles. */
    if ( prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) )
        return failed(err, "dumpable");
    return 0;
}
