#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutate.py list
mutate.py run WORK LOG [--sample N SEED] [--part I N] [--only TEXT|barriers]
              [--seconds N]

Makes each mutation of operators.py in a copy of the tree, builds what it
touches, and runs the fast checks: the harness or the library's unit tests, both
under ASan and UBSan, and the deterministic scheduler. One line for each:

    killed NAME | by WHAT
    survived NAME
    equivalent NAME | WHY            (of tests/mutation/equivalent; not run)
    stillborn NAME                   (does not compile; does not count)
    unjudged NAME                    (--seconds were over)

A work folder of an earlier run is brought up to date and used again.
"""

import glob
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import operators  # noqa: E402
from tree import TOP, Mutant, Tree  # noqa: E402

def tests_in(folder, leave_out):
    found = glob.glob(os.path.join(TOP, "tests", folder, "test_*.c"))
    return sorted(set(os.path.basename(f)[5:-2] for f in found) - leave_out)


# Left out: threads, which take long, and what the scheduler has anyway.
HARNESS = ["harness_" + name for name in tests_in("harness", {"threads", "ports"})]
UNIT = ["unit-" + name.replace("walk_arm64", "walk-arm64")
        for name in tests_in("unit", {"sim", "random", "wait"})]
SEEDS = 60              # of each scenario and mode, in the weak model
BARRIER_SEEDS = 600     # ... for a barrier's mutant, where it may matter
# Barriers lead to few of the scenarios.
BARRIER_SCENARIOS = ["async", "split", "full", "full-regs", "awake", "awake-split",
                     "deadline", "sync-many", "mixed", "kicks", "held", "takeover",
                     "close", "legacy", "async-regs", "dies"]


def equivalents():
    """Name -> why, of those that change nothing that anybody could see."""
    known = {}
    with open(os.path.join(HERE, "equivalent"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, why = line.rstrip("\n").split(" | ")
                known[name] = why
    return known


def with_asan():
    env = dict(os.environ)
    env["ASAN_OPTIONS"] = "detect_leaks=1:handle_segv=0:abort_on_error=0"
    return env


def by_tests(tree, targets):
    """Which test fails; "" for none, None when it does not compile."""
    present = [t for t in targets if tree.has_target(t)]
    if not tree.build_tests(present):
        return None
    for target in present:
        folder = "harness" if target.startswith("harness") else "unit"
        program = os.path.join(tree.cmake_out, "tests", folder, target)
        # Races on real threads take too long here; the scheduler has them.
        only = ["--filter", "!(fd_race)/*"] if target == "unit-fd" else []
        if tree.run([program] + only, 60, env=with_asan()) != 0:
            return target
    return ""


def by_sched(tree, scenarios, seeds):
    """Which schedules fail; weak memory does all that TSO does."""
    step = min(seeds, 200)
    for first in range(1, seeds + 1, step):
        for scenario in scenarios:
            for model, mode in (("weak", "random"), ("weak", "pct")):
                if not tree.sched(scenario, model, mode, first, step, 60):
                    return "sched %s %s %s" % (scenario, model, mode)
    return ""


def is_barrier(name):
    return name.split(":")[1] in {b[2] for b in operators.BARRIERS}


def judge(tree, name, path, line, old, new, names):
    targets = HARNESS if path.startswith("xen/") else UNIT
    with Mutant(tree, path, line, old, new):
        if is_barrier(name):
            if not tree.build_sched():
                return "stillborn %s" % name
            killer = by_sched(tree, BARRIER_SCENARIOS, BARRIER_SEEDS)
            return ("killed %s | by %s" % (name, killer) if killer
                    else "survived %s" % name)
        killer = by_tests(tree, targets)
        if killer is None:
            return "stillborn %s" % name
        if not killer:
            if not tree.build_sched():
                return "stillborn %s" % name
            killer = by_sched(tree, names, SEEDS)
        return "killed %s | by %s" % (name, killer) if killer else "survived %s" % name


def sound(tree, todo):
    """Does the unchanged tree pass all that a mutant may be killed by?"""
    barriers = [m for m in todo if is_barrier(m[0])]
    if not tree.build_sched() or by_sched(tree, tree.scenarios(), SEEDS):
        return False
    if barriers and by_sched(tree, BARRIER_SCENARIOS, BARRIER_SEEDS):
        return False
    return len(barriers) == len(todo) or by_tests(tree, HARNESS + UNIT) == ""


def chosen(arguments):
    """The mutants that were asked for, in an order of their own."""
    todo = list(operators.mutants(TOP))
    if "--only" in arguments:
        text = arguments[arguments.index("--only") + 1]
        todo = [m for m in todo if text in m[0] or (text == "barriers" and
                                                    is_barrier(m[0]))]
    random.Random(1).shuffle(todo)
    if "--sample" in arguments:
        at = arguments.index("--sample")
        number, seed = int(arguments[at + 1]), arguments[at + 2]
        known = equivalents()
        todo = [m for m in todo if m[0] not in known]
        todo = random.Random(seed).sample(todo, min(number, len(todo)))
    if "--part" in arguments:
        at = arguments.index("--part")
        part, parts = int(arguments[at + 1]), int(arguments[at + 2])
        todo = todo[part::parts]
    return todo


def main():
    if sys.argv[1:] == ["list"]:
        for name, *_ in operators.mutants(TOP):
            print(name)
        return 0
    if len(sys.argv) < 4 or sys.argv[1] != "run":
        print(__doc__, file=sys.stderr)
        return 2
    known = equivalents()
    gone = set(known) - set(name for name, *_ in operators.mutants(TOP))
    if gone:
        print("survived (tests/mutation/equivalent names what is not there: %s)"
              % "; ".join(sorted(gone)))
        return 1
    end = 0
    if "--seconds" in sys.argv:
        end = time.monotonic() + int(sys.argv[sys.argv.index("--seconds") + 1])
    tree = Tree(sys.argv[2], sys.argv[3])
    todo = chosen(sys.argv[4:])
    if not sound(tree, todo):
        print("survived (the unchanged tree fails its checks: see %s)" % sys.argv[3])
        return 1
    names = tree.scenarios()
    for name, path, line, old, new in todo:
        if end and time.monotonic() > end:
            print("unjudged %s" % name)
        elif name in known:
            print("equivalent %s | %s" % (name, known[name]))
        else:
            print(judge(tree, name, path, line, old, new, names))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
