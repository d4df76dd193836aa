#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""long.py PROGRAM COUNT SECONDS: goes on where tests/sched/log ends.

Runs COUNT seeds of each scenario, model and mode at a time until SECONDS have
passed, and appends a line for each to the log: code, commit, scenario, model,
mode, first and last seed, result. The code is a hash of the files that are run,
so that lines of the same code add up, whatever commits came after; --sum prints
that sum. The commit is the last one that changed them.
"""

import hashlib
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LOG = os.path.join(HERE, "log")
CODE = ["xen/common", "xen/include", "xen/arch/x86", "libvmi-ring/src", "sim/shim",
        "sim/arch", "tests/harness/harness.c", "tests/sched/*.c", "tests/sched/*.h"]


def git(*arguments):
    return subprocess.check_output(("git", "-C", TOP) + arguments + ("--", *CODE),
                                   text=True).strip()


def code():
    return hashlib.sha1(git("ls-files", "-s").encode()).hexdigest()[:12]


def entries(of):
    if os.path.exists(LOG):
        with open(LOG, encoding="utf-8") as f:
            for line in f:
                part = line.split()
                if part and part[0] == of:
                    yield tuple(part[2:5]), int(part[5]), int(part[6]), part[7]


def main():
    here, commit = code(), git("log", "-1", "--format=%h")
    if sys.argv[1:] == ["--sum"]:
        return print_sum(here)
    program, count, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    end = time.monotonic() + limit
    names = [line.split()[0] for line in subprocess.check_output(
        [program, "list"], text=True).splitlines()]
    following = {}
    for key, _, last, _ in entries(here):
        following[key] = max(following.get(key, 1), last + 1)
    while time.monotonic() < end:
        for key in [(n, m, o) for n in names for m in ("sc", "tso", "weak")
                    for o in ("random", "pct")]:
            first = following.get(key, 1)
            done = subprocess.run([program, "run", *key, str(first), str(count)],
                                  capture_output=True, text=True, check=False)
            result = "ok" if done.returncode == 0 else "FAILED"
            with open(LOG, "a", encoding="utf-8") as f:
                f.write("%s %s %s %d %d %s\n" % (here, commit, " ".join(key), first,
                                                 first + count - 1, result))
            if done.returncode:
                print(done.stdout, done.stderr)
                return 1
            following[key] = first + count
    return print_sum(here)


def print_sum(here):
    total = sum(last - first + 1 for _, first, last, result in entries(here)
                if result == "ok")
    print("%d schedules without a failure, code of %s" % (total, here))
    return 0


if __name__ == "__main__":
    sys.exit(main())
