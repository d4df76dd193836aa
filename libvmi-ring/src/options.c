/* SPDX-License-Identifier: MIT */
/*
 * Structs that begin with their size: what callers give is checked here, so
 * that an older or newer program meets a library that knows more or less.
 */
#include <errno.h>
#include <string.h>

#include "private.h"

int copy_in(struct msg *msg, const char *what, void *out, size_t size,
            const void *in, size_t min)
{
    size_t given;
    size_t i;

    if ( !in )
        return fail(msg, EINVAL, "%s: is NULL", what);

    memcpy(&given, in, sizeof(given));
    if ( given < min || given > 65536 )
        return fail(msg, EINVAL, "%s.size: is %zu, should be %zu",
                    what, given, size);

    for ( i = size; i < given; i++ )
        if ( ((const uint8_t *)in)[i] )
            return fail(msg, EINVAL,
                        "%s: byte %zu is set, but this library knows %zu only",
                        what, i, size);

    memset(out, 0, size);
    memcpy(out, in, given < size ? given : size);

    return 0;
}

int copy_out(struct msg *msg, const char *what, void *out, const void *in,
             size_t size, size_t min)
{
    size_t given;

    if ( !out )
        return fail(msg, EINVAL, "%s: is NULL", what);

    memcpy(&given, out, sizeof(given));
    if ( given < min || given > 65536 )
        return fail(msg, EINVAL, "%s.size: is %zu, should be %zu",
                    what, given, size);

    memset(out, 0, given);
    memcpy(out, in, given < size ? given : size);
    memcpy(out, &given, sizeof(given));

    return 0;
}

static int check_enums(struct msg *msg, const vmiring_options *o)
{
    if ( o->abi > VMIRING_ABI_LEGACY )
        return fail(msg, EINVAL, "options.abi: is %u, should be "
                    "VMIRING_ABI_AUTO, _V2 or _LEGACY", o->abi);
    if ( o->on_death > VMIRING_DEATH_CRASH )
        return fail(msg, EINVAL, "options.on_death: is %u, should be "
                    "VMIRING_DEATH_DETACH, _HOLD or _CRASH", o->on_death);
    if ( o->deadline_ms > VMEV2_DEADLINE_MAX_MS )
        return fail(msg, EINVAL, "options.deadline_ms: is %u, at most %u",
                    o->deadline_ms, VMEV2_DEADLINE_MAX_MS);
    if ( o->deadline_deny > 1 || (o->deadline_deny && !o->deadline_ms) )
        return fail(msg, EINVAL, "options.deadline_deny: is %u, should be 0, "
                    "or 1 with a deadline_ms", o->deadline_deny);
    if ( o->on_deadline > VMIRING_DEADLINE_CRASH ||
         (o->on_deadline && (!o->deadline_ms || o->deadline_deny)) )
        return fail(msg, EINVAL, "options.on_deadline: is %u, should be "
                    "VMIRING_DEADLINE_RELEASE, or with a deadline_ms and "
                    "without deadline_deny _DETACH or _CRASH", o->on_deadline);

    return 0;
}

int options_check(struct msg *msg, vmiring_options *out,
                  const vmiring_options *in)
{
    const uint32_t known = VMIRING_OPEN_SPLIT_RINGS | VMIRING_OPEN_REATTACH |
                           VMIRING_OPEN_TAKEOVER | VMIRING_OPEN_EVERYTHING |
                           VMIRING_OPEN_SLOT_PORTS;

    if ( copy_in(msg, "options", out, sizeof(*out), in,
                 offsetof(vmiring_options, sim)) )
        return -1;

    /* Domids from 0x7ff0 on name roles ("self", "any"), not domains. */
    if ( out->domid >= 0x7ff0U )
        return fail(msg, EINVAL, "options.domid: is %u, at most 32751",
                    out->domid);
    if ( out->flags & ~known )
        return fail(msg, EINVAL, "options.flags: unknown bits 0x%x",
                    out->flags & ~known);
    if ( out->pad2 )
        return fail(msg, EINVAL, "options.pad2: is not 0");
    if ( out->spin_us > 1000000 )
        return fail(msg, EINVAL, "options.spin_us: is %u, at most 1000000",
                    out->spin_us);
    if ( out->legacy_plugin && out->legacy_plugin[0] != '/' )
        return fail(msg, EINVAL, "options.legacy_plugin: '%s' is not an "
                    "absolute path", out->legacy_plugin);

    if ( out->capture && out->sim )
        return fail(msg, EINVAL, "options.capture: excludes options.sim");
    if ( (out->flags & VMIRING_OPEN_EVERYTHING) && !out->capture )
        return fail(msg, EINVAL, "options.flags: EVERYTHING needs a capture");

    return check_enums(msg, out);
}
