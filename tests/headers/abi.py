#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the ABI header's layout, and docs/ABI.md against it.

usage: abi.py layout             the same on every target, as written down
       abi.py doc                docs/ABI.md names every struct, member and
                                 constant with its offset, size or value
       abi.py update             brings the numbers in docs/ABI.md up to date
       abi.py print              writes the layout in the form of layout.txt

layout.txt beside this file is the layout that has been published: a change of
it is a change of the ABI, and is committed together with the header.

The structs are read from the header's text, the numbers come from compilers.
In docs/ABI.md a table below a heading with `struct NAME` describes that struct:
its first three columns are offset, size and member.  One row may name several
members of the same size in a row ("rax, rcx, ..."); its size column then says
"N x SIZE".  A table row that begins with a `VMEV2_...` name has its value next.
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
HEADER = os.path.join(ROOT, "xen/include/public/vm_event_v2.h")
DOC = os.path.join(ROOT, "docs/ABI.md")
GOLDEN = os.path.join(HERE, "layout.txt")

TARGETS = [
    ["gcc"], ["gcc", "-m32"], ["clang"], ["clang", "-m32"],
    ["clang", "--target=aarch64-linux-gnu"],
    ["clang", "--target=armv7-linux-gnueabihf"],
    ["clang", "--target=riscv64-linux-gnu"],
    ["clang", "--target=powerpc64-linux-gnu"],
]


def header_text():
    with open(HEADER) as f:
        return re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)


def structs(text):
    """{struct: [member]}; a union's name stands for its members."""
    found = {}
    for m in re.finditer(r"^struct (\w+) \{(.*?)^\};", text, re.M | re.S):
        body = re.sub(r"union \{.*?\} (\w+);", r"union_ \1;", m[2], flags=re.S)
        members = []
        for line in body.split(";"):
            words = line.split(None, 1)
            if not words:
                continue
            if words[0] == "struct":
                words = words[1].split(None, 1)
            members += [re.sub(r"\[.*?\]", "", n).strip()
                        for n in words[1].split(",")]
        found[m[1]] = members
    return found


def constants(text):
    """Macros that stand for a number, in order."""
    names = re.findall(r"^#define ((?:VMEV2|XEN_DMOP|XENMEM)_\w+)[ \t]+\S",
                       text.replace("\\\n", " "), re.M)
    helpers = {"VMEV2_CAT", "VMEV2_CHECK", "VMEV2_UNUSED"}
    return [n for n in names if n not in helpers]


def layout():
    """[(name, number)], as this machine's compiler sees it."""
    text = header_text()
    lines = []
    for name, members in structs(text).items():
        lines.append('P("struct %s", sizeof(struct %s));' % (name, name))
        for m in members:
            lines.append('P("%s.%s offset", __builtin_offsetof(struct %s, %s));'
                         % (name, m, name, m))
            lines.append('P("%s.%s size", sizeof(((struct %s *)0)->%s));'
                         % (name, m, name, m))
    for name in constants(text):
        lines.append('P("%s", %s);' % (name, name))
    source = ('#include <stdio.h>\n#include "%s"\n'
              '#define P(n, v) printf("%%s %%llu\\n", n, (unsigned long long)(v))\n'
              'int main(void)\n{\n    %s\n    return 0;\n}\n'
              % (HEADER, "\n    ".join(lines)))
    with tempfile.TemporaryDirectory() as tmp:
        c, exe = os.path.join(tmp, "p.c"), os.path.join(tmp, "p")
        with open(c, "w") as f:
            f.write(source)
        subprocess.run(["gcc", "-o", exe, c], check=True)
        out = subprocess.run([exe], check=True, stdout=subprocess.PIPE)
    rows = [line.rsplit(" ", 1) for line in out.stdout.decode().splitlines()]
    return [(name, int(number)) for name, number in rows]


def expression(name):
    if name.startswith("struct "):
        return "sizeof(%s)" % name
    m = re.fullmatch(r"(\w+)\.(\w+) (offset|size)", name)
    if not m:
        return name
    if m[3] == "offset":
        return "__builtin_offsetof(struct %s, %s)" % (m[1], m[2])
    return "sizeof(((struct %s *)0)->%s)" % (m[1], m[2])


def check_targets(rows):
    """Every target's compiler must agree with the numbers."""
    source = '#include "%s"\n' % HEADER + "".join(
        '_Static_assert((%s) == %dULL, "%s");\n' % (expression(n), v, n)
        for n, v in rows)
    bad = 0
    for target in TARGETS:
        run = subprocess.run(
            target + ["-std=c11", "-ffreestanding", "-fsyntax-only", "-x", "c",
                      "-"], input=source.encode(), stderr=subprocess.PIPE)
        if run.returncode:
            bad += 1
            print("FAIL %s:\n%s" % (" ".join(target), run.stderr.decode()))
    print("%d numbers, %d targets, %d differ" % (len(rows), len(TARGETS), bad))
    return bad == 0


