# SPDX-License-Identifier: MIT
"""
The tables of docs/ERRORS.md say what really happens.

Each is made anew and compared: the agent and the library are run against
vmi-sim; the hypervisor's come out of tests/xen/dom0/badcalls.c, whose every
case is a call that is made on the booted Xen and must give that errno.

errors.py --write puts the tables that it made into the page.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "ERRORS.md")
AGENT, SIM = os.environ["VMI_AGENT"], os.environ["VMI_SIM"]
REFUSALS = os.environ["VMI_REFUSALS"]
TIMEOUT = 60

DOMAINS = ("name=web,vcpus=1,rate=50,start=wait",
           "name=web,vcpus=1,rate=50", "name=other,vcpus=1,rate=50",
           "name=busy,vcpus=1,rate=50")

# What was wrong, arguments.
COMMANDS = (
    ("no domain is named", ""),
    ("two are", "--domid 1 --name web"),
    ("a domain number out of range", "--domid 40000"),
    ("an unknown option", "--domid 1 --what"),
    ("an unknown event", "--domid 1 -e nothing"),
    ("an event in a mode that it has not", "--domid 1 -e cpuid:async"),
    ("a deadline out of range", "--domid 1 --deadline 60001"),
    ("--deny of what is not watched", "--domid 1 -e cpuid --deny cr0"),
    ("an option of v2, with the legacy ABI",
     "--domid 1 --abi legacy --on-death hold"),
    ("-c with many domains", "--all -c 1"),
    ("one file for many domains", "--all -w events.pcap"),
    ("no such domain", "--domid 99"),
    ("no domain of that name", "--name nobody"),
    ("two domains of that name", "--name web"),
    ("no host at that socket", "--domid 1 --sim /nonexistent"),
    ("somebody else watches it", "--domid 4"),
    ("nothing to re-attach to", "--domid 1 --reattach"),
    ("an event that this CPU cannot raise", "--domid 1 -e privcall"),
)


def make_socket(directory):
    path = os.path.join(directory, "sim.sock")
    args = [SIM, "--socket", path]
    for domain in DOMAINS:
        args += ["--domain", domain]
    sim = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
    for line in sim.stdout:
        if "ready at" in line:
            return sim, path
    sys.exit("vmi-sim did not start")


def table(head, rows):
    lines = ["| %s |" % " | ".join(head), "|---" * len(head) + "|"]
    for row in rows:
        lines.append("| %s |" % " | ".join(
            c.replace("|", "\\|") for c in row))
    return "\n".join(lines)


def code(text):
    return "`%s`" % text


def normal(text, path):
    text = text.replace(path, "SOCKET")
    text = re.sub(r"(size: is \d+, should be) \d+", r"\1 SIZE", text)
    return re.sub(r"(\w)\[\d+\]", r"\1[PID]", text)


def agent_table(path):
    holder = subprocess.Popen([AGENT, "--domid", "4", "--sim", path, "-q"],
                              stdout=subprocess.PIPE, text=True)
    holder.stdout.readline()        # it is attached
    rows = []
    for cause, words in COMMANDS:
        args = words.split()
        if "--sim" not in args:
            args += ["--sim", path]
        r = subprocess.run([AGENT, *args], capture_output=True, text=True,
                           timeout=TIMEOUT)
        if not r.returncode:
            sys.exit("vmi-agent %s: was not refused" % words)
        rows.append((cause, code("vmi-agent " + words if words else
                                 "vmi-agent"), str(r.returncode),
                     code(normal(r.stderr.splitlines()[0], path))))
    holder.terminate()
    holder.stdout.close()
    holder.wait(TIMEOUT)
    return table(("What is wrong", "Command", "Exit code", "Message"), rows)


def library_table(path):
    r = subprocess.run([REFUSALS, path], capture_output=True, text=True,
                       timeout=TIMEOUT)
    if r.returncode:
        sys.exit("refusals: " + r.stderr)
    rows = []
    for line in r.stdout.splitlines():
        call, cause, errno, message = line.split("\t")
        if call != "any":
            call = "vmiring_" + call
        rows.append((code(call), cause, errno, code(normal(message, path))))
    return table(("Call", "What is wrong", "errno", "Message"), rows)


CASE = re.compile(
    r'(?:CASE\("(?P<name>[^"]+)", (?P<cmd>[^,]+), (?P<errno>E\w+),'
    r'|MONITOR_CASE\("(?P<mname>[^"]+)", (?P<merrno>E\w+),'
    r'|map_case\("(?P<map>[^"]+)",[^;]*?, (?P<maperrno>E\w+)\);)', re.S)


def xen_table():
    with open(os.path.join(ROOT, "tests", "xen", "dom0", "badcalls.c")) as f:
        text = f.read()
    rows, seen = [], set()
    for m in CASE.finditer(text):
        if m["map"]:
            row = ("mapping", m["map"], m["maperrno"])
        elif m["mname"]:
            row = ("MONITOR", m["mname"], m["merrno"])
        else:
            command = m["cmd"].replace("VMEV2_CMD_", "")
            if not re.match(r"[A-Z]+$", command):
                command = "any"
            row = (command, re.sub(r"^%s " % command, "", m["name"]),
                   m["errno"])
        if row not in seen:
            seen.add(row)
            rows.append(row)
    if len(rows) < 40:
        sys.exit("badcalls.c: only %d cases found" % len(rows))
    order = {"any": 0, "QUERY": 1, "INFO": 2, "CREATE": 3, "ATTACH": 4,
             "MONITOR": 5, "RESUME": 6, "DESTROY": 7, "mapping": 8}
    rows.sort(key=lambda r: order.get(r[0], 0))
    return table(("Command", "What is wrong", "errno"), rows)


def make_tables():
    with tempfile.TemporaryDirectory(prefix="vmi-errors.") as directory:
        os.chmod(directory, 0o755)
        sim, path = make_socket(directory)
        try:
            return {"agent": agent_table(path), "library": library_table(path),
                    "xen": xen_table()}
        finally:
            sim.terminate()
            sim.wait(TIMEOUT)
            sim.stdout.close()


def main():
    with open(PAGE) as f:
        page = new = f.read()
    for name, text in make_tables().items():
        begin, end = "<!-- begin %s -->" % name, "<!-- end %s -->" % name
        head, _, rest = new.partition(begin)
        _, found, tail = rest.partition(end)
        if not found:
            sys.exit("docs/ERRORS.md has no place for the table " + name)
        new = "%s%s\n\n%s\n\n%s%s" % (head, begin, text, end, tail)
    if "--write" in sys.argv:
        with open(PAGE, "w") as f:
            f.write(new)
        return
    old, now = set(page.splitlines()), set(new.splitlines())
    for line in sorted(old - now):
        print("docs/ERRORS.md says:", line)
    for line in sorted(now - old):
        print("what happens:       ", line)
    if page != new:
        sys.exit("docs/ERRORS.md differs; tests/errors/errors.py --write "
                 "puts in what happens")
    print("%d lines of tables are what happens" % len(
        [line for line in new.splitlines() if line.startswith("| ")]))


if __name__ == "__main__":
    main()
