# SPDX-License-Identifier: MIT
"""Small mutations of the code that shares memory, one line each."""

import os
import re

XEN = "xen/common/vm_event/"
SDK = "libvmi-ring/src/"
FILES = [XEN + name for name in ("access.c", "area.c", "channel.c", "core.c",
                                 "deadline.c", "dmop.c", "legacy.c", "ports.c",
                                 "private.h", "ring.c", "slot.c", "validate.c")] + \
    [SDK + name for name in ("capture_parse.c", "event.c", "legacy.c", "receive.c",
                             "shm.h", "v2.c", "v2_control.c", "v2_open.c")]

# Barriers: (pattern, replacement, name).
BARRIERS = [
    (r"\bsmp_mb\(\);", ";", "no-mb"),
    (r"\bsmp_wmb\(\);", ";", "no-wmb"),
    (r"\bsmp_rmb\(\);", ";", "no-rmb"),
    (r"\bRING_PUSH_REQUESTS\(ring\);", "ring->sring->req_prod = ring->req_prod_pvt;",
     "no-wmb"),
    (r"\bvm_event_store_release\((?!uint64_t)", "vm_event_store(", "no-release"),
    (r"= vm_event_load_acquire\(", "= vm_event_load(", "no-acquire"),
    (r"\bshm_acquire(32|64)\((?!const)", r"shm_read\1(", "no-acquire"),
    (r"\bshm_acquire8\(&(?=v2)", r"*(const volatile uint8_t *)(&", "no-acquire"),
    (r"\bshm_release32\(([^)]*)\);", r"shm_write32(\1);", "no-release"),
    (r"\bshm_release64\(([^,()]*), ([^)]*)\);",
     r"__atomic_store_n(\1, \2, __ATOMIC_RELAXED);", "no-release"),
    (r"\bshm_(wakeup|copy)_fence\(\);", ";", "no-fence"),
    (r"__atomic_thread_fence\(__ATOMIC_SEQ_CST\);",
     "__atomic_thread_fence(__ATOMIC_RELEASE);", "weaker-fence"),
]

# Steps of unwinding and of releasing, as statements of their own.
UNWIND = re.compile(
    r"^\s+(xfree|vfree|XFREE|vunmap|put_page\w*|put_domain|free_xen_event_channel|"
    r"destroy_ring_for_helper|vm_event_vcpu_unpause|domain_unpause|clear_bit|tasklet_kill|"
    r"free|v2_free|vm_event_cancel|vm_event_notify|stop|rcu_unlock_domain|call_rcu|"
    r"fds_arm|fds_disarm|dequeue)\(.*\);$")

# What a check leads to.
REFUSES = re.compile(r"^\s+(return (-E|VMEV2_ERR|fail\(|bad|NULL|false|-1|\")|goto |"
                     r"rc = -E|bad = |continue;|return;|return 0;|error = )")
CONDITION = re.compile(r"^(\s+(?:else )?if \( )(.*)( \))$")

# Bounds, off by one.
BOUNDS = re.compile(r" (<=|>=|<|>) ")
BOUND_FILES = {XEN + "ring.c", XEN + "validate.c", XEN + "legacy.c", SDK + "event.c",
               SDK + "v2.c", SDK + "v2_open.c", SDK + "capture_parse.c"}
OTHER = {"<=": "<", ">=": ">", "<": "<=", ">": ">="}
EQUAL = re.compile(r" (==|!=) ")
EQUAL_FILES = {XEN + "ring.c", XEN + "slot.c", SDK + "v2.c"}


def is_code(line):
    text = line.strip()
    return text and not text.startswith(("*", "/*", "//", "#", "for (", "while ("))


def of_line(path, lines, i):
    """(operator, old, new) for each mutation of one line."""
    line = lines[i]
    for pattern, new, name in BARRIERS:
        found = re.search(pattern, line)
        if found:
            yield name, found.group(0), found.expand(new)
    if UNWIND.match(line):
        yield "no-step", line.strip(), ";"
    found = CONDITION.match(line)
    if found and i + 1 < len(lines) and REFUSES.match(lines[i + 1]):
        yield "no-check", found.group(0).strip(), \
            found.group(0).strip().replace("( ", "( 0 && (", 1)[:-2] + ") )"
    if " if ( " in line and path in BOUND_FILES:
        found = BOUNDS.search(line)
        if found:
            yield "off-by-one", found.group(0), " %s " % OTHER[found.group(1)]
    if " if ( " in line and path in EQUAL_FILES:
        found = EQUAL.search(line)
        if found:
            yield "other-way", found.group(0), \
                " != " if found.group(1) == "==" else " == "


def mutants(top):
    """Every mutation: (name, path, line, old, new).

    Names don't hold line numbers, so that a list of them lasts: a text that
    stands in a file more than once is counted.
    """
    seen = {}
    for path in FILES:
        with open(os.path.join(top, path), encoding="utf-8") as f:
            lines = f.read().split("\n")
        for i, line in enumerate(lines):
            if not is_code(line):
                continue
            for operator, old, new in of_line(path, lines, i):
                name = "%s:%s: %s" % (path, operator, " ".join(line.split()))
                seen[name] = seen.get(name, 0) + 1
                if seen[name] > 1:
                    name += " #%d" % seen[name]
                yield name, path, i, old, new
