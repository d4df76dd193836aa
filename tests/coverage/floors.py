#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""floors.py ROOT SUMMARY RESULTS [--write]: prints a table, and a verdict per
file. --write: the table of docs/COVERAGE.md becomes this one.
"""
import json
import pathlib
import re
import sys

KINDS = ("lines", "branches", "mcdc")


def write_table(path, rows):
    """Headers have too little code for a line of the document."""
    lines = ["| %s | %.2f | %.2f | %.2f |\n" % row for row in rows
             if not row[0].endswith(".h")]
    text, n = re.subn(r"(\|---\|---\|---\|---\|\n)(\|.*\n)*",
                      lambda m: m.group(1) + "".join(lines), path.read_text(), count=1)
    if n != 1:
        raise ValueError("%s has no table" % path)
    path.write_text(text)


def main():
    root, summary, results = map(pathlib.Path, sys.argv[1:4])
    floors = {}
    for line in (root / "tests/coverage/floors").read_text().splitlines():
        if line and line[0] != "#":
            name, *values = line.split()
            floors[name] = [float(v) for v in values]

    print("%-40s %8s %8s %8s" % (("file",) + KINDS))
    verdicts, seen, rows = [], set(), []
    for entry in json.loads(summary.read_text())["data"][0]["files"]:
        name = str(pathlib.Path(entry["filename"]).relative_to(root))
        totals = entry["summary"]
        # Nothing to reach is all reached.
        got = [totals[k]["percent"] if totals[k]["count"] else 100.0
               for k in KINDS]
        print("%-40s %8.2f %8.2f %8.2f" % tuple([name] + got))
        seen.add(name)
        rows.append(tuple([name] + got))
        low = ["%s %.2f, at least %g wanted" % (k, g, f)
               for k, g, f in zip(KINDS, got, floors.get(name, [90, 75, 0]))
               if g < f]
        verdicts.append("%s %s %s" % ("fail" if low else "pass", name,
                                      "; ".join(low) or
                                      "lines %.2f branches %.2f" %
                                      (got[0], got[1])))
    verdicts += ["fail %s has a floor, and was not measured" % name
                 for name in floors if name not in seen]
    if "--write" in sys.argv:
        write_table(root / "docs/COVERAGE.md", rows)
    with results.open("a") as out:
        out.write("\n".join(verdicts) + "\n")


if __name__ == "__main__":
    main()
