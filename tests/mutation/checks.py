# SPDX-License-Identifier: MIT
"""The fast checks of a mutant: which of them notices it."""

import os
import re
import shutil

import operators
from tree import TOP, Mutant

# Races of real threads that take long; the scheduler has them.
SKIP = "fd_race.lazy_one_by_one fd_race.eager_one_by_one"
# The suites that are likely to notice a change of a file.
EARLY = {"v2.c": "worker wait v2_ring v2_loss v2_split v2_corrupt v2_corrupt_slot v2_slots",
         "v2_control.c": "v2_respond v2_leave v2_domain v2_close v2_order",
         "v2_open.c": "ctrl_page open faults v2_leave v2_close",
         "capture_parse.c": "capture_parse capture", "legacy.c": "faults legacy legacy_open",
         "receive.c": "fd receive wait worker", "shm.h": "v2_ring v2_slots"}
TEST_SECONDS = 10       # of the processor's, that a test of a mutant may take

SEEDS = 60              # of each scenario and mode, in the weak model
BARRIER_SEEDS = 600     # ... for a barrier's mutant, where it may matter
NEAR_SEEDS = 4000       # ... where a twin of its line is found
MODELS = ("sc", "tso", "weak")
# Barriers lead to few of the scenarios.
BARRIER_SCENARIOS = ["async", "split", "full", "full-regs", "awake", "awake-split",
                     "deadline", "sync-many", "mixed", "kicks", "held", "takeover",
                     "close", "legacy", "async-regs", "dies", "legacy-library",
                     "heir-answers", "heir-sleeps", "loss-behind"]


class TooSlow(Exception):
    """Neither passed nor failed: the machine has no time for us."""


def is_barrier(name):
    return name.split(":")[1] in {b[2] for b in operators.BARRIERS}


def bare(text):
    """Code without its comments and blanks."""
    return "".join(re.sub(r"/\*.*?\*/", "", text).split())


def twins_of(path, text, mutated):
    """The twins of this line (tests/sched/twins): the one that is the mutant, which
    every ./check finds, or ""; and the scenarios that find any of them."""
    same, scenarios = "", []
    with open(os.path.join(TOP, "tests/sched/twins"), encoding="utf-8") as f:
        for line in f:
            fields = line.rstrip("\n").split(" | ")
            if len(fields) < 5 or fields[1] != path or fields[2].strip() not in text:
                continue
            if bare(text.replace(fields[2].strip(), fields[3].strip(), 1)) == \
                    bare(mutated):
                same = same or fields[0]
            scenarios += [s for s in fields[-1].split() if s not in MODELS]
    return same, list(dict.fromkeys(scenarios))


class Checks:
    """Those of one tree. What the unchanged tree fails kills nothing."""

    def __init__(self, tree, built_sched):
        self.tree = tree
        self.built_sched = built_sched
        self.sound = {}
        self.base_sched = tree.sched_program + "-base"
        if os.path.exists(self.base_sched):
            os.remove(self.base_sched)

    def test(self, path, sanitize, leaks):
        """Whether all tests of the side of a file pass; None: no build."""
        name = "xen-tests" if path.startswith("xen/") else "sdk-tests"
        program = self.tree.build_tests(name, sanitize)
        if not program:
            return None
        env = dict(os.environ, PLAIN_FIRST=str(TEST_SECONDS), PLAIN_SKIP=SKIP,
                   PLAIN_EARLY=EARLY.get(os.path.basename(path), ""),
                   ASAN_OPTIONS="detect_leaks=%d:handle_segv=0:abort_on_error=0" % leaks)
        status = self.tree.run([program], 600, env=env)
        if status is None:
            raise TooSlow()
        return status == 0

    def is_sound(self, path, sanitize):
        """Does the unchanged tree pass what a mutant may be killed by?"""
        what = (path.startswith("xen/"), sanitize)
        if what not in self.sound:
            self.sound[what] = self.test(path, sanitize, int(sanitize))
        if not self.sound[what]:
            raise ValueError("the unchanged tree fails the tests for %s" % path)

    def by_tests(self, mutant, path):
        """Which tests fail; "" for none, None when it does not compile."""
        # The cheapest first; to look for leaks takes longer than all else.
        for how, sanitize, leaks in (("tests", False, 0), ("tests, ASan", True, 0),
                                     ("tests, leaks", True, 1)):
            self.is_sound(path, sanitize)
            with mutant:
                passed = self.test(path, sanitize, leaks)
            if not passed:
                return None if passed is None else how
        return ""

    def build_base(self):
        """The scheduler's program of the unchanged tree, which is kept."""
        if not os.path.exists(self.base_sched):
            self.tree.seed_sched(self.built_sched)
            if not self.tree.build_sched():
                raise ValueError("the unchanged tree's scheduler does not compile")
            shutil.copy(self.tree.sched_program, self.base_sched)

    def by_sched(self, scenarios, seeds):
        """Which schedules fail; weak memory does all that TSO does."""
        step = min(seeds, 200)
        for first in range(1, seeds + 1, step):
            for scenario in scenarios:
                for mode in ("random", "pct"):
                    run = (scenario, "weak", mode, first, step, 60)
                    if self.tree.sched(*run):
                        continue
                    if not self.tree.sched(*run, program=self.base_sched):
                        raise ValueError("the unchanged tree fails %s" % (run,))
                    return "sched %s weak %s" % (scenario, mode)
        return ""

    def judge(self, name, path, line, old, new):
        """One line about it."""
        mutant = Mutant(self.tree, path, line, old, new)
        with open(os.path.join(TOP, path), encoding="utf-8") as f:
            text = f.read().split("\n")[line]
        twin, near = twins_of(path, text, text.replace(old, new, 1))
        if twin and is_barrier(name):
            return "killed %s | by the suite sched, twin.%s" % (name, twin)
        killer = "" if is_barrier(name) else self.by_tests(mutant, path)
        if killer == "":
            self.build_base()
            with mutant:
                if not self.tree.build_sched():
                    killer = None
                elif is_barrier(name):
                    killer = (self.by_sched(near, NEAR_SEEDS) or
                              self.by_sched(BARRIER_SCENARIOS, BARRIER_SEEDS))
                else:
                    killer = self.by_sched(self.tree.scenarios(), SEEDS)
        if killer is None:
            return "stillborn %s" % name
        return "killed %s | by %s" % (name, killer) if killer else "survived %s" % name
