#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutate.py list
mutate.py run WORK LOG [--sample N SEED] [--part I N] [--only TEXT|barriers]
              [--seconds N] [--sched FOLDER]

Makes each mutation of operators.py in a copy of the tree, builds what it
touches, and runs the fast checks: the harness or the library's unit tests, as
they are and then under ASan and UBSan, and the deterministic scheduler. One
line for each:

    killed NAME | by WHAT
    survived NAME
    known NAME | WHY                 (of tests/mutation/survivors; a sample does
                                      not try it)
    equivalent NAME | WHY            (of tests/mutation/equivalent; not tried)
    stillborn NAME                   (does not compile; does not count)
    unjudged NAME                    (--seconds were over)
    error WHAT

A work folder of an earlier run is brought up to date and used again. --sched
names where the scheduler of this tree was built, if it was.
"""

import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import operators  # noqa: E402
from checks import Checks, TooSlow, is_barrier  # noqa: E402
from tree import TOP, Tree  # noqa: E402

MOST_SURVIVORS = 5      # in percent of what counts


def reasons(name):
    """Name -> why, of a file of them."""
    known = {}
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                mutant, why = line.rstrip("\n").split(" | ")
                known[mutant] = why
    return known


def wrong_lists(names, equivalent, survivors):
    """What is wrong with the two files, if something is."""
    for name in list(equivalent) + list(survivors):
        if name not in names:
            return "no such mutation: " + name
    twice = set(equivalent) & set(survivors)
    if twice:
        return "in both files: " + "; ".join(sorted(twice))
    counted = len(names) - len(equivalent)
    if len(survivors) * 100 > counted * MOST_SURVIVORS:
        return "%d known survivors of %d" % (len(survivors), counted)
    return ""


def argument(arguments, name, at=1):
    return arguments[arguments.index(name) + at] if name in arguments else None


def chosen(arguments, equivalent):
    """The mutants that were asked for, those of a file one after the other."""
    todo = list(operators.mutants(TOP))
    text = argument(arguments, "--only")
    if text:
        todo = [m for m in todo if text in m[0] or (text == "barriers" and
                                                    is_barrier(m[0]))]
    seed = 1
    if "--sample" in arguments:
        seed = argument(arguments, "--sample", 2)
        todo = [m for m in todo if m[0] not in equivalent]
        todo = random.Random(seed).sample(
            todo, min(int(argument(arguments, "--sample")), len(todo)))
    if "--part" in arguments:
        part, parts = (int(argument(arguments, "--part", at)) for at in (1, 2))
        random.Random(1).shuffle(todo)
        todo = todo[part::parts]
    files = sorted({m[1] for m in todo})
    random.Random(seed).shuffle(files)
    return sorted(todo, key=lambda m: files.index(m[1]))


def judge_all(checks, todo, arguments, equivalent, survivors):
    seconds = argument(arguments, "--seconds")
    end = time.monotonic() + int(seconds) if seconds else None
    for mutant in todo:
        name = mutant[0]
        if name in equivalent:
            print("equivalent %s | %s" % (name, equivalent[name]))
        elif name in survivors and "--sample" in arguments:
            print("known %s | %s" % (name, survivors[name]))
        elif end and time.monotonic() > end:
            print("unjudged %s" % name)
        else:
            try:
                line = checks.judge(*mutant)
            except TooSlow:
                line = "unjudged %s" % name
            if line.startswith("survived") and name in survivors:
                line = "known %s | %s" % (name, survivors[name])
            elif line.startswith("killed") and name in survivors:
                line += " (take it out of tests/mutation/survivors)"
            print(line)
        sys.stdout.flush()


def main():
    names = [name for name, *_ in operators.mutants(TOP)]
    if sys.argv[1:] == ["list"]:
        print("\n".join(names))
        return 0
    if len(sys.argv) < 4 or sys.argv[1] != "run":
        print(__doc__, file=sys.stderr)
        return 2
    arguments = sys.argv[4:]
    equivalent, survivors = reasons("equivalent"), reasons("survivors")
    wrong = wrong_lists(set(names), equivalent, survivors)
    try:
        if wrong:
            raise ValueError(wrong)
        checks = Checks(Tree(sys.argv[2], sys.argv[3]), argument(arguments, "--sched"))
        judge_all(checks, chosen(arguments, equivalent), arguments, equivalent,
                  survivors)
    except ValueError as error:
        print("error %s" % error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
