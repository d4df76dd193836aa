# SPDX-License-Identifier: MIT
"""A copy of the source tree, with its builds, in which one line is changed."""

import filecmp
import glob
import os
import shutil
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = ["xen", "sim", "libvmi-ring", "tests"]

SANITIZE = "-O1 -fno-omit-frame-pointer -fsanitize=address,undefined " \
    "-fno-sanitize-recover=all"


def mirror(source, to):
    """Makes to what source is; what is the same keeps its time."""
    if os.path.isdir(source):
        os.makedirs(to, exist_ok=True)
        names = set(os.listdir(source)) - {"build", "__pycache__"}
        for name in set(os.listdir(to)) - names:
            old = os.path.join(to, name)
            if os.path.isdir(old) and not os.path.islink(old):
                shutil.rmtree(old)
            else:
                os.remove(old)
        for name in names:
            mirror(os.path.join(source, name), os.path.join(to, name))
    elif os.path.exists(source):
        os.makedirs(os.path.dirname(to), exist_ok=True)
        if not os.path.exists(to) or not filecmp.cmp(source, to, shallow=False):
            shutil.copy(source, to)


class Tree:
    """Built on demand: the scheduler's program, and the two of tests."""

    def __init__(self, where, log):
        self.where = os.path.abspath(where)
        self.log = open(log, "ab")
        self.sched_out = os.path.join(self.where, "build-sched")
        self.sched_program = os.path.join(self.sched_out, "sched")
        self.tests_out = os.path.join(self.where, "build-tests")
        for part in PARTS:
            mirror(os.path.join(TOP, part), os.path.join(self.where, part))

    def run(self, command, timeout, **more):
        """The exit status; None when it took too long."""
        try:
            return subprocess.run(command, stdout=self.log, stderr=self.log,
                                  timeout=timeout, cwd=self.where, **more).returncode
        except subprocess.TimeoutExpired:
            return None

    def build_sched(self):
        return self.run(["make", "-s", "-C", "tests/sched", "-j2",
                         "OUT=" + self.sched_out, "WERROR="], 600) == 0

    def build_tests(self, program, sanitize):
        """One of the two programs of tests/plain/Makefile; "" when it doesn't
        compile."""
        out = self.tests_out + ("-asan" if sanitize else "")
        path = os.path.join(out, program)
        command = ["make", "-s", "-C", "tests/plain", "OUT=" + out, path]
        if sanitize:
            command.append("SANITIZE=" + SANITIZE)
        return path if self.run(command, 900) == 0 else ""

    def seed_sched(self, built):
        """Takes over what was built of the tree as it is, where it was."""
        if built and self.run(["make", "-s", "-C", os.path.join(TOP, "tests/sched"),
                               "OUT=" + os.path.abspath(built)], 600) == 0:
            os.makedirs(self.sched_out, exist_ok=True)
            for path in glob.glob(os.path.join(built, "*.o")):
                shutil.copy(path, self.sched_out)

    def sched(self, scenario, model, mode, first, count, timeout=120, program=None):
        """Whether these schedules pass."""
        return self.run([program or self.sched_program, "run", scenario,
                         model, mode, str(first), str(count)], timeout) == 0

    def scenarios(self):
        out = subprocess.check_output([self.sched_program, "list"],
                                      text=True)
        return [line.split()[0] for line in out.splitlines()]


class Mutant:
    """One piece of text in one file, and what stands there instead."""

    def __init__(self, tree, path, line, old, new):
        self.file = os.path.join(tree.where, path)
        self.line, self.old, self.new = line, old, new

    def __enter__(self):
        with open(self.file, encoding="utf-8") as f:
            self.text = f.read()
        lines = self.text.split("\n")
        if self.line is None:
            found = [i for i, text in enumerate(lines) if self.old in text]
            if not found:
                raise ValueError("%s: no line has %r" % (self.file, self.old))
            self.line = found[0]
        if self.old not in lines[self.line]:
            raise ValueError("%s:%d is another line" % (self.file, self.line + 1))
        lines[self.line] = lines[self.line].replace(self.old, self.new, 1)
        self.write("\n".join(lines))
        return self

    def __exit__(self, *unused):
        self.write(self.text)

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as f:
            f.write(text)