def cmd_layout():
    rows = layout()
    good = check_targets(rows)
    with open(GOLDEN) as f:
        golden = f.read()
    now = format_rows(rows)
    if golden != now:
        good = False
        old, new = golden.splitlines(), now.splitlines()
        for line in sorted(set(old) - set(new)):
            print("FAIL layout.txt says, but it is not so: " + line)
        for line in sorted(set(new) - set(old)):
            print("FAIL not in layout.txt: " + line)
        print("If the ABI was meant to change: abi.py print >layout.txt")
    return good


def format_rows(rows):
    return ("# SPDX-License-Identifier: MIT\n" +
            "".join("%s %d\n" % row for row in rows))


class Doc:
    """docs/ABI.md, its tables read (and written) row by row."""

    def __init__(self, rows):
        self.number = dict(rows)
        self.members = structs(header_text())
        self.problems = []
        self.seen_members = {}
        self.seen_constants = set()

    def problem(self, at, text):
        self.problems.append("docs/ABI.md:%d: %s" % (at, text))

    def struct_row(self, at, cells, struct):
        names = [n.strip(" `") for n in cells[2].split(",")]
        for n in names:
            if "%s.%s offset" % (struct, n) not in self.number:
                self.problem(at, "struct %s has no %s" % (struct, n))
                return cells
        sizes = {self.number["%s.%s size" % (struct, n)] for n in names}
        if len(sizes) > 1:
            self.problem(at, "members of different sizes in one row")
        self.seen_members.setdefault(struct, []).extend(names)
        size = str(sizes.pop())
        if len(names) > 1:
            size = "%d x %s" % (len(names), size)
        offset = self.number["%s.%s offset" % (struct, names[0])]
        return [" %d " % offset, " %s " % size] + cells[2:]

    def constant_row(self, at, cells):
        name = cells[0].strip(" `")
        if name not in self.number:
            self.problem(at, "the header has no " + name)
            return cells
        self.seen_constants.add(name)
        try:
            if int(cells[1].strip(), 0) == self.number[name]:
                return cells
        except ValueError:
            pass
        return [cells[0], " %d " % self.number[name]] + cells[2:]

    def heading(self, at, line, struct):
        line = re.sub(r"(`struct %s`)( \(\d+ bytes\))?" % struct,
                      r"\1 (%d bytes)" % self.number["struct " + struct], line)
        if struct in self.seen_members:
            self.problem(at, "struct %s is described twice" % struct)
        self.seen_members[struct] = []
        return line

    def run(self, text):
        """The text as it should be; problems that no number mends."""
        out, struct = [], None
        for at, line in enumerate(text.splitlines(), 1):
            m = re.match(r"#+ .*?`struct (\w+)`", line)
            if line.startswith("#"):
                struct = m[1] if m else None
                if m and "struct " + m[1] not in self.number:
                    self.problem(at, "the header has no struct " + m[1])
                    struct = None
                elif m:
                    line = self.heading(at, line, struct)
            elif line.startswith("|"):
                cells = line.split("|")[1:-1]
                if re.match(r" `(VMEV2|XEN)", cells[0]):
                    cells = self.constant_row(at, cells)
                elif struct and re.match(r" *\d", cells[0]):
                    cells = self.struct_row(at, cells, struct)
                line = "|" + "|".join(cells) + "|"
            out.append(line)
        self.complete()
        return "\n".join(out) + "\n"

    def complete(self):
        for struct, members in self.members.items():
            seen = self.seen_members.get(struct)
            if seen is None:
                self.problems.append("struct %s is not described" % struct)
            elif seen != members:
                self.problems.append("struct %s: the header has %s, the text %s"
                                     % (struct, members, seen))
        for name in constants(header_text()):
            if name not in self.seen_constants:
                self.problems.append("%s is not described" % name)


def cmd_doc(update=False):
    doc = Doc(layout())
    with open(DOC) as f:
        text = f.read()
    right = doc.run(text)
    for problem in doc.problems:
        print("FAIL " + problem)
    if update:
        with open(DOC, "w") as f:
            f.write(right)
    elif right != text:
        pairs = zip(text.splitlines(), right.splitlines())
        for at, (is_, should) in enumerate(pairs, 1):
            if is_ != should:
                print("FAIL docs/ABI.md:%d\n  is:     %s\n  should: %s"
                      % (at, is_, should))
    print("%d structs, %d constants described" %
          (len(doc.seen_members), len(doc.seen_constants)))
    return not doc.problems and (update or right == text)


def main():
    commands = {
        "layout": cmd_layout,
        "doc": cmd_doc,
        "update": lambda: cmd_doc(update=True),
        "print": lambda: print(format_rows(layout()), end="") is None,
    }
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    sys.exit(0 if commands[sys.argv[1]]() else 1)


if __name__ == "__main__":
    main()
