#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which functions the models model, and whether they are still those.

A model's head names them: "models FILE: FUNCTION...".  The file "reviewed"
keeps a hash of each function's text without its comments and blanks.  A change
of the function makes this fail until somebody has looked at the model.

functions.py            prints "pass|fail NAME TEXT" per model
functions.py --reviewed after the review: writes the hashes anew
"""
import hashlib
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REVIEWED = HERE / "reviewed"


def function_text(path, name):
    """From the definition's line to the brace that closes it, normalised."""
    text = (ROOT / path).read_text()
    found = re.search(r"^[a-z][^\n;=#{}]*\b%s\([^;{}]*\)\s*\n\{\n.*?^\}\n"
                      % re.escape(name), text, re.M | re.S)
    if not found:
        return None
    body = re.sub(r"/\*.*?\*/", " ", found.group(0), flags=re.S)
    return " ".join(body.split())


def modelled():
    """(model, file, function), in the order of the models' heads."""
    for model in sorted(HERE.glob("*.pml")):
        for line in model.read_text().splitlines():
            found = re.match(r" \* models (\S+): (.+)", line)
            if found:
                for name in found.group(2).split():
                    yield model.stem, found.group(1), name


def hashes():
    for model, path, name in modelled():
        text = function_text(path, name)
        digest = (hashlib.sha256(text.encode()).hexdigest()[:16] if text
                  else "missing")
        yield model, path, name, digest


def write():
    lines = ["# SPDX-License-Identifier: MIT",
             "# Written by functions.py --reviewed."]
    lines += sorted({"%s %s %s %s" % entry for entry in hashes()})
    REVIEWED.write_text("\n".join(lines) + "\n")


def compare():
    known = set(REVIEWED.read_text().splitlines())
    models = {}
    for model, path, name, digest in hashes():
        bad = models.setdefault(model, [])
        if digest == "missing":
            bad.append("%s has no function %s" % (path, name))
        elif "%s %s %s %s" % (model, path, name, digest) not in known:
            bad.append("%s: %s() has changed" % (path, name))
    failed = False
    for model, bad in sorted(models.items()):
        if bad:
            failed = True
            print("fail reviewed.%s %s; look whether tests/model/%s.pml still "
                  "says the same, then run tests/model/functions.py --reviewed"
                  % (model, "; ".join(bad), model))
        else:
            print("pass reviewed.%s" % model)
    return failed


def main():
    if sys.argv[1:] == ["--reviewed"]:
        write()
        return 0
    return 1 if compare() else 0


if __name__ == "__main__":
    sys.exit(main())
