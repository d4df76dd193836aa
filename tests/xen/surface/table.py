#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/SURFACE.md against what a run on the booted Xen showed.

    table.py [--write] SURFACE_TXT BUILD

SURFACE_TXT is what the scenario events handed out, BUILD a CMake build, whose
tests that "elsewhere" names are run. Prints lines "pass|fail NAME TEXT". With
--write the document is made from the run instead of being compared with it.
"""

import difflib
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
DOCUMENT = os.path.join(ROOT, "docs", "SURFACE.md")
ROW = re.compile(r"^(\S.*?) +(v2|legacy) +(\d+) +(\d+) +(\d+)  (\S.*)$")

HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
# Events and answers, as they were seen

Written by `tests/xen/surface/run.sh --write OUT BUILD`; the suite `surface` makes
each of these again and fails when a line differs.

## On a booted Xen

The guest counts what it raises and what it sees of an answer in its own memory;
the agent counts what it receives and answers. Raised and received are equal in
each line. `(deny)` refuses the writes, `(set)` changes registers. A guest that is
denied sees the old value (`denied`); `kept` is a write that it read back. `traps`
are the exceptions that its own handlers took: none where the agent skips INT3 or
ICEBP, one for each #GP that `interrupt` (next-interrupt) announces after the
MSR write that ends in it. The machine is an emulated AMD one, so this is what Xen
offers for SVM; its emulator has its intercepts mended
(`tests/xen/qemu/svm-intercepts.patch`).

| event | ABI | raised by the guest | received | answered | seen in the guest |
|---|---|---|---|---|---|
"""

MIDDLE = """
## Elsewhere

What needs VMX, or Arm, is raised by Xen's own code in the harness, on a simulated
processor, over both ABIs.

| event | answers | needs | test |
|---|---|---|---|
"""


def booted(path):
    """The rows of SURFACE_TXT; what is not one but its head is an error."""
    with open(path) as text:
        lines = text.read().splitlines()[1:]
    rows = [ROW.match(line) for line in lines]
    if not rows or not all(rows):
        sys.exit("%s: a line is not a row" % path)
    return [row.groups() for row in rows]


def elsewhere():
    with open(os.path.join(HERE, "elsewhere")) as text:
        rows = [line.rstrip("\n").split("|") for line in text
                if line.strip() and not line.startswith("#")]
    if any(len(row) != 4 for row in rows):
        sys.exit("elsewhere: EVENT|ANSWERS|NEEDS|TEST... is wanted")
    return rows


def document(rows, others):
    out = [HEAD]
    for row in rows:
        out.append("| %s |\n" % " | ".join(row))
    out.append(MIDDLE)
    for event, answers, needs, tests in others:
        tests = ", ".join("`%s`" % test for test in tests.split())
        out.append("| %s |\n" % " | ".join((event, answers, needs, tests)))
    return "".join(out)


def compare(text):
    with open(DOCUMENT) as committed:
        old = committed.read()
    if old == text:
        print("pass table.document docs/SURFACE.md says what was seen")
        return
    diff = difflib.unified_diff(old.splitlines(), text.splitlines(),
                                "docs/SURFACE.md", "seen", lineterm="", n=0)
    lines = [line for line in diff
             if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    print("fail table.document differs from the run: " +
          " / ".join(lines)[:600])


def run_tests(build, others):
    names = sorted({test for row in others for test in row[3].split()})
    files = [name for name in names if "/" in name]
    tests = [name for name in names if "/" not in name]
    missing = [name for name in files
               if not os.path.exists(os.path.join(ROOT, name))]
    wanted = "^(%s)$" % "|".join(re.escape(name) for name in tests)
    done = subprocess.run(["ctest", "--test-dir", build, "-R", wanted],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    passed = set(re.findall(r"\d+: (\S+) \.+ +Passed", done.stdout))
    missing += [name for name in tests if name not in passed]
    if missing:
        print("fail table.elsewhere not there or not passed: " +
              " ".join(missing))
    else:
        print("pass table.elsewhere %d tests of the harness passed" %
              len(passed))


def main():
    arguments = sys.argv[1:]
    write = arguments[:1] == ["--write"]
    path, build = arguments[1:] if write else arguments
    others = elsewhere()
    text = document(booted(path), others)
    if write:
        with open(DOCUMENT, "w") as out:
            out.write(text)
    compare(text)
    run_tests(build, others)


if __name__ == "__main__":
    main()
