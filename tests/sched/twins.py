#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""twins.py WORK LOG [NAME...]: the scheduler must find every broken twin.

Prints "pass NAME ..." or "fail NAME ..." for each line of tests/sched/twins.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "mutation"))

from tree import Mutant, Tree  # noqa: E402

MODELS = ("sc", "tso", "weak")
STEP, STEPS = 200, 20       # schedules of each scenario and mode at a time


def twins():
    with open(os.path.join(HERE, "twins"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                yield line.rstrip("\n").split(" | ")


def hunt(tree, scenarios, model):
    """Where it was found, or None."""
    for first in range(1, STEPS * STEP, STEP):
        for scenario in scenarios:
            for mode in ("pct", "random"):
                if not tree.sched(scenario, model, mode, first, STEP):
                    return "%s %s %s, seeds %d to %d" % (
                        scenario, model, mode, first, first + STEP - 1)
    return None


def main():
    work, log, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    tree = Tree(work, log)
    if not tree.build_sched():
        print("fail twins.build see %s" % log)
        return 1
    failed = 0
    for name, path, old, new, where in twins():
        if names and name not in names:
            continue
        model = ([m for m in where.split() if m in MODELS] or ["weak"])[0]
        scenarios = [s for s in where.split() if s not in MODELS]
        with Mutant(tree, path, None, old, new):
            found = (hunt(tree, scenarios, model) if tree.build_sched()
                     else None)
        print("%s twin.%s %s" % ("pass" if found else "fail", name,
                                 "found by " + found if found else "not found"))
        sys.stdout.flush()
        failed += not found
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
